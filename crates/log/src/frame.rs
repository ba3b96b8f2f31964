//! A frame: the rows of one stream that were appended together.
//!
//! It never knows where a frame is kept or what its columns mean.

mod compressed;

use std::{iter, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, Field},
    error::ArrowError,
    ipc::{
        MetadataVersion,
        reader::StreamDecoder,
        writer::{IpcWriteOptions, StreamEncoder},
    },
};
use bytes::Bytes;
use mainstem_kernel::{KeyId, Offset, PartitionId, SchemaVersion, Seq, StreamId, types};

use self::compressed::compressed;
use crate::append::Stamp;

/// Bodies whose buffers hold fewer bytes than this are not compressed: it would not pay.
const COMPRESSED_FROM: usize = 1_024;
/// Alignment of buffers within a body: enough for every type we have (Decimal128 needs 16).
const ALIGNMENT: usize = 16;

/// The rows of one stream that were appended together, as a reader sees them.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its place in the log.
    pub seq: Seq,
    /// The stream.
    pub stream: StreamId,
    /// Version of the columns of `batch`.
    pub schema: SchemaVersion,
    /// Key that sealed personal columns; 0 while nothing is sealed.
    pub key: KeyId,
    /// Runs of rows, in the order of the batch's rows; together they cover the batch.
    pub entries: Arc<[Entry]>,
    /// The rows, without system columns.
    pub batch: RecordBatch,
}

/// A run of rows of one partition: row `i` of the run has offset `first_offset + i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The partition of all of its rows.
    pub partition: PartitionId,
    /// Offset of its first row.
    pub first_offset: Offset,
    /// How far it moves the partition's next offset; at least `rows`.
    pub offset_span: u32,
    /// How many rows.
    pub rows: u32,
    /// Who sent it, if it was stamped.
    pub stamp: Option<Stamp>,
}

impl Frame {
    /// The rows with `_seq`, `_partition` and `_offset` behind the body's columns.
    ///
    /// # Errors
    /// When Arrow refuses the columns, which means that entries and rows do not agree.
    pub fn with_system_columns(&self) -> Result<RecordBatch, ArrowError> {
        let rows = self.batch.num_rows();
        let mut partitions = Vec::with_capacity(rows);
        let mut offsets = Vec::with_capacity(rows);
        for entry in self.entries.iter() {
            let count = as_usize(entry.rows);
            if partitions.len().saturating_add(count) > rows {
                return Err(uncovered(rows));
            }
            partitions.extend(iter::repeat_n(i32::from(entry.partition.0), count));
            let first = i64::try_from(entry.first_offset.0).unwrap_or(i64::MAX);
            offsets.extend(first..first.saturating_add(i64::from(entry.rows)));
        }
        if offsets.len() != rows {
            return Err(uncovered(rows));
        }
        let mut columns = self.batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_value(self.seq.to_i64(), rows)));
        columns.push(Arc::new(Int32Array::from(partitions)));
        columns.push(Arc::new(Int64Array::from(offsets)));
        RecordBatch::try_new(types::row_schema(self.batch.schema_ref()), columns)
    }
}

fn uncovered(rows: usize) -> ArrowError {
    ArrowError::InvalidArgumentError(format!(
        "the entries of a frame do not cover its {rows} rows"
    ))
}

/// A count as a length in memory.
fn as_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A batch as the journal keeps it: an Arrow IPC stream of one schema and one batch, buffers
/// compressed with LZ4 (frame format) from 1 KiB of rows on, aligned to 16 bytes.
///
/// # Errors
/// When Arrow cannot encode the batch, or a column is dictionary-encoded: a frame is one batch,
/// and a dictionary would be another message.
pub fn encode_body(batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    if let Some(field) = batch
        .schema_ref()
        .fields()
        .iter()
        .find(|field| has_dictionary(field))
    {
        let name = field.name();
        let message = format!("column \"{name}\" is dictionary-encoded, expected plain values");
        return Err(ArrowError::InvalidArgumentError(message));
    }
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
    let mut encoder = StreamEncoder::try_new_with_options(batch.schema_ref(), options)?;
    let mut parts = encoder.encode(batch)?;
    if rows_size(batch)? >= COMPRESSED_FROM {
        return compressed(&parts);
    }
    parts.extend(encoder.finish()?);
    let mut whole = Vec::with_capacity(parts.iter().map(Buffer::len).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    Ok(Bytes::from(whole))
}

/// Bytes of a batch's own rows, without what it shares with the batch it was cut from.
///
/// # Errors
/// When a column has a type of which Arrow cannot tell.
pub fn rows_size(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch
        .columns()
        .iter()
        .try_fold(0_usize, |sum, column: &ArrayRef| {
            Ok(sum.saturating_add(column.to_data().get_slice_memory_size()?))
        })
}

fn has_dictionary(field: &Field) -> bool {
    match field.data_type() {
        DataType::Dictionary(..) => true,
        DataType::List(item) => has_dictionary(item),
        DataType::Struct(fields) => fields.iter().any(|field| has_dictionary(field)),
        _ => false,
    }
}

/// The batch of a body. Buffers that are not compressed are shared with `body`, not copied.
///
/// # Errors
/// When the bytes are no such stream.
pub fn decode_body(body: &Bytes) -> Result<RecordBatch, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut rest = Buffer::from(body.clone());
    decoder
        .decode(&mut rest)?
        .ok_or_else(|| ArrowError::IpcError("the body ends before its batch".to_owned()))
}

#[cfg(test)]
mod tests;
