//! `Idle`: how event time goes on by itself while a stream has no rows (`idle_timeout`).
//!
//! When no row has come for the timeout T, event time goes on by T, at the pace of arrival; and by T
//! again for every further T. So a stream that never pauses for as long as T never notices, and one that
//! does is at most T behind. After a thousand times it goes on ten T at a time, after ten thousand a
//! hundred: a stream that rests for a year costs no more than one that rests for a day, and stays within
//! a hundredth of the time that it rests.
//!
//! Where it has gone on is a function of the seq of the last row and of the seq that asks, and of
//! nothing else: whether anybody looked in between makes no difference.
//!
//! ```text
//! row at a ms ──── T ────┬──── T ────┬──── …        the k-th move is just before the first seq of
//!                        +T          +T             millisecond a + k·T
//! ```
//!
//! # Before the first row
//!
//! A stream that has never had a row has no event time. By itself it needs none: whatever its rows
//! begin with is not late, be it what devices sent a moment ago or last year's rows that are loaded. But
//! beside others it must not hold them back for ever. So beside others it counts as one whose last row
//! came when it was declared and had that time: from T after that on, T further whenever T has passed
//!
//! ```text
//! declared at d ──── T ────┬──── T ────┬──── …     row      beside others it stays where this had
//!                          d + T       d + 2T      ▼        brought it until its own event time is there
//! ```
//!
//! and never as further than the furthest of the others has really come (`Moment::smallest`): while all of
//! them are without rows, nothing is late. When a stream was declared is in the log, as all else here.
//!
//! It never observes a row: `Watermarks` does.

use std::time::Duration;

use mainstem_kernel::Seq;

use crate::change::NO_WATERMARK;

/// Times that are taken one by one; ten times as many are taken in tens, and so on.
const EXACT: u64 = 1_000;

/// How event time goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Idle {
    timeout_ms: u64,
    /// When the stream was declared.
    declared: Seq,
}

impl Idle {
    /// With a timeout, at least a millisecond.
    pub(crate) fn after(timeout: Duration, declared: Seq) -> Self {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Self {
            timeout_ms: timeout_ms.max(1),
            declared,
        }
    }

    /// The event time, in µs, that a stream without rows counts as having beside others, as of a seq;
    /// `NO_WATERMARK` before the first timeout has passed.
    pub(crate) fn unseen(self, at: Seq) -> i64 {
        match self.gone_on(self.declared, at) {
            0 => NO_WATERMARK,
            gone_on => self.since_declared(gone_on),
        }
    }

    /// Where that moved behind `after` and up to `through`.
    pub(crate) fn unseen_moves(
        self,
        (after, through): (Seq, Seq),
    ) -> impl Iterator<Item = (Seq, i64)> {
        let moves = self.moves(self.declared, (after, through));
        moves.map(move |(seq, gone_on)| (seq, self.since_declared(gone_on)))
    }

    /// The first seq behind `at` where that moves.
    pub(crate) fn next_unseen(self, at: Seq) -> Seq {
        self.next(self.declared, at)
    }

    fn since_declared(self, gone_on: i64) -> i64 {
        self.declared.arrival().0.saturating_add(gone_on)
    }

    /// How far event time has gone on, in µs, as of a seq, if the last row was at `last`.
    pub(crate) fn gone_on(self, last: Seq, at: Seq) -> i64 {
        self.micros(self.times(last, at))
    }

    /// Where it moved behind `after` and up to `through`: each seq, and how far it had gone on by
    /// then, in µs.
    pub(crate) fn moves(
        self,
        last: Seq,
        (after, through): (Seq, Seq),
    ) -> impl Iterator<Item = (Seq, i64)> {
        let most = self.times(last, through);
        let first = following(self.times(last, after));
        let times = std::iter::successors(Some(first), |times| Some(following(*times)));
        times
            .take_while(move |times| *times <= most)
            .map(move |times| (self.seq_of(last, times), self.micros(times)))
    }

    /// The first seq behind `at` where it moves.
    pub(crate) fn next(self, last: Seq, at: Seq) -> Seq {
        self.seq_of(last, following(self.times(last, at)))
    }

    /// How many times it has gone on as of a seq.
    fn times(self, last: Seq, at: Seq) -> u64 {
        let millis = Seq(at.0.saturating_add(1)).millis();
        taken(millis.saturating_sub(last.millis()) / self.timeout_ms)
    }

    fn seq_of(self, last: Seq, times: u64) -> Seq {
        let millis = times.saturating_mul(self.timeout_ms);
        let millis = last.millis().saturating_add(millis);
        Seq(Seq::from_millis(millis).0.saturating_sub(1))
    }

    fn micros(self, times: u64) -> i64 {
        let micros = times.saturating_mul(self.timeout_ms).saturating_mul(1_000);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }
}

/// How many of so many times have been taken.
fn taken(times: u64) -> u64 {
    times - times % unit(times)
}

/// The number of times that is taken after this one, which was taken.
fn following(times: u64) -> u64 {
    times.saturating_add(unit(times))
}

/// How many are taken at a time.
fn unit(times: u64) -> u64 {
    let mut unit = 1_u64;
    while times / unit >= EXACT {
        unit = unit.saturating_mul(10);
    }
    unit
}

#[cfg(test)]
mod tests;
