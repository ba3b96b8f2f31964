//! Session windows: of each key the rows between which nothing comes for the gap, told when the
//! watermark is the gap behind the last of them.
//!
//! # Cells
//!
//! Time is cut into cells as long as the gap. Rows of one key in one cell are of one session: they are
//! less than the gap apart. So groups are kept by cell, with the first and the last time of each; a
//! session is a chain of groups in neighbouring cells, and none that skips a cell.
//!
//! # A step, in one bucket
//!
//! 1. Chunks are merged into cells.
//! 2. Cell after cell, groups whose last time is the gap or more behind the watermark have ended.
//!    One that goes on in the next cell is merged into the group there, first time and all; any other
//!    is a session that is over: it is told. Both are gone from the cell.
//!
//! # Why what was told stays true
//!
//! A row is late when its time is behind the watermark as of all rows before it. A session is told
//! when the watermark is the gap behind its last row, so every row that counts afterwards is at least
//! the gap behind. For the same reason a group that ended is in a cell that nothing is added to any
//! more, and whether it goes on in the next cell is settled. What is told does not depend on how the
//! log is cut into steps.
//!
//! # Bound
//!
//! Of a key there are groups in the cells of the last two gaps and of as much event time as rows may be
//! behind, however long its session is: what is behind is merged forward.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array},
    compute::{concat, take},
    datatypes::TimestampMicrosecondType,
};

use super::{bucket::Bucket, lane::Lane, lane::LaneTask, slices::runs};
use crate::{
    aggregate::Unfit,
    aside::Aside,
    change::{NO_WATERMARK, Run, Weighted, Weights},
    errors::FlowError,
    group_by::{GroupBy, Sessions},
    moment::Moment,
    pane::{KeepBefore, Told},
    watermark::reached_at,
};

/// When the first group of a cell ends that has not ended yet, by the cell's start: until then the
/// cell need not be looked at.
pub(super) type Due = BTreeMap<i64, i64>;

/// Sessions that are over, of one bucket.
#[derive(Debug)]
pub(super) struct Over {
    bucket: usize,
    told: Told,
}

impl LaneTask {
    /// The step of a bucket with session windows; whether it touched any state.
    pub(super) fn run_sessions(
        &self,
        (number, bucket): (usize, &mut Bucket),
        sessions: Sessions,
        lane: &mut Lane,
    ) -> Result<bool, FlowError> {
        let mut is_used = false;
        for partial in &self.partials {
            for ((cell, end), run) in runs(partial, number) {
                is_used = true;
                if !self.directory.knows(cell) {
                    lane.opened.push((cell, end));
                }
                bucket.due.remove(&cell);
                let pane = bucket.pane(cell, (number, &self.keeper()))?;
                pane.used = self.step;
                pane.take(partial, run, KeepBefore::No)?;
            }
        }
        if self.watermark == NO_WATERMARK {
            return Ok(is_used);
        }
        let until = self.watermark.saturating_sub(sessions.gap_us);
        // A cell may be made while one is gone through: it comes behind.
        let mut from = i64::MIN;
        while let Some(cell) = self.next_cell((number, &*bucket), from, until) {
            from = cell.saturating_add(1);
            if bucket.due.get(&cell).is_some_and(|due| *due > until) {
                continue;
            }
            is_used = true;
            let told = self.end_cell((number, &mut *bucket), (cell, until), sessions.gap_us)?;
            lane.over.extend(told.map(|told| Over {
                bucket: number,
                told,
            }));
        }
        Ok(is_used)
    }

    /// The first cell from a start on that the bucket has and that has begun by `until`.
    fn next_cell(&self, (number, bucket): (usize, &Bucket), from: i64, until: i64) -> Option<i64> {
        if from > until {
            return None;
        }
        let range = || from..until.saturating_add(1);
        let mut kept = self.directory.within(range());
        let kept = kept.find(|cell| bucket.has(*cell, (number, &self.directory)));
        let new = bucket.loaded_within(range()).next();
        match (kept, new) {
            (Some(kept), Some(new)) => Some(kept.min(new)),
            (kept, new) => kept.or(new),
        }
    }

    /// Groups of a cell whose last time is `until` or before: those that go on are merged into the
    /// next cell, the others are told.
    fn end_cell(
        &self,
        (number, bucket): (usize, &mut Bucket),
        (cell, until): (i64, i64),
        gap_us: i64,
    ) -> Result<Option<Told>, FlowError> {
        let keeper = self.keeper();
        let pane = bucket.pane(cell, (number, &keeper))?;
        pane.used = self.step;
        let (ended, next) = pane.ended(until)?;
        match next {
            Some(next) => bucket.due.insert(cell, next),
            None => bucket.due.insert(cell, i64::MAX),
        };
        if ended.is_empty() {
            return Ok(None);
        }
        let all: BTreeSet<u32> = ended.iter().map(|(group, _)| *group).collect();
        let behind = cell.saturating_add(gap_us);
        let over = match bucket.has(behind, (number, &self.directory)) {
            false => all.iter().copied().collect(),
            true => {
                let pane = bucket.take_out(cell)?;
                bucket.due.remove(&behind);
                let next = bucket.pane(behind, (number, &keeper))?;
                next.used = self.step;
                let over = next.go_on_with(&pane, ended, gap_us);
                bucket.put_back(cell, pane);
                over?
            }
        };
        let pane = bucket.pane(cell, (number, &keeper))?;
        Ok(pane.tell_over((&all, &over), &self.by)?)
    }
}

