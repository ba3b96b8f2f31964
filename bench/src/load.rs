//! Sends events as fast as the server acknowledges them, and counts every acknowledgement.
//!
//! One thread drives all connections. A sum of accepted rows that differs from what was sent is
//! an error, never a figure.

mod outcome;
mod source;
mod turns;

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
    client::Connection,
    events::{DEVICES, Events, Keys},
};
pub(crate) use outcome::{Moment, Outcome, as_f64, percentile};
use source::{Due, Source};
use turns::Turns;

/// Wait after "too many requests".
const THROTTLE_WAIT: Duration = Duration::from_millis(50);

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
    pub(crate) of: Events,
    pub(crate) amount: Amount,
    /// Events sent each second of a load of so many events; as fast as they are acknowledged, if
    /// it is not given.
    pub(crate) per_second: Option<f64>,
}

impl Load {
    /// As fast as events are acknowledged, of the usual devices.
    pub(crate) fn new(connections: usize, events_per_request: usize, amount: Amount) -> Self {
        let of = Events::Readings(Keys::Uniform { count: DEVICES });
        Self {
            connections,
            events_per_request,
            of,
            amount,
            per_second: None,
        }
    }

    /// Exactly so many events, from eight connections.
    pub(crate) fn of_events(count: u64, first: Timestamp) -> Self {
        Self::new(8, 2_000, Amount::Events { count, first })
    }
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
    turns: Turns,
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
        Self {
            address: target.address,
            events_per_request: load.events_per_request,
            source: Source::new(load, target),
            stop: Cell::new(false),
            counting: Cell::new(false),
            sent: Cell::new(0),
            accepted: Cell::new(0),
            counted: Cell::new(0),
            throttled: Cell::new(0),
            latencies: RefCell::default(),
            turns: Turns::new(load.of.ahead_max()),
        }
    }

    /// The next request; `None` at the end.
    fn next(&self) -> Option<Due> {
        if self.stop.get() {
            return None;
        }
        self.source.next(self.events_per_request)
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
    while let Some(Due {
        request,
        events,
        at,
    }) = sender.next()
    {
        let turn = sender.turns.take();
        sender.turns.come(turn).await;
        if let Some(early) = at.and_then(|at| at.checked_sub(SystemClock.monotonic())) {
            sleep(early).await;
        }
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
        sender.turns.done(turn);
        sender.note(events, SystemClock.monotonic() - start);
    }
    Ok(position)
}

#[cfg(test)]
mod tests;
