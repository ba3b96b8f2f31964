//! `Watermarks`: how far event time has come in one input, row by row of the log.
//!
//! The watermark W is the greatest event time so far less the declared delay. A row is judged by W
//! as of all rows with smaller seqs, so W is a function of the seq and of nothing else: the answer
//! does not depend on how the log is cut into steps, files or chunks. Times more than five minutes
//! ahead of their arrival do not move it. While no rows come it may go on by itself (`Idle`): then W goes
//! on from where that brought it. Before the first row there is no W, but what the input counts as beside
//! others may go on, and stays where it was when that row comes: the lift.

use datafusion::arrow::array::{Array, TimestampMicrosecondArray};
use mainstem_kernel::Seq;
use serde::{Deserialize, Serialize};

use crate::{change::NO_WATERMARK, idle::Idle};

/// How far a time may be ahead of its arrival, in µs.
pub(crate) const AHEAD_US_MAX: i64 = 5 * 60 * 1_000_000;

/// The watermark of one input, after the rows that were observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watermarks {
    delay_us: i64,
    idle: Option<Idle>,
    /// Where the step began: how it moved before is known.
    begun: Seq,
    /// Greatest time of rows with seqs below `at`, and how far it has gone on by itself since.
    before: i64,
    /// Seq of the rows that were observed last.
    at: Seq,
    /// Greatest time of all rows, those of `at` too.
    greatest: i64,
    /// What it counted as beside others when its first row came.
    floor: i64,
}

/// What is kept of a watermark: as numbers in a list, `before`, `at` and `greatest`, then `floor` if the
/// stream rested before its first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(crate) struct KeptWatermark {
    before: i64,
    at: Seq,
    greatest: i64,
    floor: i64,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(i64, Seq, i64),
    Lifted(i64, Seq, i64, i64),
}

impl From<Written> for KeptWatermark {
    fn from(written: Written) -> Self {
        let (before, at, greatest, floor) = match written {
            Written::Plain(before, at, greatest) => (before, at, greatest, NO_WATERMARK),
            Written::Lifted(before, at, greatest, floor) => (before, at, greatest, floor),
        };
        Self {
            before,
            at,
            greatest,
            floor,
        }
    }
}

impl From<KeptWatermark> for Written {
    fn from(kept: KeptWatermark) -> Self {
        let KeptWatermark {
            before,
            at,
            greatest,
            floor,
        } = kept;
        match floor {
            NO_WATERMARK => Self::Plain(before, at, greatest),
            floor => Self::Lifted(before, at, greatest, floor),
        }
    }
}

/// By how much rows may be late, in µs, and how event time goes on without them.
pub(crate) type Pace = (i64, Option<Idle>);

/// How a watermark moved within a step: the watermark after each seq that moved it.
pub(crate) type Trace = Vec<(Seq, i64)>;

impl Watermarks {
    /// Before the first row.
    pub(crate) fn new(pace: Pace) -> Self {
        let nothing = Written::Plain(NO_WATERMARK, Seq::ZERO, NO_WATERMARK);
        Self::from_parts(pace, nothing.into())
    }

    /// As `parts` gave it.
    pub(crate) fn from_parts((delay_us, idle): Pace, kept: KeptWatermark) -> Self {
        let KeptWatermark {
            before,
            at,
            greatest,
            floor,
        } = kept;
        Self {
            delay_us,
            idle,
            begun: Seq::ZERO,
            before,
            at,
            greatest,
            floor,
        }
    }

    /// What has to be kept of it.
    pub(crate) fn parts(&self) -> KeptWatermark {
        KeptWatermark {
            before: self.before,
            at: self.at,
            greatest: self.greatest,
            floor: self.floor,
        }
    }

    /// The watermark after all rows that were observed, as of a seq behind them.
    pub(crate) fn as_of(&self, seq: Seq) -> i64 {
        self.less_delay(self.greatest_as_of(seq))
    }

    /// Begins a step behind a seq.
    pub(crate) fn begin(&mut self, after: Seq) {
        self.begun = after;
    }

    /// Ends a step: it may have gone on by itself behind the last row.
    pub(crate) fn end(&self, through: Seq, trace: &mut Trace) {
        self.go_on(through, trace);
    }

    /// The first seq behind `at` where it goes on by itself, if no row comes before.
    pub(crate) fn next_move(&self, at: Seq) -> Option<Seq> {
        let idle = self.idle?;
        Some(match self.greatest {
            NO_WATERMARK => idle.next_unseen(at),
            _ => idle.next(self.at, at),
        })
    }

