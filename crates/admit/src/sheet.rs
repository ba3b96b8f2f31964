//! `Sheet`: the rows of one frame in the order in which the log keeps them: by partition, and
//! within it in the order of arrival. It moves rows only if it must.

use std::ops::Range;

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    error::ArrowError,
};
use mainstem_kernel::PartitionId;
use mainstem_log::{DraftEntry, Stamp};

use crate::partition::partitions;

/// Rows of one request, or of several that nobody will have to tell apart.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Rows, in the order of arrival.
    pub(crate) rows: usize,
    /// The stamp of all of them.
    pub(crate) stamp: Option<Stamp>,
    /// Which span of the submission is stamped.
    pub(crate) owner: Option<usize>,
}

/// How rows find their partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    /// Key columns.
    pub(crate) keys: &'a [usize],
    /// Number of partitions.
    pub(crate) partitions: u16,
    /// The partition of all rows if there are no key columns.
    pub(crate) turn: u16,
}

/// The rows of one frame, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) batch: RecordBatch,
    pub(crate) entries: Vec<DraftEntry>,
    /// The span that each entry stamps.
    pub(crate) owners: Vec<Option<usize>>,
}

impl Sheet {
    /// Sorts rows, of which `runs` tells who sent them.
    ///
    /// # Errors
    /// When Arrow cannot move the rows.
    pub(crate) fn sort(
        batch: RecordBatch,
        runs: &[Run],
        route: Route<'_>,
    ) -> Result<Self, ArrowError> {
        let count = usize::from(route.partitions.max(1));
        if route.keys.is_empty() || count == 1 {
            let mut sheet = Self {
                batch,
                entries: Vec::new(),
                owners: Vec::new(),
            };
            let turn = if count == 1 { 0 } else { route.turn };
            runs.iter().for_each(|run| sheet.push(turn, run.rows, run));
            return Ok(sheet);
        }
        let places = partitions(&batch, route.keys, route.partitions);
        let mut counts = vec![0_usize; count * runs.len().max(1)];
        let mut first = 0;
        for (i, run) in runs.iter().enumerate() {
            let counts = counts
                .get_mut(i * count..(i + 1) * count)
                .unwrap_or_default();
            for place in places.get(first..first + run.rows).unwrap_or_default() {
                if let Some(rows) = counts.get_mut(usize::from(*place)) {
                    *rows += 1;
                }
            }
            first += run.rows;
        }
        let batch = if places.is_sorted() {
            batch
        } else {
            by_partition(&batch, &places, count)?
        };
        let mut sheet = Self {
            batch,
            entries: Vec::new(),
            owners: Vec::new(),
        };
        for place in 0..count {
            for (i, run) in runs.iter().enumerate() {
                let rows = counts.get(i * count + place).copied().unwrap_or(0);
                // A request whose rows were all refused leaves its stamp in partition 0.
                if rows > 0 || (place == 0 && run.rows == 0) {
                    sheet.push(u16::try_from(place).unwrap_or(0), rows, run);
                }
            }
        }
        Ok(sheet)
    }

    fn push(&mut self, partition: u16, rows: usize, run: &Run) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        if rows == 0 && run.stamp.is_none() {
            return;
        }
        let partition = PartitionId(partition);
        self.entries.push(DraftEntry {
            partition,
            rows,
            stamp: run.stamp,
        });
        self.owners.push(run.owner);
    }

    /// The entries that `is_kept` says of the spans that they stamp, with their rows.
    ///
    /// # Errors
    /// When Arrow cannot move the rows.
    pub(crate) fn keep(
        &self,
        is_kept: impl Fn(Option<usize>) -> bool,
    ) -> Result<Option<Self>, ArrowError> {
        let (mut entries, mut owners) = (Vec::new(), Vec::new());
        let mut ranges = Vec::new();
        let mut first = 0;
        for (entry, owner) in self.entries.iter().zip(&self.owners) {
            let rows = entry.rows as usize;
            if is_kept(*owner) {
                ranges.push(first..first + rows);
                entries.push(*entry);
                owners.push(*owner);
            }
            first += rows;
        }
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            batch: keep(&self.batch, &ranges)?,
            entries,
            owners,
        }))
    }
}

/// The rows of some ranges.
///
/// # Errors
/// When Arrow cannot move the rows.
pub(crate) fn keep(
    batch: &RecordBatch,
    ranges: &[Range<usize>],
) -> Result<RecordBatch, ArrowError> {
    let pieces: Vec<_> = ranges
        .iter()
        .map(|r| batch.slice(r.start, r.len()))
        .collect();
    concat_batches(batch.schema_ref(), &pieces)
}

/// Counting sort: stable, and one pass over the places.
fn by_partition(
    batch: &RecordBatch,
    places: &[u16],
    count: usize,
) -> Result<RecordBatch, ArrowError> {
    let mut next = vec![0_u32; count + 1];
    for place in places {
        if let Some(rows) = next.get_mut(usize::from(*place) + 1) {
            *rows += 1;
        }
    }
    let mut sum = 0;
    for rows in &mut next {
        sum += *rows;
        *rows = sum;
    }
    let mut order = vec![0_u32; places.len()];
    for (row, place) in (0_u32..).zip(places) {
        if let Some(at) = next.get_mut(usize::from(*place)) {
            if let Some(slot) = order.get_mut(*at as usize) {
                *slot = row;
            }
            *at += 1;
        }
    }
    take_record_batch(batch, &UInt32Array::from(order))
}
