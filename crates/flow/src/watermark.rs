//! `Watermarks`: how far event time has come in one input, row by row of the log.
//!
//! The watermark W is the greatest event time so far less the declared delay. A row is judged by W
//! as of all rows with smaller seqs, so W is a function of the seq and of nothing else: the answer
//! does not depend on how the log is cut into steps, files or chunks. Times more than five minutes
//! ahead of their arrival do not move it.

use datafusion::arrow::array::{Array, TimestampMicrosecondArray};
use mainstem_kernel::Seq;

use crate::change::NO_WATERMARK;

/// How far a time may be ahead of its arrival, in µs.
pub(crate) const AHEAD_US_MAX: i64 = 5 * 60 * 1_000_000;

/// The watermark of one input, after the rows that were observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watermarks {
    delay_us: i64,
    /// Greatest time of rows with seqs below `at`.
    before: i64,
    /// Seq of the rows that were observed last.
    at: Seq,
    /// Greatest time of all rows, those of `at` too.
    greatest: i64,
}

/// How a watermark moved within a step: the watermark after each seq that moved it.
pub(crate) type Trace = Vec<(Seq, i64)>;

impl Watermarks {
    /// Before the first row.
    pub(crate) fn new(delay_us: i64) -> Self {
        Self {
            delay_us,
            before: NO_WATERMARK,
            at: Seq::ZERO,
            greatest: NO_WATERMARK,
        }
    }

    /// As `parts` gave it.
    pub(crate) fn from_parts(delay_us: i64, (before, at, greatest): (i64, Seq, i64)) -> Self {
        Self {
            delay_us,
            before,
            at,
            greatest,
        }
    }

    /// What has to be kept of it.
    pub(crate) fn parts(&self) -> (i64, Seq, i64) {
        (self.before, self.at, self.greatest)
    }

    /// The watermark after all rows that were observed.
    pub(crate) fn now(&self) -> i64 {
        self.less_delay(self.greatest)
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
            self.before = self.greatest;
            self.at = seq;
        }
        if greatest > self.greatest {
            self.greatest = greatest;
            match trace.last_mut() {
                Some((at, watermark)) if *at == seq => *watermark = self.now(),
                _ => trace.push((seq, self.now())),
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
