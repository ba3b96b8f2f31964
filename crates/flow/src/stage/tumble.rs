//! The tumbling window of each row; rows that have none are set aside: those too far ahead of
//! their arrival, those whose window was closed, those without a time.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray},
    datatypes::{SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
};
use mainstem_kernel::Code;
use mainstem_sql::view::Tumbling;

use crate::{
    aside::Aside,
    change::{NO_WATERMARK, Weighted},
    watermark::ahead_limit,
};

/// Where late rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LateRows {
    /// To the view's late stream.
    Stream,
    /// To its dead letters.
    Letters,
}

/// Adds `window_start` and `window_end`.
#[derive(Debug)]
pub(crate) struct Tumble {
    pub(crate) time: usize,
    pub(crate) tumbling: Tumbling,
    /// How long a window can change after its end was passed, in µs.
    pub(crate) keep_us: i64,
    pub(crate) late: LateRows,
    pub(crate) schema: SchemaRef,
}

/// What becomes of the rows of a chunk.
#[derive(Debug, Default)]
struct Judged {
    keep: Vec<bool>,
    late: Vec<(usize, i64, i64)>,
    failed: Vec<(usize, String)>,
    ahead: Vec<(usize, String)>,
}

impl Tumble {
    pub(crate) fn run(&self, rows: Weighted, aside: &mut Aside) -> Result<Weighted, ArrowError> {
        let times = self.times(&rows)?;
        // A time that is in no window is set aside by `judge`, and has any window here.
        let windows = self.tumbling.windows(&times).or_else(|_range| {
            let fits = |time: i64| self.tumbling.window(time).is_ok();
            let clipped: TimestampMicrosecondArray = times
                .iter()
                .map(|time| time.map(|time| if fits(time) { time } else { 0 }))
                .collect();
            self.tumbling.windows(&clipped)
        });
        let (starts, ends) = windows.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let kept = self.judge(&rows, (&times, &ends), aside)?;
        let mut columns = rows.batch.columns().to_vec();
        columns.extend([Arc::new(starts) as ArrayRef, Arc::new(ends) as ArrayRef]);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let rows = rows.with_batch(batch);
        match kept {
            None => Ok(rows),
            Some(keep) => rows.filter(&keep),
        }
    }

    fn times(&self, rows: &Weighted) -> Result<TimestampMicrosecondArray, ArrowError> {
        let column = rows.batch.columns().get(self.time);
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        times
            .cloned()
            .ok_or_else(|| ArrowError::CastError("event time is not TIMESTAMPTZ".to_owned()))
    }

    /// Which rows have an open window; `None` if all have.
    fn judge(
        &self,
        rows: &Weighted,
        (times, ends): (&TimestampMicrosecondArray, &TimestampMicrosecondArray),
        aside: &mut Aside,
    ) -> Result<Option<BooleanArray>, ArrowError> {
        if times.null_count() == 0 && self.all_fit(rows, times.values(), ends.values()) {
            return Ok(None);
        }
        let mut judged = Judged {
            keep: vec![true; rows.rows()],
            ..Judged::default()
        };
        for (first, run) in rows.runs() {
            let limit = ahead_limit(run.seq);
            for row in first..first + run.rows {
                if times.is_null(row) {
                    judged.fail(row, "its event time is NULL");
                    continue;
                }
                let time = times.value(row);
                if self.tumbling.window(time).is_err() {
                    judged.fail(row, "its event time is out of the range of windows");
                } else if run.watermark != NO_WATERMARK
                    && is_past(ends.value(row), self.keep_us, run.watermark)
                {
                    judged.keep[row] = false;
                    judged.late.push((row, time, run.watermark));
                } else if time > limit {
                    judged.keep[row] = false;
                    let minutes = crate::watermark::AHEAD_US_MAX / 60_000_000;
                    judged.ahead.push((
                        row,
                        format!(
                            "its event time is more than {minutes} minutes ahead of its arrival"
                        ),
                    ));
                }
            }
        }
        let keep = BooleanArray::from(std::mem::take(&mut judged.keep));
        self.set_aside(rows, judged, aside)?;
        Ok(Some(keep))
    }

    /// The quick look: nothing is late and nothing too far ahead.
    fn all_fit(&self, rows: &Weighted, times: &[i64], ends: &[i64]) -> bool {
        rows.runs().all(|(first, run)| {
            let (limit, rows) = (ahead_limit(run.seq), first..first + run.rows);
            let is_ahead = times[rows.clone()].iter().any(|time| *time > limit);
            let closed = run.watermark.saturating_sub(self.keep_us);
            let is_late =
                run.watermark != NO_WATERMARK && ends[rows].iter().any(|end| *end <= closed);
            !is_ahead && !is_late
        })
    }

    fn set_aside(
        &self,
        rows: &Weighted,
        judged: Judged,
        aside: &mut Aside,
    ) -> Result<(), ArrowError> {
        let added = |row: &usize| rows.weights.of(*row) > 0;
        let Judged {
            mut late,
            mut failed,
            mut ahead,
            ..
        } = judged;
        failed.retain(|(row, _)| added(row));
        ahead.retain(|(row, _)| added(row));
        late.retain(|(row, ..)| added(row));
        aside.fail(&rows.batch, Code::Flow010, failed)?;
        aside.fail(&rows.batch, Code::Flow011, ahead)?;
        match self.late {
            LateRows::Stream => aside.late(&rows.batch, &late),
            LateRows::Letters => {
                let reason = |row: usize| (row, "its window can no longer change".to_owned());
                let late = late.iter().map(|(row, ..)| reason(*row)).collect();
                aside.fail(&rows.batch, Code::Flow012, late)
            }
        }
    }
}

impl Judged {
    fn fail(&mut self, row: usize, reason: &str) {
        self.keep[row] = false;
        self.failed.push((row, reason.to_owned()));
    }
}

/// Whether a window can no longer change.
pub(crate) fn is_past(end: i64, keep_us: i64, watermark: i64) -> bool {
    end <= watermark.saturating_sub(keep_us)
}
