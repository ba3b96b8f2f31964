//! `Backoff`: how long a query that failed is left alone. Pure.

use std::time::Duration;

/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Who has run for as long, runs well.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Failures of one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    /// Failures since it ran well.
    pub(super) failures: u32,
    /// It is not started before.
    pub(super) not_before: Duration,
    started: Option<Duration>,
}

impl Backoff {
    /// It was started.
    pub(super) const fn start(&mut self, now: Duration) {
        self.started = Some(now);
    }

    /// It has failed, or could not be started.
    pub(super) fn fail(&mut self, now: Duration) {
        self.look(now);
        self.started = None;
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(PAUSE.saturating_mul(doubled).min(PAUSE_MAX));
    }

    /// It runs; failures are forgotten once it has for long enough.
    pub(super) fn look(&mut self, now: Duration) {
        let ran = self.started.map(|started| now.saturating_sub(started));
        if ran.is_some_and(|ran| ran >= WELL_AFTER) {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let mut now = at(100);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            backoff.start(now);
            backoff.fail(now);
            pauses.push(backoff.not_before.saturating_sub(now).as_secs());
            now = backoff.not_before;
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((pauses[39], backoff.failures), (60, 40));
    }

    #[test]
    fn whoever_runs_well_for_a_minute_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.fail(at(10));
        }
        backoff.start(at(100));
        backoff.look(at(159));
        assert_eq!(backoff.failures, 5);
        backoff.fail(at(160));
        assert_eq!((backoff.failures, backoff.not_before), (1, at(161)));
    }
}
