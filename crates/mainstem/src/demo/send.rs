//! Sends the fleet's events over HTTP at the chosen rate, on a few connections.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mainstem_kernel::{Clock, clock::SystemClock};
use reqwest::{Method, header};
use serde::Deserialize;
use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    board::Board,
    fleet::{Events, Fleet},
};
use crate::{args::Demo, client::Server};

/// Connections of the fleet.
const CONNECTIONS: u32 = 6;
/// Readings of one request.
const BATCH_MAX: u64 = 2_000;
/// Requests per second and connection that a low rate is spread over.
const TICKS_PER_SECOND: u64 = 10;
/// Wait after a refusal that names none.
const WAIT: Duration = Duration::from_secs(1);

/// What became of a request.
#[derive(Debug, Deserialize)]
struct Ack {
    accepted: u64,
    rejected: u64,
}

/// Starts one task per connection.
pub(super) fn start(
    runtime: &Runtime,
    server: &Server,
    (options, board): (&Demo, &Arc<Board>),
    stopped: &watch::Receiver<bool>,
) {
    let run = SystemClock.now().millis() % 1_000_000;
    for connection in 0..CONNECTIONS.min(options.vehicles.max(1)) {
        let fleet = Fleet::new(
            connection,
            CONNECTIONS,
            options.vehicles,
            &format!("{run}-"),
        );
        let pace = Pace::new(options, connection);
        let work = drive(
            server.clone(),
            fleet,
            pace,
            (Arc::clone(board), stopped.clone()),
        );
        runtime.spawn(work);
    }
}

/// How often one connection sends how much.
#[derive(Clone, Copy, Debug)]
struct Pace {
    batch: u64,
    every: Duration,
    /// Connections send one after the other, not all at once.
    offset: Duration,
    /// Between two readings of one vehicle.
    step_ms: i64,
}

impl Pace {
    fn new(options: &Demo, connection: u32) -> Self {
        let rate = u64::from(options.rate.max(1));
        let connections = u64::from(CONNECTIONS.min(options.vehicles.max(1)));
        let batch = (rate / connections / TICKS_PER_SECOND).clamp(1, BATCH_MAX);
        let every = Duration::from_micros(batch * connections * 1_000_000 / rate);
        let offset = every * connection / CONNECTIONS;
        let step_ms = u64::from(options.vehicles) * 1_000 / rate;
        Self {
            batch,
            every,
            offset,
            step_ms: i64::try_from(step_ms).unwrap_or(1_000).max(1),
        }
    }
}

/// One connection: its vehicles drive and report until the end.
async fn drive(
    server: Server,
    mut fleet: Fleet,
    pace: Pace,
    (board, mut stopped): (Arc<Board>, watch::Receiver<bool>),
) {
    let mut ticks = interval_at(Instant::now() + pace.offset, pace.every);
    // After a stall the rate is kept, not what was missed made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut events = Events::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        fleet.drive(pace.batch, SystemClock.now(), pace.step_ms, &mut events);
        let bodies = [
            ("readings", std::mem::take(&mut events.readings)),
            ("trips", std::mem::take(&mut events.trips)),
            ("shop_orders", std::mem::take(&mut events.orders)),
        ];
        for (stream, body) in bodies {
            if !body.is_empty() {
                tokio::select! {
                    () = post(&server, stream, body.into(), &board) => {}
                    _ = stopped.changed() => return,
                }
            }
        }
    }
}

/// Sends one body until it is acknowledged.
async fn post(server: &Server, stream: &str, body: Bytes, board: &Board) {
    loop {
        let started = SystemClock.monotonic();
        let request = server
            .request(Method::POST, &format!("/v1/streams/{stream}/events"))
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(body.clone());
        match server.ask::<Ack>(request).await {
            Ok(ack) => {
                let took = SystemClock.monotonic().saturating_sub(started);
                return board.ack(ack.accepted, ack.rejected, took);
            }
            Err(failure) => {
                let why = failure.problems.first().map(|shown| shown.message.clone());
                board.wait(why.unwrap_or_default());
                tokio::time::sleep(WAIT).await;
            }
        }
    }
}
