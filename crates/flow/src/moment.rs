//! `Moment`: how far event time is at the end of a step, and how it got there.
//! It never observes a row: `Watermarks` does.

use mainstem_kernel::Seq;

use crate::{change::NO_WATERMARK, watermark::Trace};

/// How far event time is at the end of a step of one input or view.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Seq of the step's end.
    pub(crate) through: Seq,
    /// Watermark before it, in µs.
    pub(crate) before: i64,
    /// Watermark at its end.
    pub(crate) watermark: i64,
    /// How it moved.
    pub(crate) trace: Trace,
}

impl Moment {
    /// Where there is no event time.
    pub(crate) fn timeless(through: Seq) -> Self {
        Self {
            through,
            before: NO_WATERMARK,
            watermark: NO_WATERMARK,
            trace: Trace::new(),
        }
    }

    /// The watermark as of all rows with smaller seqs.
    pub(crate) fn as_of(&self, seq: Seq) -> i64 {
        let behind = self.trace.partition_point(|(at, _)| *at < seq);
        let last = behind.checked_sub(1).and_then(|at| self.trace.get(at));
        last.map_or(self.before, |(_, watermark)| *watermark)
    }

    /// The same, so many µs behind.
    pub(crate) fn behind(&self, delay_us: i64) -> Self {
        let behind = |watermark: i64| match watermark {
            NO_WATERMARK => NO_WATERMARK,
            watermark => watermark.saturating_sub(delay_us),
        };
        let trace = self.trace.iter();
        Self {
            through: self.through,
            before: behind(self.before),
            watermark: behind(self.watermark),
            trace: trace.map(|(seq, at)| (*seq, behind(*at))).collect(),
        }
    }
}
