//! `Seq`: the 64-bit hybrid logical clock that orders the whole log.
//!
//! Layout: the upper 48 bits are the arrival time in milliseconds since 1970 (good until the
//! year 10889), the lower 16 bits a counter. It strictly increases from frame to frame, also
//! when the wall clock stands still or steps back. It is the journal's order, the frontier,
//! the arrival time and a column of history.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014, with one process.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Bits of the counter below the milliseconds.
const COUNTER_BITS: u32 = 16;

/// A point in the order of the log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before everything.
    pub const ZERO: Self = Self(0);
    /// After everything.
    pub const MAX: Self = Self(u64::MAX);

    /// The first seq of a millisecond since 1970.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis << COUNTER_BITS)
    }

    /// The arrival time in milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The arrival time, to the millisecond.
    #[must_use]
    pub fn arrival(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.millis()).unwrap_or(i64::MAX))
    }

    /// The seq that follows `self` when the wall clock shows `now`: the clock's if it is ahead,
    /// else one more than `self`, borrowing from the milliseconds when the counter is full.
    #[must_use]
    pub fn next(self, now: Timestamp) -> Self {
        let wall = Self::from_millis(u64::try_from(now.millis()).unwrap_or(0));
        Self(wall.0.max(self.0.saturating_add(1)))
    }

    /// How far the wall clock is behind `self`; zero if it is not.
    #[must_use]
    pub fn ahead_of(self, now: Timestamp) -> Duration {
        let now = u64::try_from(now.millis()).unwrap_or(0);
        Duration::from_millis(self.millis().saturating_sub(now))
    }

    /// As a column of history holds it. Seqs stay below 2⁶³ until the year 6429.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// From a column of history.
    #[must_use]
    pub fn from_i64(seq: i64) -> Self {
        Self(u64::try_from(seq).unwrap_or(0))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn follows_the_wall_clock_and_never_goes_back() {
        let first = Seq::ZERO.next(at(1_000));
        assert_eq!(first, Seq::from_millis(1_000));
        assert_eq!(first.next(at(1_000)), Seq(first.0 + 1));
        assert_eq!(
            first.next(at(10)),
            Seq(first.0 + 1),
            "the wall clock stepped back"
        );
        assert_eq!(first.next(at(1_001)), Seq::from_millis(1_001));
    }

    #[test]
    fn a_full_counter_borrows_from_the_next_millisecond() {
        let full = Seq(Seq::from_millis(6).0 - 1);
        assert_eq!(full.millis(), 5);
        assert_eq!(full.next(at(5)), Seq::from_millis(6));
    }

    #[test]
    fn knows_how_far_the_clock_is_behind() {
        let seq = Seq::from_millis(400_000);
        assert_eq!(seq.ahead_of(at(100_000)), Duration::from_secs(300));
        assert_eq!(seq.ahead_of(at(500_000)), Duration::ZERO);
    }
}
