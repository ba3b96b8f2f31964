//! Follows what other nodes have declared. It never declares anything.

use std::{sync::Arc, thread, time::Duration};

use mainstem_cluster::control::measure;
use mainstem_kernel::{Fault, Problem, fault::chain};

use super::ClusterParts;
use crate::{errors::NodeError, memory};

/// Name of the thread.
pub(super) const THREAD: &str = "definitions";
/// Between two looks at the topic of definitions.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Starts the thread.
pub(super) fn start(parts: &Arc<ClusterParts>) -> Result<(), NodeError> {
    let following = Arc::clone(parts);
    let body = move || {
        while !following.health.is_stopping() {
            let looked = look(&following);
            following.roles.note(THREAD, looked.err());
            tell(&following);
            pause(LOOK_EVERY);
        }
    };
    parts.start_thread(THREAD, body)
}

/// Tells the metrics how the queries are.
fn tell(parts: &ClusterParts) {
    let resident = i64::try_from(memory::resident().0).unwrap_or(i64::MAX);
    parts.metrics.memory_resident_bytes.set(resident);
    if let Some(progress) = parts.roles.progress.get() {
        measure(
            &progress.now(),
            &parts.catalog.definitions(),
            &parts.metrics,
        );
    }
}

/// One look; what stands against it.
pub(super) fn look(parts: &ClusterParts) -> Result<(), Problem> {
    parts.log.follow().map_err(|error| {
        tracing::debug!(error = chain(&error), "definitions are not followed");
        error.problem()
    })?;
    let caught_up = parts.catalog.catch_up();
    caught_up.map(drop).map_err(|error| error.problem())
}

/// Sleeps on a thread of the node's own.
fn pause(span: Duration) {
    thread::sleep(span);
}