    /// What it counts as beside others as of a seq, if that is more than its own.
    pub(crate) fn lift_as_of(&self, seq: Seq) -> i64 {
        self.less_delay(match self.greatest {
            NO_WATERMARK => self.unseen(seq),
            _ => self.floor,
        })
    }

    /// How that moved from where the step began up to a seq.
    pub(crate) fn lift_moves(&self, through: Seq) -> Trace {
        let Some(idle) = self.idle else {
            return Trace::new();
        };
        let moves = idle.unseen_moves((self.begun, through));
        // The first row was its end.
        let is_unseen = self.greatest == NO_WATERMARK;
        let moves = moves.take_while(|(_, time)| is_unseen || *time <= self.floor);
        moves
            .map(|(seq, time)| (seq, self.less_delay(time)))
            .collect()
    }

    fn unseen(&self, seq: Seq) -> i64 {
        self.idle.map_or(NO_WATERMARK, |idle| idle.unseen(seq))
    }

    fn greatest_as_of(&self, seq: Seq) -> i64 {
        match self.idle {
            Some(idle) if self.greatest != NO_WATERMARK => {
                let gone_on = idle.gone_on(self.at, seq);
                self.greatest.saturating_add(gone_on)
            }
            _ => self.greatest,
        }
    }

    /// Notes where it has gone on by itself, up to a seq.
    fn go_on(&self, through: Seq, trace: &mut Trace) {
        let Some(idle) = self.idle.filter(|_| self.greatest != NO_WATERMARK) else {
            return;
        };
        let moves = idle.moves(self.at, (self.begun.max(self.at), through));
        let moves = moves.map(|(seq, gone_on)| {
            let greatest = self.greatest.saturating_add(gone_on);
            (seq, self.less_delay(greatest))
        });
        trace.extend(moves);
    }

    fn less_delay(&self, time: i64) -> i64 {
        if time == NO_WATERMARK {
            NO_WATERMARK
        } else {
            time.saturating_sub(self.delay_us)
        }
    }

    /// Observes rows of one seq, none of them smaller than before; gives the watermark by which
    /// they are judged.
    pub(crate) fn observe(
        &mut self,
        seq: Seq,
        times: &TimestampMicrosecondArray,
        trace: &mut Trace,
    ) -> i64 {
        self.move_to(seq, greatest_within(times, seq), trace)
    }

    /// The same with the greatest time already found; `NO_WATERMARK` if there is none.
    pub(crate) fn move_to(&mut self, seq: Seq, greatest: i64, trace: &mut Trace) -> i64 {
        if seq != self.at {
            let before = Seq(seq.0.saturating_sub(1));
            self.go_on(before, trace);
            self.greatest = self.greatest_as_of(before);
            self.before = self.greatest;
            self.at = seq;
        }
        if greatest > self.greatest {
            if self.greatest == NO_WATERMARK {
                self.floor = self.unseen(Seq(seq.0.saturating_sub(1)));
            }
            self.greatest = greatest;
            let now = self.less_delay(greatest);
            match trace.last_mut() {
                Some((at, watermark)) if *at == seq => *watermark = now,
                _ => trace.push((seq, now)),
            }
        }
        self.less_delay(self.before)
    }
}

/// The greatest time that is not too far ahead of arrival.
fn greatest_within(times: &TimestampMicrosecondArray, seq: Seq) -> i64 {
    let limit = ahead_limit(seq);
    let greatest = match times.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => times.values().iter().copied().max(),
        Some(_) => times.iter().flatten().max(),
    };
    match greatest {
        Some(greatest) if greatest <= limit => greatest,
        None => NO_WATERMARK,
        Some(_) => {
            let within = times.iter().flatten().filter(|time| *time <= limit);
            within.max().unwrap_or(NO_WATERMARK)
        }
    }
}

/// The greatest event time that a row of this seq may have.
pub(crate) fn ahead_limit(seq: Seq) -> i64 {
    seq.arrival().0.saturating_add(AHEAD_US_MAX)
}

/// The first seq at which a watermark reached `end`; `otherwise` if it did so before the step.
pub(crate) fn reached_at(trace: &Trace, end: i64, otherwise: Seq) -> Seq {
    let at = trace.partition_point(|(_, watermark)| *watermark < end);
    trace.get(at).map_or(otherwise, |(seq, _)| *seq)
}

#[cfg(test)]
mod tests;
