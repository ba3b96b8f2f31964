//! Rows on their way from frames to a row group: gathered, mapped to the table's columns, sorted.
//! Pure; never any I/O.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, new_null_array},
    compute::{cast, concat},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::{ByteSize, Columns, SchemaVersion, Seq, types::EXTRA_COLUMN};
use mainstem_log::Frame;

use crate::columns::{TableColumn, TableColumns};

/// Rows that are copied together at a time.
const BATCH_ROWS: usize = 8 << 10;

/// Which column of a frame's body each body column of the table is; `None` where it has none.
pub(crate) type Mapping = Vec<Option<usize>>;

/// How frames of one version map to the table's columns; `None` if the table lacks one of theirs.
pub(crate) fn map_version(version: &Columns, table: &TableColumns) -> Option<Mapping> {
    let body = table.body();
    let is_known = |id: u32| body.iter().any(|column| column.id == Some(id));
    if !version.0.iter().all(|column| is_known(column.id)) {
        return None;
    }
    let place = |column: &TableColumn| match column.id {
        Some(id) => version.0.iter().position(|c| c.id == id),
        None => (column.name == EXTRA_COLUMN).then_some(version.0.len()),
    };
    Some(body.iter().map(place).collect())
}

/// Mappings of all versions that the table can take.
pub(crate) fn map_versions(
    versions: &BTreeMap<SchemaVersion, Columns>,
    table: &TableColumns,
) -> BTreeMap<SchemaVersion, Mapping> {
    let mapped = versions
        .iter()
        .map(|(version, columns)| (*version, map_version(columns, table)));
    mapped
        .filter_map(|(version, mapping)| Some((version, mapping?)))
        .collect()
}

/// Rows of a future row group.
#[derive(Debug, Default)]
pub(crate) struct RowBuffer {
    frames: Vec<Taken>,
    runs: Vec<Run>,
    rows: usize,
    bytes: usize,
}

/// A frame's columns in the order of the table's body.
#[derive(Debug)]
struct Taken {
    seq: Seq,
    arrays: Vec<Option<ArrayRef>>,
}

/// Neighbouring rows of one frame and one partition, with offsets that rise by one.
#[derive(Clone, Copy, Debug)]
struct Run {
    partition: u16,
    first_offset: u64,
    frame: usize,
    start: usize,
    rows: usize,
}

impl RowBuffer {
    /// Rows in it.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Least and greatest seq.
    pub(crate) fn seqs(&self) -> (Seq, Seq) {
        let seq = |frame: Option<&Taken>| frame.map_or(Seq::ZERO, |frame| frame.seq);
        (seq(self.frames.first()), seq(self.frames.last()))
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a frame's rows, without copying them.
    pub(crate) fn push(&mut self, frame: &Frame, mapping: &Mapping) -> Result<(), ArrowError> {
        let entries: usize = frame.entries.iter().map(|entry| rows_of(entry.rows)).sum();
        if entries != frame.batch.num_rows() {
            let rows = frame.batch.num_rows();
            let reason = format!(
                "frame {} has {rows} rows and entries for {entries}",
                frame.seq
            );
            return Err(ArrowError::InvalidArgumentError(reason));
        }
        if entries == 0 {
            return Ok(());
        }
        let mut start = 0;
        for entry in frame.entries.iter().filter(|entry| entry.rows > 0) {
            let rows = rows_of(entry.rows);
            self.runs.push(Run {
                partition: entry.partition.0,
                first_offset: entry.first_offset.0,
                frame: self.frames.len(),
                start,
                rows,
            });
            start += rows;
        }
        self.bytes += size_of::<Run>() * frame.entries.len() + bytes_of(&frame.batch);
        self.rows += entries;
        let column = |at: &Option<usize>| at.and_then(|at| frame.batch.columns().get(at).cloned());
        self.frames.push(Taken {
            seq: frame.seq,
            arrays: mapping.iter().map(column).collect(),
        });
        Ok(())
    }

    /// Takes all rows out, in the order of a row group: by partition and offset.
    pub(crate) fn take_sorted(&mut self) -> SortedRows {
        let Self {
            frames, mut runs, ..
        } = std::mem::take(self);
        runs.sort_unstable_by_key(|run| (run.partition, run.first_offset));
        SortedRows {
            frames,
            runs: runs.into(),
        }
    }
}

/// The rows of a row group in their order. They are copied together in batches that are small
/// enough for the processor's cache and for memory that the allocator hands out again.
#[derive(Debug)]
pub(crate) struct SortedRows {
    frames: Vec<Taken>,
    runs: VecDeque<Run>,
}

impl SortedRows {
    /// The next batch in the schema of files; `None` after the last.
    pub(crate) fn next_batch(
        &mut self,
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let mut runs = Vec::new();
        let mut rows = 0;
        while rows < BATCH_ROWS
            && let Some(mut run) = self.runs.pop_front()
        {
            if let Some(rest) = run.split_off(BATCH_ROWS - rows) {
                self.runs.push_front(rest);
            }
            rows += run.rows;
            runs.push(run);
        }
        if runs.is_empty() {
            return Ok(None);
        }
        let body = schema.fields().len().saturating_sub(3);
        let fields = schema.fields().iter().take(body).enumerate();
        let arrays = fields.map(|(index, field)| self.column(index, field.data_type(), &runs));
        let mut arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        arrays.extend(system_arrays(&self.frames, &runs, rows));
        RecordBatch::try_new(Arc::clone(schema), arrays).map(Some)
    }