/// Sessions of all buckets as rows, in the order in which they ended.
pub(super) fn rows_of(
    by: &GroupBy,
    over: &[Over],
    moment: &Moment,
    aside: &mut Aside,
) -> Result<Option<Weighted>, FlowError> {
    let (Some(Sessions { gap_us }), Some((start, end))) = (by.sessions, by.window) else {
        return Ok(None);
    };
    if over.is_empty() {
        return Ok(None);
    }
    let joined = |of: &dyn Fn(&Told) -> &ArrayRef| {
        let pieces: Vec<&dyn Array> = over.iter().map(|over| of(&over.told).as_ref()).collect();
        concat(&pieces)
    };
    let visible = by.calls.len().saturating_sub(2);
    let starts = joined(&|told| &told.calls[visible])?;
    let lasts = joined(&|told| &told.calls[visible + 1])?;
    let times = |times: &ArrayRef| times.as_primitive::<TimestampMicrosecondType>().clone();
    let (starts, ends) = (
        times(&starts),
        times(&lasts).unary(|last| last.saturating_add(gap_us)),
    );
    let ends: TimestampMicrosecondArray = ends;
    let ends = ends.with_timezone("UTC");
    let order = order_of(over, (&starts, &ends));
    let keys = by.schema.fields().len().saturating_sub(visible);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(keys + visible);
    let mut next = 0;
    for at in 0..keys {
        columns.push(match at {
            _ if at == start => Arc::new(starts.clone()),
            _ if at == end => Arc::new(ends.clone()),
            _ => {
                next += 1;
                joined(&|told| &told.keys[next - 1])?
            }
        });
    }
    for call in 0..visible {
        columns.push(joined(&|told| &told.calls[call])?);
    }
    let columns = columns.iter().map(|column| take(column, &order, None));
    let batch = RecordBatch::try_new(Arc::clone(&by.schema), columns.collect::<Result<_, _>>()?)?;
    set_aside(over, &order, &batch, aside)?;
    Ok(Some(Weighted {
        batch,
        weights: Weights::Inserts,
        runs: seqs(&ends, &order, moment).into(),
    }))
}

/// The order of rows: by end, start, bucket, and then as they were told.
fn order_of(
    over: &[Over],
    (starts, ends): (&TimestampMicrosecondArray, &TimestampMicrosecondArray),
) -> UInt32Array {
    let buckets = over
        .iter()
        .flat_map(|over| std::iter::repeat_n(over.bucket, over.told.rows()));
    let rows = (0_u32..)
        .zip(starts.values())
        .zip(ends.values())
        .zip(buckets);
    let mut order: Vec<(i64, i64, usize, u32)> = rows
        .map(|(((row, start), end), bucket)| (*end, *start, bucket, row))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(.., row)| row).collect()
}

/// The seq at which each row's session ended.
fn seqs(ends: &TimestampMicrosecondArray, order: &UInt32Array, moment: &Moment) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for row in order.values() {
        let end = ends.value(*row as usize);
        let seq = reached_at(&moment.trace, end, moment.through);
        match runs.last_mut() {
            Some(run) if run.seq == seq => run.rows += 1,
            _ => runs.push(Run {
                rows: 1,
                seq,
                watermark: NO_WATERMARK,
            }),
        }
    }
    runs
}

fn set_aside(
    over: &[Over],
    order: &UInt32Array,
    batch: &RecordBatch,
    aside: &mut Aside,
) -> Result<(), FlowError> {
    let mut unfit: Vec<Unfit> = Vec::new();
    let mut first = 0;
    for over in over {
        unfit.extend(over.told.unfit.iter().map(|unfit| Unfit {
            at: first + unfit.at,
            ..*unfit
        }));
        first += over.told.rows();
    }
    if unfit.is_empty() {
        return Ok(());
    }
    let mut places = vec![0; order.len()];
    for (place, row) in order.values().iter().enumerate() {
        places[*row as usize] = place;
    }
    unfit.sort_by_key(|unfit| places[unfit.at]);
    for unfit in unfit {
        let failed = vec![(places[unfit.at], unfit.reason.to_owned())];
        aside.fail(batch, unfit.code, failed)?;
    }
    Ok(())
}
