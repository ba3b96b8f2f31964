//! Sends events as fast as the server acknowledges them, and counts every acknowledgement.
//!
//! One thread drives all connections. A sum of accepted rows that differs from what was sent is
//! an error, never a figure.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, Timestamp, clock::SystemClock};
use serde::Deserialize;
use tokio::{
    task::{JoinSet, LocalSet},
    time::sleep,
};

use crate::{
    client::{Connection, Request},
    events::{EVENT_BYTES, EventMaker},
    usage::{Spent, Usage},
};

/// Bytes of bodies built beforehand and sent over and over.
const CYCLE_BYTES: usize = 32 << 20;
/// And at most this many bodies.
const CYCLE_MAX: usize = 4_096;
/// Wait after "too many requests".
const THROTTLE_WAIT: Duration = Duration::from_millis(50);
/// Event time between two events.
const STEP_MICROS: i64 = 1_000;

/// How long a load lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// Warms up, then counts for this long.
    Time {
        warm_up: Duration,
        counted: Duration,
    },
    /// Exactly so many different events, from this event time on.
    Events { count: u64, first: Timestamp },
}

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) events_per_request: usize,
    pub(crate) amount: Amount,
}

/// Where to send it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) key: &'a str,
    pub(crate) stream: &'a str,
    /// Process whose use of the processor is counted.
    pub(crate) pid: u32,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Events acknowledged, all of them.
    pub(crate) accepted: u64,
    /// Events acknowledged in the counted time.
    pub(crate) counted: u64,
    /// The counted time.
    pub(crate) seconds: f64,
    /// From sending to acknowledgement, in µs, shortest first; of the counted time.
    pub(crate) latencies: Vec<u32>,
    /// Requests answered with 429, and sent again.
    pub(crate) throttled: u64,
    /// Position of each connection's last acknowledgement.
    pub(crate) positions: Vec<String>,
    /// What the server used in the counted time.
    pub(crate) server: Spent,
    /// What this process used in the counted time.
    pub(crate) generator: Spent,
}

impl Outcome {
    /// Events per second.
    pub(crate) fn rate(&self) -> f64 {
        as_f64(self.counted) / self.seconds
    }

    /// The latency that this share of requests did not exceed, in ms.
    pub(crate) fn latency_millis(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is a length"
        )]
        let place = (as_f64(last as u64) * share).round() as usize;
        self.latencies
            .get(place)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
    }
}

/// Counts lie far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts lie far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Runs a load to its end; `each_second` is told the seconds since its start.
///
/// # Errors
/// When the server errs, or acknowledges other rows than were sent.
pub(crate) fn run(
    load: Load,
    target: Target<'_>,
    mut each_second: impl FnMut(u64) -> Result<()>,
) -> Result<Outcome> {
    let sender = Rc::new(Sender::new(load, target));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let mut outcome = Outcome::default();
    runtime.block_on(local.run_until(async {
        let mut tasks = JoinSet::new();
        for _connection in 0..load.connections {
            tasks.spawn_local(send_all(Rc::clone(&sender)));
        }
        let begin = match load.amount {
            Amount::Time { warm_up, counted } => {
                sleep(warm_up).await;
                let begin = Moment::now(target.pid)?;
                sender.counting.set(true);
                for second in 0..counted.as_secs() {
                    sleep(Duration::from_secs(1)).await;
                    each_second(second + 1)?;
                    // A task that ended early has failed.
                    if let Some(ended) = tasks.try_join_next() {
                        outcome.positions.push(ended??);
                    }
                }
                sender.counting.set(false);
                begin.until_now(&mut outcome)?;
                sender.stop.set(true);
                None
            }
            Amount::Events { .. } => {
                sender.counting.set(true);
                Some(Moment::now(target.pid)?)
            }
        };
        while let Some(ended) = tasks.join_next().await {
            outcome.positions.push(ended??);
        }
        match begin {
            Some(begin) => begin.until_now(&mut outcome),
            None => Ok(()),
        }
    }))?;
    sender.finish(&mut outcome)?;
    Ok(outcome)
}

/// Clock and processor time at a moment.
struct Moment {
    pid: u32,
    at: Duration,
    server: Usage,
    generator: Usage,
}

impl Moment {
    fn now(pid: u32) -> Result<Self> {
        let (server, generator) = (Usage::of(pid)?, Usage::of(std::process::id())?);
        Ok(Self {
            pid,
            at: SystemClock.monotonic(),
            server,
            generator,
        })
    }

    fn until_now(&self, outcome: &mut Outcome) -> Result<()> {
        let now = Self::now(self.pid)?;
        outcome.seconds = (now.at - self.at).as_secs_f64();
        outcome.server = now.server.since(&self.server);
        outcome.generator = now.generator.since(&self.generator);
        Ok(())
    }
}

