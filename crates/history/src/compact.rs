//! Compaction: runs of small neighbouring files of one day become one file, in order.
//! Never mixes days, and never touches what is not archived.
//!
//! Rows keep their order: row groups follow each other by seq, and within a row group rows are
//! sorted by (`_partition`, `_offset`). So a reader of a span of time still skips most of a file,
//! and one row group is all that is held in memory. Small row groups are merged into full ones.
//!
//! Which runs: of a day that is over, as many neighbours as fit into `file_size_max`; of today, at
//! least eight neighbours of which none is larger than a quarter of them all, so that a row is
//! rewritten about log₄ times.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch, new_null_array},
    compute::{SortColumn, cast, concat_batches, lexsort_to_indices, max, min, take_record_batch},
    datatypes::{Int32Type, Int64Type, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::{
    Seq, StreamId,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};

use crate::{
    columns::TableColumns,
    delta::entry::Operation,
    errors::HistoryError,
    file::{FileWriter, GROUP_ROWS_MAX, GroupReader, NewFile, remove_quietly},
    pinned::DataFile,
    table::{Commit, Inner},
};

/// Neighbours that today's files must have to be merged.
const TODAY_FILES_MIN: usize = 8;
/// Row groups that one step reads at most, when they are small.
const GROUPS_PER_STEP: usize = 16;

/// The first run of files worth merging. `files` are in order.
pub(crate) fn plan(
    files: &[Arc<DataFile>],
    today: i64,
    size_max: u64,
) -> Option<Vec<Arc<DataFile>>> {
    for day in files.chunk_by(|a, b| a.day == b.day) {
        let is_over = day.first().is_some_and(|file| file.day < today);
        let mut rest = day;
        while !rest.is_empty() {
            let run = fitting(rest, size_max);
            let total: u64 = run.iter().map(|file| file.size).sum();
            let largest = run.iter().map(|file| file.size).max().unwrap_or(0);
            let is_worth = if is_over {
                run.len() > 1
            } else {
                run.len() >= TODAY_FILES_MIN && largest <= total / 4
            };
            if is_worth {
                return Some(run.to_vec());
            }
            // Of a day that is over, runs are cut from the left, so that the cuts stay.
            rest = rest
                .get(if is_over { run.len() } else { 1 }..)
                .unwrap_or_default();
        }
    }
    None
}

/// As many files from the left as fit into one; at least one.
fn fitting(files: &[Arc<DataFile>], size_max: u64) -> &[Arc<DataFile>] {
    let mut total = 0;
    let count = files.iter().take_while(|file| {
        total += file.size;
        total <= size_max
    });
    let count = count.count().max(1);
    files.get(..count).unwrap_or(files)
}

/// A compaction under way.
#[derive(Debug)]
pub(crate) struct Compaction {
    pub(crate) stream: StreamId,
    inputs: Vec<Arc<DataFile>>,
    columns: TableColumns,
    next: usize,
    reader: Option<GroupReader>,
    waiting: Vec<RecordBatch>,
    writer: Option<FileWriter>,
}

/// How a step of a compaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to do.
    Going,
    /// It is committed, or it was given up because the table changed.
    Over,
}

impl Compaction {
    /// Begins to merge `inputs`.
    pub(crate) fn begin(inner: &Inner, inputs: Vec<Arc<DataFile>>) -> Self {
        Self {
            stream: inner.stream,
            inputs,
            columns: inner.columns.clone(),
            next: 0,
            reader: None,
            waiting: Vec::new(),
            writer: None,
        }
    }

    /// Reads some row groups until there is a full one, and writes that.
    pub(crate) fn step(&mut self, inner: &mut Inner) -> Result<Progress, HistoryError> {
        let live = |file: &Arc<DataFile>| inner.state.files.contains_key(&file.path);
        if inner.stopped.is_some() || inner.columns != self.columns || !self.inputs.iter().all(live)
        {
            self.discard();
            return Ok(Progress::Over);
        }
        for _ in 0..GROUPS_PER_STEP {
            let Some(batch) = self.read(inner)? else {
                self.write(inner)?;
                self.commit(inner)?;
                return Ok(Progress::Over);
            };
            let waiting: usize = self.waiting.iter().map(RecordBatch::num_rows).sum();
            let is_full = waiting + batch.num_rows() > GROUP_ROWS_MAX;
            if is_full {
                self.write(inner)?;
            }
            self.waiting.push(batch);
            if is_full {
                break;
            }
        }
        Ok(Progress::Going)
    }

