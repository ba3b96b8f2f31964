//! `Pace`: when archiving gives way to the doors. Pure.
//!
//! Rows in the journal are safe and can be asked; that they get into files may wait for a calmer
//! moment. While events come in fast, archiving rests until the journal holds as much as it may
//! owe, or until a minute is over. Then it works off all of it, however busy the doors are.

use std::time::Duration;

use mainstem_kernel::ByteSize;

/// Journal bytes per second from which the doors are busy.
const BUSY_PER_SECOND: u64 = 1 << 20;
/// How often the rate is taken.
const RATE_EVERY: Duration = Duration::from_millis(100);
/// Archiving rests for so long at most.
const REST_MAX: Duration = Duration::from_secs(60);
/// Journal bytes that it may owe at most: so many are read in seconds at a start.
const OWED_MAX: u64 = 1 << 30;
/// And this part of the journal's limit at most.
const OWED_PARTS: u64 = 10;

/// What is known of the journal at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// By the monotonic clock.
    pub(crate) now: Duration,
    /// Bytes written since the start.
    pub(crate) written: u64,
    /// Bytes that are not yet in history.
    pub(crate) owed: ByteSize,
    /// The journal's limit.
    pub(crate) size_max: ByteSize,
}

/// Decides whether archiving rests.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the rate was taken, and of how much.
    rated: (Duration, u64),
    is_busy: bool,
    resting_since: Option<Duration>,
    /// It rested long enough and goes on until all is done.
    is_working_off: bool,
}

impl Pace {
    /// Whether archiving gives way now.
    pub(crate) fn gives_way(&mut self, load: Load) -> bool {
        self.rate(load);
        let owed_max = (load.size_max.0 / OWED_PARTS).min(OWED_MAX);
        if !self.is_busy || self.is_working_off {
            self.resting_since = None;
            return false;
        }
        let since = *self.resting_since.get_or_insert(load.now);
        let is_over = load.now.saturating_sub(since) >= REST_MAX;
        self.is_working_off = is_over || load.owed.0 >= owed_max;
        !self.is_working_off
    }

    /// Archiving had nothing more to do.
    pub(crate) fn is_done(&mut self) {
        self.is_working_off = false;
    }

    fn rate(&mut self, load: Load) {
        let (at, written) = self.rated;
        let passed = load.now.saturating_sub(at);
        if passed < RATE_EVERY {
            return;
        }
        let bytes = u128::from(load.written.saturating_sub(written));
        let limit = u128::from(BUSY_PER_SECOND) * passed.as_millis() / 1_000;
        self.is_busy = bytes >= limit;
        self.rated = (load.now, load.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node under load: bytes per second come in, and `owed` are not archived.
    #[derive(Default)]
    struct Rig {
        pace: Pace,
        millis: u64,
        written: u64,
    }

    impl Rig {
        fn gives_way(&mut self, per_second: u64, owed: u64) -> bool {
            self.millis += 200;
            self.written += per_second / 5;
            self.pace.gives_way(Load {
                now: Duration::from_millis(self.millis),
                written: self.written,
                owed: ByteSize(owed),
                size_max: ByteSize(4 << 30),
            })
        }
    }

    #[test]
    fn it_rests_while_the_doors_are_busy_and_never_else() {
        let mut rig = Rig::default();
        assert!(!rig.gives_way(BUSY_PER_SECOND / 2, 100 << 20));
        assert!(rig.gives_way(BUSY_PER_SECOND * 2, 100 << 20));
        assert!(!rig.gives_way(0, 100 << 20));
    }

    #[test]
    fn a_full_journal_is_worked_off_to_the_end() {
        let mut rig = Rig::default();
        assert!(rig.gives_way(BUSY_PER_SECOND, 1 << 20));
        assert!(
            !rig.gives_way(BUSY_PER_SECOND, 500 << 20),
            "a tenth of its limit"
        );
        assert!(
            !rig.gives_way(BUSY_PER_SECOND, 1 << 20),
            "more than half way is to go"
        );
        rig.pace.is_done();
        assert!(rig.gives_way(BUSY_PER_SECOND, 1 << 20));
    }

    #[test]
    fn it_never_rests_for_more_than_a_minute() {
        let mut rig = Rig::default();
        let rested = (0..400).take_while(|_| rig.gives_way(BUSY_PER_SECOND, 1));
        assert_eq!(rested.count(), 300);
    }
}
