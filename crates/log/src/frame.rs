//! A frame: the rows of one stream that were appended together.

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use mainstem_kernel::{KeyId, Offset, PartitionId, SchemaVersion, Seq, StreamId};

use crate::append::Stamp;

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
        unimplemented!("owner: log")
    }
}

/// A batch as the journal keeps it: an Arrow IPC stream of one schema and one batch, buffers
/// compressed with LZ4 from 1 KiB on.
///
/// # Errors
/// When Arrow cannot encode the batch.
pub fn encode_body(_batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    unimplemented!("owner: log")
}

/// The batch of a body.
///
/// # Errors
/// When the bytes are no such stream.
pub fn decode_body(_body: &Bytes) -> Result<RecordBatch, ArrowError> {
    unimplemented!("owner: log")
}
