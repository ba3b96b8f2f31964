//! HTTP/1.1: listener, routes, and how requests and answers look. It never decides what an
//! answer says.

mod answer;
mod apps;
mod auth;
mod body;
mod call;
mod changes;
mod errors;
mod events;
mod graph;
pub(crate) mod listener;
pub(crate) mod openapi;
mod patience;
mod problem;
mod router;
mod routes;
mod rows;
mod socket;
mod sql;
mod status;
mod streams;
#[cfg(test)]
mod tests;
mod unpack;
mod wait;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use crate::{GatewayParts, HttpConfig};
use body::Budget;
use changes::Feeds;
use graph::Rates;
use router::Counters;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where requests go.
    pub(crate) parts: GatewayParts,
    /// Limits.
    pub(crate) config: HttpConfig,
    /// Turns true when the node stops.
    pub(crate) shutdown: watch::Receiver<bool>,
    bodies: Arc<Budget>,
    feeds: Arc<Feeds>,
    rates: Rates,
    counters: Counters,
    refusals: AtomicU64,
    id_base: u64,
}

impl Door {
    /// Opens the way to the parts.
    pub(crate) fn new(
        parts: GatewayParts,
        config: HttpConfig,
        shutdown: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let bodies = Arc::new(Budget::new(config.bodies_size_max));
        let feeds = Feeds::new(config.feeds_max, Arc::clone(&parts.metrics));
        let id_base = u64::try_from(parts.clock.now().0).unwrap_or(0) << 8;
        Arc::new(Self {
            counters: Counters::new(),
            refusals: AtomicU64::new(0),
            bodies,
            feeds,
            rates: Rates::default(),
            id_base,
            parts,
            config,
            shutdown,
        })
    }

    /// A number that joins a refusal in the client's hands to its line in the operator's log.
    fn next_request_id(&self) -> u64 {
        self.id_base
            .wrapping_add(self.refusals.fetch_add(1, Ordering::Relaxed))
    }
}

/// Waits until the node stops. A sender that is gone means the same as true.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let seen = shutdown.wait_for(|stops| *stops).await;
    drop(seen);
}
