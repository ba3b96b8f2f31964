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

    /// The smallest of several at each seq: what has several inputs is as far as the last of them.
    pub(crate) fn smallest(moments: &[Self], through: Seq) -> Self {
        let least = |at: &[i64]| at.iter().copied().min().unwrap_or(NO_WATERMARK);
        let mut now: Vec<i64> = moments.iter().map(|moment| moment.before).collect();
        let before = least(&now);
        let moves = moments.iter().enumerate();
        let moves = moves.flat_map(|(input, moment)| {
            let trace = moment.trace.iter();
            trace.map(move |(seq, watermark)| (*seq, input, *watermark))
        });
        let mut moves: Vec<(Seq, usize, i64)> = moves.collect();
        moves.sort_unstable();
        let mut trace = Trace::new();
        let mut watermark = before;
        for same in moves.chunk_by(|a, b| a.0 == b.0) {
            for (_, input, moved) in same {
                now[*input] = *moved;
            }
            if let (Some((seq, ..)), true) = (same.first(), least(&now) > watermark) {
                watermark = least(&now);
                trace.push((*seq, watermark));
            }
        }
        Self {
            through,
            before,
            watermark,
            trace,
        }
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

#[cfg(test)]
mod tests;