    /// A body column of some runs.
    fn column(&self, index: usize, ty: &DataType, runs: &[Run]) -> Result<ArrayRef, ArrowError> {
        let mut pieces = Vec::with_capacity(runs.len());
        for run in runs {
            let array = self
                .frames
                .get(run.frame)
                .and_then(|frame| frame.arrays.get(index)?.as_ref());
            pieces.push(match array {
                Some(array) => cast_piece(&array.slice(run.start, run.rows), ty)?,
                None => new_null_array(ty, run.rows),
            });
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        concat(&pieces)
    }
}

impl Run {
    /// Keeps the first `rows` rows; gives back the others, if there are any.
    fn split_off(&mut self, rows: usize) -> Option<Self> {
        if self.rows <= rows {
            return None;
        }
        let rest = Self {
            first_offset: self.first_offset + ByteSize::from(rows).0,
            start: self.start + rows,
            rows: self.rows - rows,
            ..*self
        };
        self.rows = rows;
        Some(rest)
    }
}

/// `_seq`, `_partition` and `_offset` of all rows.
fn system_arrays(frames: &[Taken], runs: &[Run], rows: usize) -> [ArrayRef; 3] {
    let mut seqs = Vec::with_capacity(rows);
    let mut partitions = Vec::with_capacity(rows);
    let mut offsets = Vec::with_capacity(rows);
    for run in runs {
        let seq = frames.get(run.frame).map_or(0, |frame| frame.seq.to_i64());
        let first = i64::try_from(run.first_offset).unwrap_or(i64::MAX);
        seqs.resize(seqs.len() + run.rows, seq);
        partitions.resize(partitions.len() + run.rows, i32::from(run.partition));
        offsets.extend((first..).take(run.rows));
    }
    [
        Arc::new(Int64Array::from(seqs)),
        Arc::new(Int32Array::from(partitions)),
        Arc::new(Int64Array::from(offsets)),
    ]
}

/// Nested types differ in the names and marks of their fields; others are as they are.
fn cast_piece(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == ty {
        Ok(Arc::clone(array))
    } else {
        cast(array, ty)
    }
}

fn rows_of(rows: u32) -> usize {
    ByteSize(rows.into()).as_usize()
}

/// Bytes of a batch's own rows, not of buffers that it shares with others.
fn bytes_of(batch: &RecordBatch) -> usize {
    let size = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or_default();
    batch.columns().iter().map(size).sum()
}

#[cfg(test)]
mod tests;
