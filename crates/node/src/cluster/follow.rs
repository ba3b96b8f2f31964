//! Follows what other nodes have declared. It never declares anything.

use std::{sync::Arc, thread, time::Duration};

use mainstem_cluster::control::measure;
use mainstem_kernel::{Answer, Blame, Code, Fault, Problem, Retry, Timestamp, fault::chain};

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
        let mut heard = None;
        while !following.health.is_stopping() {
            let looked = look(&following);
            following.roles.note(THREAD, looked.err());
            tell(&following);
            compare(&following, &mut heard);
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

/// Compares our clock with that of the brokers, whenever a word of whoever is in control comes.
fn compare(parts: &ClusterParts, before: &mut Option<u64>) {
    let heard = parts.roles.progress.get().and_then(|view| view.heard());
    let Some(heard) = heard.filter(|heard| *before != Some(heard.number)) else {
        return;
    };
    // The first may have waited until we read it.
    if before.replace(heard.number).is_some() {
        let skew = skew(parts.clock.now(), heard.at);
        parts.roles.note(CLOCK, skew.map(|skew| skew.problem()));
    }
}

/// What is noted of clocks.
const CLOCK: &str = "clock";
/// A word is under way for a moment: only beyond it clocks differ.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// Operator: let all machines keep the same time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock of this node is {} s {way} that of Kafka's brokers", .by.as_secs())]
struct Skew {
    by: Duration,
    /// Ahead of, or behind.
    way: &'static str,
}

fn skew(now: Timestamp, at: Timestamp) -> Option<Skew> {
    let by = Duration::from_micros(now.0.abs_diff(at.0));
    let way = if now > at { "ahead of" } else { "behind" };
    (by > SKEW_MAX).then_some(Skew { by, way })
}

impl Fault for Skew {
    fn answer(&self) -> Answer {
        Answer {
            code: Code::Clus113,
            blame: Blame::Dependency,
            retry: Retry::Backoff,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("let all machines keep the same time: chronyc tracking, timedatectl".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_more_than_a_moment_are_named() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(skew(at(100), at(71)), None);
        assert_eq!(skew(at(71), at(100)), None);
        let told = |now, then| skew(at(now), at(then)).unwrap().to_string();
        let words = "the clock of this node is 40 s";
        assert_eq!(
            told(140, 100),
            format!("{words} ahead of that of Kafka's brokers")
        );
        assert_eq!(
            told(100, 140),
            format!("{words} behind that of Kafka's brokers")
        );
    }
}
