//! Arrow IPC streams: columns are matched by name and taken over as they are, or brought into
//! the declared type if that loses nothing.
//!
//! The body is not trusted. Before Arrow's reader sees it, `envelope` checks that every length
//! in it lies within it; compressed buffers and dictionaries, which a few bytes can blow up, are
//! refused. The reader runs behind `catch_unwind`, because it panics on types that it does not
//! know; nothing but the body is in its hands then.

mod convert;
mod envelope;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array},
    buffer::{BooleanBuffer, Buffer},
    compute::filter_record_batch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
    ipc::reader::StreamDecoder,
    json::LineDelimitedWriter,
};
use bytes::Bytes;

use super::{PartLimit, Progress, rows::Rows, wrong::Wrong};
use crate::{AdmitError, errors::encode, letters::Letters};

/// An Arrow body that is being taken over.
#[derive(Debug)]
pub(crate) struct ArrowBody {
    batches: std::vec::IntoIter<RecordBatch>,
    /// What is left of the batch at hand.
    rest: Option<RecordBatch>,
    row: u64,
    piece: Option<RecordBatch>,
}

impl ArrowBody {
    /// Reads the stream; the columns stay where they are in the body.
    ///
    /// # Errors
    /// When the body is no such stream, or a column does not fit the stream's.
    pub(crate) fn open(body: Bytes, rows: &Rows) -> Result<Self, AdmitError> {
        envelope::check(&body)?;
        let read = catch_unwind(AssertUnwindSafe(|| read(body)));
        let reason = |reason: String| AdmitError::ArrowBody { reason };
        let batches = match read {
            Ok(batches) => batches.map_err(|error| reason(error.to_string()))?,
            Err(_panic) => return Err(reason("it holds a type that is not known".to_owned())),
        };
        for batch in &batches {
            convert::check(batch, rows)?;
        }
        Ok(Self {
            batches: batches.into_iter(),
            rest: None,
            row: 0,
            piece: None,
        })
    }

    /// Number of the next row.
    pub(crate) const fn row(&self) -> u64 {
        self.row
    }

    /// Rows of the last part.
    pub(crate) const fn take_piece(&mut self) -> Option<RecordBatch> {
        self.piece.take()
    }

    /// Takes over the next rows.
    ///
    /// # Errors
    /// When Arrow cannot bring a column into its type.
    pub(crate) fn part(
        &mut self,
        rows: &Rows,
        letters: &mut Letters,
        limit: PartLimit,
    ) -> Result<Progress, AdmitError> {
        let Some(batch) = self.rest.take().or_else(|| self.batches.next()) else {
            return Ok(Progress::Finished);
        };
        let count = batch.num_rows().min(limit.rows_max);
        let slice = batch.slice(0, count);
        if count < batch.num_rows() {
            self.rest = Some(batch.slice(count, batch.num_rows() - count));
        }
        self.piece = Some(self.take(&slice, rows, letters).map_err(encode)?);
        self.row += count as u64;
        Ok(Progress::More)
    }

    /// Brings every column into its type; rows that do not fit become dead letters.
    fn take(
        &self,
        batch: &RecordBatch,
        rows: &Rows,
        letters: &mut Letters,
    ) -> Result<RecordBatch, ArrowError> {
        let mut wrongs: Vec<Option<Box<Wrong>>> = Vec::new();
        wrongs.resize_with(batch.num_rows(), || None);
        let mut arrays = Vec::with_capacity(rows.columns().len() + 1);
        for (at, column) in rows.columns().iter().enumerate() {
            arrays.push(match batch.column_by_name(&column.name) {
                Some(array) => {
                    let latest = rows.latest_of(at);
                    convert::column(array, column, latest, &mut wrongs)?
                }
                None => new_null_array(&column.ty.arrow(), batch.num_rows()),
            });
        }
        arrays.push(extra(batch, rows)?);
        check_size(&arrays, rows.event_size_max(), &mut wrongs);
        if wrongs.iter().all(Option::is_none) {
            return RecordBatch::try_new(rows.schema(), arrays);
        }
        let is_good = BooleanBuffer::collect_bool(wrongs.len(), |row| {
            wrongs.get(row).is_some_and(Option::is_none)
        });
        let mut refused = Vec::new();
        for (row, wrong) in wrongs.into_iter().enumerate() {
            if let Some(wrong) = wrong {
                refused.push((self.row + row as u64, wrong, lines(&batch.slice(row, 1))?));
            }
        }
        // Only what is kept has to be free of NULL where none may be.
        let fields = batch_fields(rows);
        let loose = RecordBatch::try_new(fields, arrays)?;
        let kept = filter_record_batch(&loose, &BooleanArray::new(is_good, None))?;
        let kept = RecordBatch::try_new(rows.schema(), kept.columns().to_vec())?;
        // Only now: what fails as a whole leaves no dead letters.
        for (row, wrong, payload) in refused {
            letters.push(row, *wrong, payload.trim_ascii_end());
        }
        Ok(kept)
    }
}

/// The stream's columns with NULL allowed everywhere.
fn batch_fields(rows: &Rows) -> SchemaRef {
    let schema = rows.schema();
    let fields = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn read(body: Bytes) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from(body);
    let mut batches = Vec::new();
    while !buffer.is_empty() {
        if let Some(batch) = decoder.decode(&mut buffer)? {
            batches.push(batch);
        }
    }
    decoder.finish()?;
    Ok(batches)
}

/// The columns that are not declared, as a JSON object per row.
fn extra(batch: &RecordBatch, rows: &Rows) -> Result<ArrayRef, ArrowError> {
    let schema = batch.schema();
    let is_declared = |name: &str| rows.columns().iter().any(|column| *column.name == *name);
    let unknown: Vec<usize> = (0..schema.fields().len())
        .filter(|at| {
            !schema
                .fields()
                .get(*at)
                .is_some_and(|field| is_declared(field.name()))
        })
        .collect();
    if unknown.is_empty() {
        return Ok(new_null_array(&DataType::Utf8, batch.num_rows()));
    }
    let text = lines(&batch.project(&unknown)?)?;
    let text = String::from_utf8_lossy(&text);
    let objects = text.lines().map(|line| (line != "{}").then_some(line));
    Ok(Arc::new(objects.collect::<StringArray>()))
}

/// Each row as a line of JSON.
fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// Refuses rows whose texts are larger than an event may be.
fn check_size(arrays: &[ArrayRef], size_max: usize, wrongs: &mut [Option<Box<Wrong>>]) {
    let total: usize = arrays
        .iter()
        .map(|array| array.get_array_memory_size())
        .sum();
    if total <= size_max {
        return;
    }
    let columns: Vec<_> = arrays.iter().map(|array| array.to_data()).collect();
    for (row, wrong) in wrongs.iter_mut().enumerate() {
        let size: usize = columns
            .iter()
            .map(|data| convert::text_size(data, row))
            .sum();
        if size > size_max && wrong.is_none() {
            *wrong = Some(Wrong::too_large(size, size_max));
        }
    }
}

#[cfg(test)]
mod tests;
