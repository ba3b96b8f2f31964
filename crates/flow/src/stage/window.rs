//! The window of each row, and where windows overlap its slice: the windows that are still open for
//! it. Rows that have none are set aside: those too far ahead of their arrival, those whose windows
//! were all closed, those without a time.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray},
    datatypes::{SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
};
use mainstem_kernel::Code;
use mainstem_sql::view::{Overlapping, Slice, TumbleError, Tumbling};

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

/// How time is cut.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    /// Into windows: their start and end are added.
    Tumbling(Tumbling),
    /// Into slices: their id, and the end of the last of their windows are added.
    Overlapping(Arc<Overlapping>),
    /// Into cells of which sessions are made, as long as the gap: the start of the cell, and the time
    /// itself are added.
    Sessions(Tumbling),
}

/// Adds `window_start` and `window_end`.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) time: usize,
    pub(crate) cut: Cut,
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

impl Cut {
    fn has(&self, time: i64) -> bool {
        match self {
            Self::Tumbling(tumbling) | Self::Sessions(tumbling) => tumbling.window(time).is_ok(),
            Self::Overlapping(overlapping) => overlapping.windows(time).is_ok(),
        }
    }
}

impl Window {
    pub(crate) fn run(&self, rows: Weighted, aside: &mut Aside) -> Result<Weighted, ArrowError> {
        let times = self.times(&rows)?;
        let windows = |times: &TimestampMicrosecondArray| match &self.cut {
            Cut::Tumbling(tumbling) => tumbling.windows(times),
            Cut::Overlapping(overlapping) => self.slices(&rows, times, overlapping),
            Cut::Sessions(cells) => {
                let (starts, _) = cells.windows(times)?;
                Ok((starts, times.clone().with_timezone("UTC")))
            }
        };
        // A time that is in no window is set aside by `judge`, and has any window here.
        let found = windows(&times);
        let is_in_range = found.is_ok();
        let found = found.or_else(|_range| {
            let fits = |time: i64| self.cut.has(time);
            let clipped: TimestampMicrosecondArray = times
                .iter()
                .map(|time| time.map(|time| if fits(time) { time } else { 0 }))
                .collect();
            windows(&clipped)
        });
        let (starts, ends) = found.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        // A row is late for sessions when its own time is behind the watermark: as if it had a window
        // that ends with the next microsecond.
        let over = match &self.cut {
            Cut::Sessions(_) => ends.unary(|time| time.saturating_add(1)),
            Cut::Tumbling(_) | Cut::Overlapping(_) => ends.clone(),
        };
        let all_fit = is_in_range
            && times.null_count() == 0
            && self.all_fit(&rows, times.values(), over.values());
        let kept = match all_fit {
            true => None,
            false => Some(self.judge(&rows, (&times, &over), aside)?),
        };
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

    /// Which rows have an open window.
    fn judge(
        &self,
        rows: &Weighted,
        (times, ends): (&TimestampMicrosecondArray, &TimestampMicrosecondArray),
        aside: &mut Aside,
    ) -> Result<BooleanArray, ArrowError> {
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
                if !self.cut.has(time) {
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
        Ok(keep)
    }

    /// The slice of each row: its id, and when the last of its windows ends. Of a row that is late
    /// for some of its windows it is the one of those that are open.
    fn slices(
        &self,
        rows: &Weighted,
        times: &TimestampMicrosecondArray,
        overlapping: &Overlapping,
    ) -> Result<(TimestampMicrosecondArray, TimestampMicrosecondArray), TumbleError> {
        let (mut ids, mut ends) = (Vec::new(), Vec::new());
        ids.reserve(times.len());
        ends.reserve(times.len());
        // Neighbours are mostly of one pane: look anew only when a time has left it.
        let mut pane = Pane::default();
        for (first, run) in rows.runs() {
            let closed = match run.watermark {
                NO_WATERMARK => i64::MIN,
                watermark => watermark.saturating_sub(self.keep_us),
            };
            let mut first_open = None;
            for row in first..first + run.rows {
                let time = times.value(row);
                if times.is_valid(row) && !(pane.begin..pane.end).contains(&time) {
                    pane = Pane::of(time, overlapping)?;
                }
                // The first of the windows ends with the pane.
                let slice = match pane.end <= closed {
                    false => pane.slice,
                    true => {
                        let open = first_open
                            .get_or_insert_with(|| overlapping.first_open(closed))
                            .unwrap_or(i64::MIN);
                        let (first, last) = pane.windows;
                        let open = overlapping.slice((open.clamp(first, last), last));
                        open.unwrap_or(pane.slice)
                    }
                };
                ids.push(slice.id);
                ends.push(slice.end);
            }
        }
        let array = |values: Vec<i64>| {
            TimestampMicrosecondArray::new(values.into(), times.nulls().cloned())
                .with_timezone("UTC")
        };
        Ok((array(ids), array(ends)))
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

/// A pane, its first and last window, and the slice of rows that are late for none of them.
#[derive(Clone, Copy, Debug)]
struct Pane {
    begin: i64,
    end: i64,
    windows: (i64, i64),
    slice: Slice,
}

impl Default for Pane {
    /// One without times.
    fn default() -> Self {
        Self {
            begin: 0,
            end: 0,
            windows: (0, 0),
            slice: Slice { id: 0, end: 0 },
        }
    }
}

impl Pane {
    fn of(time_us: i64, overlapping: &Overlapping) -> Result<Self, TumbleError> {
        let windows = overlapping.windows(time_us)?;
        let windows = (*windows.start(), *windows.end());
        let range = TumbleError::Range { time_us };
        let found = overlapping.pane(time_us).zip(overlapping.slice(windows));
        let ((begin, end), slice) = found.ok_or(range)?;
        Ok(Self {
            begin,
            end,
            windows,
            slice,
        })
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
