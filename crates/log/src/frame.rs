//! A frame: the rows of one stream that were appended together, and its body as bytes.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Builder, Int64Array, Int64Builder, RecordBatch, RecordBatchOptions},
    buffer::Buffer,
    error::ArrowError,
    ipc::{
        CompressionType, MetadataVersion,
        reader::StreamDecoder,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use bytes::Bytes;
use mainstem_kernel::{
    KeyId, Offset, PartitionId, SchemaVersion, Seq, StreamId, types::row_schema,
};

use crate::append::Stamp;

/// Bodies whose buffers are smaller than this are kept as they are: LZ4 would not pay.
const COMPRESS_BYTES_MIN: usize = 1024;

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
        let seqs = Int64Array::from_value(self.seq.to_i64(), rows);
        let mut partitions = Int32Builder::with_capacity(rows);
        let mut offsets = Int64Builder::with_capacity(rows);
        for entry in self.entries.iter() {
            let count = usize::try_from(entry.rows).unwrap_or(usize::MAX);
            partitions.append_value_n(i32::from(entry.partition.0), count);
            let first = i64::try_from(entry.first_offset.0).unwrap_or(i64::MAX);
            offsets.extend((first..).take(count).map(Some));
        }
        let system: [ArrayRef; 3] =
            [Arc::new(seqs), Arc::new(partitions.finish()), Arc::new(offsets.finish())];
        let columns = self.batch.columns().iter().cloned().chain(system).collect();
        RecordBatch::try_new(row_schema(&self.batch.schema()), columns)
    }
}

/// A batch as the journal keeps it: an Arrow IPC stream of one schema and one batch, buffers
/// compressed with LZ4 from 1 KiB on.
///
/// # Errors
/// When Arrow cannot encode the batch.
pub fn encode_body(batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    let size = batch.get_array_memory_size();
    let compression = (size >= COMPRESS_BYTES_MIN).then_some(CompressionType::LZ4_FRAME);
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?
        .try_with_compression(compression)?;
    let mut bytes = Vec::with_capacity(size / 2 + COMPRESS_BYTES_MIN);
    let mut writer =
        StreamWriter::try_new_with_options(&mut bytes, &batch.schema_ref().clone(), options)?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes.into())
}

/// The batch of a body. Buffers that are not compressed are slices of it.
///
/// # Errors
/// When the bytes are no such stream.
pub fn decode_body(body: &Bytes) -> Result<RecordBatch, ArrowError> {
    let mut buffer = Buffer::from(body.clone());
    let mut decoder = StreamDecoder::new();
    if let Some(batch) = decoder.decode(&mut buffer)? {
        return Ok(batch);
    }
    let schema = decoder.schema().ok_or_else(|| {
        ArrowError::IpcError(format!("expected a stream, found {} bytes", body.len()))
    })?;
    let empty = RecordBatchOptions::new().with_row_count(Some(0));
    RecordBatch::try_new_with_options(Arc::clone(&schema), empty_columns(&schema), &empty)
}

fn empty_columns(schema: &arrow::datatypes::Schema) -> Vec<ArrayRef> {
    schema.fields().iter().map(|field| arrow::array::new_empty_array(field.data_type())).collect()
}