/// What all connections share; one thread, so cells suffice.
struct Sender {
    address: SocketAddr,
    events_per_request: usize,
    source: Source,
    stop: Cell<bool>,
    counting: Cell<bool>,
    sent: Cell<u64>,
    accepted: Cell<u64>,
    counted: Cell<u64>,
    throttled: Cell<u64>,
    latencies: RefCell<Vec<u32>>,
}

/// Where bodies come from.
enum Source {
    /// Built beforehand, sent in turn.
    Cycle {
        requests: Vec<Rc<Request>>,
        next: Cell<usize>,
    },
    /// Built when they are sent.
    Fresh {
        maker: RefCell<EventMaker>,
        left: Cell<u64>,
        stream: String,
        key: String,
    },
}

/// What the bench reads of an acknowledgement.
#[derive(Deserialize)]
struct Ack<'a> {
    accepted: u64,
    rejected: u64,
    position: &'a str,
}

impl Sender {
    fn new(load: Load, target: Target<'_>) -> Self {
        let source = match load.amount {
            Amount::Time { .. } => {
                let body_bytes = load.events_per_request * EVENT_BYTES;
                let count = (CYCLE_BYTES / body_bytes).clamp(load.connections, CYCLE_MAX);
                let mut maker = EventMaker::new(1, SystemClock.now(), STEP_MICROS);
                let requests = (0..count).map(|_| {
                    let body = maker.body(load.events_per_request);
                    Rc::new(Request::events(target.stream, target.key, &body))
                });
                Source::Cycle {
                    requests: requests.collect(),
                    next: Cell::new(0),
                }
            }
            Amount::Events { count, first } => Source::Fresh {
                maker: RefCell::new(EventMaker::new(2, first, STEP_MICROS)),
                left: Cell::new(count),
                stream: target.stream.to_owned(),
                key: target.key.to_owned(),
            },
        };
        Self {
            address: target.address,
            events_per_request: load.events_per_request,
            source,
            stop: Cell::new(false),
            counting: Cell::new(false),
            sent: Cell::new(0),
            accepted: Cell::new(0),
            counted: Cell::new(0),
            throttled: Cell::new(0),
            latencies: RefCell::default(),
        }
    }

    /// The next request and its events; `None` at the end.
    fn next(&self) -> Option<(Rc<Request>, u64)> {
        if self.stop.get() {
            return None;
        }
        let events_per_request = self.events_per_request as u64;
        match &self.source {
            Source::Cycle { requests, next } => {
                let place = next.get();
                next.set((place + 1) % requests.len());
                Some((Rc::clone(&requests[place]), events_per_request))
            }
            Source::Fresh {
                maker,
                left,
                stream,
                key,
            } => {
                let events = left.get().min(events_per_request);
                left.set(left.get() - events);
                let body = maker.borrow_mut().body(usize::try_from(events).ok()?);
                (events > 0).then(|| (Rc::new(Request::events(stream, key, &body)), events))
            }
        }
    }

    fn note(&self, events: u64, took: Duration) {
        self.accepted.set(self.accepted.get() + events);
        if self.counting.get() {
            self.counted.set(self.counted.get() + events);
            let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            self.latencies.borrow_mut().push(micros);
        }
    }

    fn finish(&self, outcome: &mut Outcome) -> Result<()> {
        let (sent, accepted) = (self.sent.get(), self.accepted.get());
        ensure!(
            sent == accepted,
            "sent {sent} events, but {accepted} were acknowledged"
        );
        outcome.accepted = accepted;
        outcome.counted = self.counted.get();
        outcome.throttled = self.throttled.get();
        outcome.latencies = self.latencies.take();
        outcome.latencies.sort_unstable();
        Ok(())
    }
}

/// Sends on one connection until the end; returns the last position.
async fn send_all(sender: Rc<Sender>) -> Result<String> {
    let mut connection = Connection::open(sender.address).await?;
    let mut position = String::new();
    while let Some((request, events)) = sender.next() {
        sender.sent.set(sender.sent.get() + events);
        let start = SystemClock.monotonic();
        loop {
            let answer = connection.exchange(&request).await?;
            if answer.status == 429 {
                sender.throttled.set(sender.throttled.get() + 1);
                sleep(THROTTLE_WAIT).await;
                continue;
            }
            let ack: Ack<'_> = answer.json().context("acknowledgement")?;
            let (accepted, rejected) = (ack.accepted, ack.rejected);
            ensure!(
                accepted == events && rejected == 0,
                "of {events} events {accepted} were accepted and {rejected} rejected"
            );
            position.clear();
            position.push_str(ack.position);
            break;
        }
        sender.note(events, SystemClock.monotonic() - start);
    }
    Ok(position)
}

#[cfg(test)]
mod tests;
