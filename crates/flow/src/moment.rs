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
    /// What it counts as beside others.
    pub(crate) lift: Lift,
}

/// What an input counts as beside others where that is more than its own watermark: while it has never
/// had a row (`Idle`), and what is left of that behind its first one.
#[derive(Clone, Debug)]
pub(crate) struct Lift {
    /// Before the step, in µs.
    pub(crate) before: i64,
    /// How it moved.
    pub(crate) trace: Trace,
}

/// The two marks of an input at a seq.
#[derive(Clone, Copy, Debug)]
struct Marks {
    own: i64,
    lift: i64,
}

/// One that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moved {
    Own(i64),
    Lift(i64),
}

impl Lift {
    /// Where nothing counts but watermarks.
    pub(crate) const fn none() -> Self {
        Self {
            before: NO_WATERMARK,
            trace: Trace::new(),
        }
    }
}

impl Marks {
    /// Of what has several inputs: its own is the smallest, each lifted as far as the furthest really is.
    fn smallest(all: &[Self]) -> Self {
        let least = |marks: &dyn Fn(&Self) -> i64| all.iter().map(marks).min();
        let furthest = all.iter().map(|marks| marks.own).max();
        let furthest = furthest.unwrap_or(NO_WATERMARK);
        let own = least(&|marks| marks.own.max(marks.lift.min(furthest)));
        let lift = least(&|marks| marks.own.max(marks.lift));
        Self {
            own: own.unwrap_or(NO_WATERMARK),
            lift: lift.unwrap_or(NO_WATERMARK),
        }
    }
}

impl Moment {
    /// Where there is no event time.
    pub(crate) fn timeless(through: Seq) -> Self {
        Self {
            through,
            before: NO_WATERMARK,
            watermark: NO_WATERMARK,
            trace: Trace::new(),
            lift: Lift::none(),
        }
    }

    /// The watermark as of all rows with smaller seqs.
    pub(crate) fn as_of(&self, seq: Seq) -> i64 {
        let behind = self.trace.partition_point(|(at, _)| *at < seq);
        let last = behind.checked_sub(1).and_then(|at| self.trace.get(at));
        last.map_or(self.before, |(_, watermark)| *watermark)
    }

    /// The smallest of several at each seq: what has several inputs is as far as the last of them. One
    /// that has never had a row counts as its lift, though not beyond the furthest of all.
    pub(crate) fn smallest(moments: &[Self], through: Seq) -> Self {
        let mut now: Vec<Marks> = moments.iter().map(Self::marks_before).collect();
        let before = Marks::smallest(&now);
        let moves = moments.iter().enumerate();
        let moves = moves.flat_map(|(input, moment)| {
            moment.moves().map(move |(seq, moved)| (seq, input, moved))
        });
        let mut moves: Vec<(Seq, usize, Moved)> = moves.collect();
        moves.sort_unstable();
        let (mut trace, mut lift) = (Trace::new(), Trace::new());
        let mut reached = before;
        for same in moves.chunk_by(|a, b| a.0 == b.0) {
            for (_, input, moved) in same {
                match moved {
                    Moved::Own(watermark) => now[*input].own = *watermark,
                    Moved::Lift(watermark) => now[*input].lift = *watermark,
                }
            }
            let Some((seq, ..)) = same.first() else {
                continue;
            };
            let smallest = Marks::smallest(&now);
            if smallest.own > reached.own {
                trace.push((*seq, smallest.own));
            }
            if smallest.lift > reached.lift {
                lift.push((*seq, smallest.lift));
            }
            reached = smallest;
        }
        Self {
            through,
            before: before.own,
            watermark: reached.own,
            trace,
            lift: Lift {
                before: before.lift,
                trace: lift,
            },
        }
    }

    fn marks_before(&self) -> Marks {
        Marks {
            own: self.before,
            lift: self.lift.before,
        }
    }

    fn moves(&self) -> impl Iterator<Item = (Seq, Moved)> {
        let own = self.trace.iter();
        let own = own.map(|(seq, watermark)| (*seq, Moved::Own(*watermark)));
        let lift = self.lift.trace.iter();
        own.chain(lift.map(|(seq, watermark)| (*seq, Moved::Lift(*watermark))))
    }

    /// The same, so many µs behind.
    pub(crate) fn behind(&self, delay_us: i64) -> Self {
        let behind = |watermark: i64| match watermark {
            NO_WATERMARK => NO_WATERMARK,
            watermark => watermark.saturating_sub(delay_us),
        };
        let all = |trace: &Trace| -> Trace {
            let trace = trace.iter();
            trace.map(|(seq, at)| (*seq, behind(*at))).collect()
        };
        Self {
            through: self.through,
            before: behind(self.before),
            watermark: behind(self.watermark),
            trace: all(&self.trace),
            lift: Lift {
                before: behind(self.lift.before),
                trace: all(&self.lift.trace),
            },
        }
    }
}

#[cfg(test)]
mod tests;