    /// Gives it up.
    pub(crate) fn discard(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.discard();
        }
    }

    /// The next row group in the newest columns; `None` after the last.
    fn read(&mut self, inner: &Inner) -> Result<Option<RecordBatch>, HistoryError> {
        loop {
            let Some(file) = self.inputs.get(self.next) else {
                return Ok(None);
            };
            let path = inner.folder.join(&file.path);
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => none.insert(GroupReader::open(inner.shared.disk.as_ref(), &path)?),
            };
            if let Some(batch) = reader.next_group()? {
                let adapted = adapt(&batch, &inner.file_schema);
                return adapted.map(Some).map_err(|source| arrange(inner, source));
            }
            self.reader = None;
            self.next += 1;
        }
    }

    /// Writes what waits as one row group.
    fn write(&mut self, inner: &mut Inner) -> Result<(), HistoryError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let merged = merge(&std::mem::take(&mut self.waiting), &inner.file_schema);
        let (batch, seqs) = merged.map_err(|source| arrange(inner, source))?;
        if self.writer.is_none() {
            let day = self.inputs.first().map_or(0, |file| file.day);
            let new = NewFile {
                path: inner.new_path(day, seqs.0),
                folder: &inner.folder,
                day,
                columns: &self.columns,
                schema: &inner.file_schema,
            };
            self.writer = Some(FileWriter::create(&inner.shared.disk, new, &batch)?);
        }
        match &mut self.writer {
            Some(writer) => {
                writer.append(&batch)?;
                writer.end_group(seqs)
            }
            None => Ok(()),
        }
    }

    fn commit(&mut self, inner: &mut Inner) -> Result<(), HistoryError> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let file = Arc::new(writer.finish()?);
        let rows: u64 = self.inputs.iter().map(|file| file.rows).sum();
        let path = inner.folder.join(&file.path);
        if rows != file.rows {
            remove_quietly(inner.shared.disk.as_ref(), &path);
            let reason = format!(
                "{rows} rows in its Delta entries, {} in the files",
                file.rows
            );
            return Err(HistoryError::Damaged { path, reason });
        }
        let commit = Commit {
            removes: self.inputs.clone(),
            adds: vec![file],
            ..Commit::new(Operation::Compact)
        };
        inner.commit(commit).inspect_err(|_| {
            // In doubt it may belong to the table: then the next start decides.
            if inner.stopped.is_none() {
                remove_quietly(inner.shared.disk.as_ref(), &path);
            }
        })?;
        inner
            .shared
            .metrics
            .compacted_files
            .inc_by(self.inputs.len() as u64);
        Ok(())
    }
}

fn arrange(inner: &Inner, source: ArrowError) -> HistoryError {
    HistoryError::Arrange {
        stream: inner.name.clone(),
        source,
    }
}

/// A batch of an older file in the newest columns: by physical name, NULL where it has none.
fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let arrays = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
            Some(array) => cast(array, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        });
    RecordBatch::try_new(Arc::clone(schema), arrays.collect::<Result<_, _>>()?)
}

/// One row group of all batches, sorted, with its least and greatest seq.
fn merge(
    batches: &[RecordBatch],
    schema: &SchemaRef,
) -> Result<(RecordBatch, (Seq, Seq)), ArrowError> {
    let mut batch = concat_batches(schema, batches)?;
    let column = |batch: &RecordBatch, name: &str| {
        let missing = || ArrowError::SchemaError(format!("a file has no column {name}"));
        batch.column_by_name(name).cloned().ok_or_else(missing)
    };
    let partition = column(&batch, PARTITION_COLUMN)?;
    let offset = column(&batch, OFFSET_COLUMN)?;
    let partitions = partition.as_primitive::<Int32Type>().values();
    let offsets = offset.as_primitive::<Int64Type>().values();
    if !partitions.iter().zip(offsets).is_sorted() {
        let keys = [partition, offset].map(|values| SortColumn {
            values,
            options: None,
        });
        let order = lexsort_to_indices(&keys, None)?;
        batch = take_record_batch(&batch, &order)?;
    }
    let seq = column(&batch, SEQ_COLUMN)?;
    let seqs = seq.as_primitive::<Int64Type>();
    let bound = |bound: Option<i64>| Seq::from_i64(bound.unwrap_or_default());
    Ok((batch, (bound(min(seqs)), bound(max(seqs)))))
}

#[cfg(test)]
mod tests;
