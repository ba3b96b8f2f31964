//! Sends single events of one device and looks when each is in a view, or in the view's feed.
//!
//! The view counts the events of each device: the n-th is there once it says n. A count that is
//! too large is an error.

use std::{cell::RefCell, time::Duration};

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    client::{Connection, Request},
    load::{Target, percentile},
};

/// Between two probes.
const PAUSE: Duration = Duration::from_millis(5);
/// No event takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probed<'a> {
    pub(crate) target: Target<'a>,
    /// A device that no one else sends events of.
    pub(crate) device: &'a str,
    /// Probes of this first time are not counted.
    pub(crate) warm_up: Duration,
    pub(crate) lasts: Duration,
}

/// Times from sending to seeing, in µs, shortest first.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    fn new(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    /// The time that this share did not exceed, in ms.
    pub(crate) fn millis(&self, share: f64) -> f64 {
        percentile(&self.0, share)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[derive(Deserialize)]
struct Ack {
    position: String,
}

impl Probed<'_> {
    /// From when on probes count, and when they end.
    fn times(&self) -> (Duration, Duration) {
        let counts = SystemClock.monotonic() + self.warm_up;
        (counts, counts + self.lasts)
    }

    fn event(&self) -> Request {
        let device = self.device;
        let event = format!(
            "{{\"device_id\":\"{device}\",\"at\":\"2026-01-01T00:00:00Z\",\"celsius\":1.5,\
             \"speed\":2.5,\"odometer\":1000000,\"state\":\"probing\"}}\n"
        );
        Request::events(self.target.stream, self.target.key, event.as_bytes())
    }

    /// Sends one event; its position.
    async fn send(&self, connection: &mut Connection, event: &Request) -> Result<String> {
        loop {
            let answer = connection.exchange(event).await?;
            if answer.status != 429 {
                return Ok(answer.json::<Ack>()?.position);
            }
            sleep(PAUSE).await;
        }
    }
}

/// Until a reader who waits for the event's position is answered with it: a sending and a reading.
///
/// # Errors
/// When the server errs, or the view counts wrong.
pub(crate) fn view(probed: &Probed<'_>) -> Result<Latencies> {
    let (counts, ends) = probed.times();
    let (mut sent, mut micros) = (0, Vec::new());
    block_on(async {
        let mut connection = Connection::open(probed.target.address).await?;
        let event = probed.event();
        while SystemClock.monotonic() < ends {
            let begin = SystemClock.monotonic();
            let position = probed.send(&mut connection, &event).await?;
            let path = format!(
                "/v1/views/totals/rows?key={}&wait={position}",
                probed.device
            );
            let request = Request::get(&path, probed.target.key);
            let answer: Rows = connection.exchange(&request).await?.json()?;
            sent += 1;
            if begin >= counts {
                micros.push(since(begin));
            }
            let count = answer.rows.first().and_then(|row| row.get(1)?.as_u64());
            ensure!(
                count == Some(sent),
                "of {sent} events the view counts {count:?}"
            );
            sleep(PAUSE).await;
        }
        Ok(())
    })?;
    Ok(Latencies::new(micros))
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Vec<Value>>,
}

/// Until a follower of the view has it. The feed is of all keys.
///
/// # Errors
/// When the server errs, or the view counts wrong.
pub(crate) fn feed(probed: &Probed<'_>) -> Result<Latencies> {
    let (counts, ends) = probed.times();
    let book = Book::default();
    block_on(async {
        let mut feed = Connection::open(probed.target.address).await?;
        let request = Request::get("/v1/views/totals/changes", probed.target.key);
        feed.send(&request).await?;
        tokio::select! {
            ended = read(feed, probed.device, &book) => ended,
            ended = write(probed, (&book, ends)) => ended,
        }
    })?;
    let (sent, micros) = (book.sent.take(), book.micros.take());
    let pairs = sent.into_iter().zip(micros);
    let counted = pairs.filter(|(sent, _)| *sent >= counts);
    Ok(Latencies::new(counted.map(|(_, micros)| micros).collect()))
}

/// Events that were sent, and those that came back. One thread, so cells suffice.
#[derive(Default)]
struct Book {
    sent: RefCell<Vec<Duration>>,
    micros: RefCell<Vec<u32>>,
}

impl Book {
    fn is_settled(&self) -> bool {
        self.sent.borrow().len() == self.micros.borrow().len()
    }

    /// The view counts this many of them.
    fn see(&self, count: usize) -> Result<()> {
        let (sent, mut micros) = (self.sent.borrow(), self.micros.borrow_mut());
        let (new, all) = (micros.len(), sent.len());
        ensure!(count <= all, "of {all} events the feed tells {count}");
        micros.extend(sent[new.min(count)..count].iter().copied().map(since));
        Ok(())
    }
}

/// Sends until the time is over, then waits for what is still to come back.
async fn write(probed: &Probed<'_>, (book, ends): (&Book, Duration)) -> Result<()> {
    let mut connection = Connection::open(probed.target.address).await?;
    let event = probed.event();
    while SystemClock.monotonic() < ends {
        book.sent.borrow_mut().push(SystemClock.monotonic());
        probed.send(&mut connection, &event).await?;
        sleep(PAUSE).await;
    }
    while !book.is_settled() {
        let waited = SystemClock.monotonic().saturating_sub(ends);
        ensure!(waited < PATIENCE, "the feed does not tell the last event");
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Reads the feed for ever.
async fn read(mut feed: Connection, device: &str, book: &Book) -> Result<()> {
    let change = format!("\"after\":{{\"device_id\":\"{device}\",\"n\":");
    // What ends a read may be the beginning of a change.
    let mut held = Vec::new();
    loop {
        held.extend_from_slice(feed.more().await?);
        if let Some(place) = memmem::rfind(&held, change.as_bytes()) {
            let digits = &held[place + change.len()..];
            let Some(end) = digits.iter().position(|byte| !byte.is_ascii_digit()) else {
                continue;
            };
            let count = std::str::from_utf8(&digits[..end])?;
            book.see(count.parse().context("the count of a change")?)?;
        }
        let kept = held.len().saturating_sub(change.len());
        held.drain(..kept);
    }
}

fn since(begin: Duration) -> u32 {
    let took = SystemClock.monotonic().saturating_sub(begin);
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
