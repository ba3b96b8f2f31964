//! What is appended, and what comes back.
//!
//! It never knows what a row means or who sent it, beyond the stamp that it carries.

mod error;

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use mainstem_kernel::{
    Epoch, KeyId, Offset, PartitionId, ProducerId, SchemaVersion, Seq, StreamId,
};

use parking_lot::{Condvar, Mutex};

use crate::Log;

pub use error::AppendError;

/// One atomic append: all of its frames are in the same group, or none is anywhere.
#[derive(Debug)]
pub struct Append {
    /// The frames, in the order in which they get their seqs. At most one per stream.
    pub frames: Vec<Draft>,
}

/// The rows of one stream, encoded, before they have a seq and offsets.
#[derive(Debug)]
pub struct Draft {
    /// Where they go.
    pub stream: StreamId,
    /// Version of the columns that `batch` has.
    pub schema: SchemaVersion,
    /// Key that sealed personal columns; 0 while nothing is sealed.
    pub key: KeyId,
    /// Runs of rows, in the order of the batch's rows; together they cover the batch.
    pub entries: Vec<DraftEntry>,
    /// The rows.
    pub batch: RecordBatch,
    /// The rows as the journal keeps them.
    pub body: Bytes,
    /// CRC32C of `body`.
    pub body_crc: u32,
}

impl Draft {
    /// Encodes a batch, in the caller's thread: that is most of the work of an append.
    ///
    /// # Errors
    /// When Arrow cannot encode the batch.
    pub fn encode(
        stream: StreamId,
        schema: SchemaVersion,
        entries: Vec<DraftEntry>,
        batch: RecordBatch,
    ) -> Result<Self, ArrowError> {
        let body = crate::frame::encode_body(&batch)?;
        Ok(Self::encoded(stream, schema, entries, (batch, body)))
    }

    /// A batch with the bytes that `frame::encode_body` made of it.
    #[must_use]
    pub fn encoded(
        stream: StreamId,
        schema: SchemaVersion,
        entries: Vec<DraftEntry>,
        (batch, body): (RecordBatch, Bytes),
    ) -> Self {
        let body_crc = crc32c::crc32c(&body);
        Self {
            stream,
            schema,
            key: KeyId(0),
            entries,
            batch,
            body,
            body_crc,
        }
    }
}

/// A run of rows of one partition and one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DraftEntry {
    /// The partition of all of its rows.
    pub partition: PartitionId,
    /// How many rows; may be 0 in a stamped entry whose rows were all rejected.
    pub rows: u32,
    /// Who sent it, if it is to be recognised when it is sent again.
    pub stamp: Option<Stamp>,
}

/// Marks rows so that a repetition is recognised. What is remembered is remembered per stream.
///
/// All entries of one frame with the same `Request`, or the same `Load` and `first`, are one
/// request: its rows may go to several partitions. A frame must not hold a request twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A Kafka producer's: sequences are counted per partition and must be gapless, modulo 2³¹.
    /// An unknown producer may begin anywhere, a new epoch begins at 0, and the last five runs
    /// are recognised when they are sent again. Source: Kafka's `ProducerAppendInfo`.
    Producer {
        /// Assigned at InitProducerId.
        producer: ProducerId,
        /// An older one is refused.
        epoch: Epoch,
        /// Sequence of the run's first row.
        first_sequence: u32,
    },
    /// A request's, from its idempotency key; remembered for 24 hours.
    Request {
        /// Hash of the scope and the idempotency key.
        producer: ProducerId,
        /// CRC32C of the request's body: the same key with another body is a conflict.
        check: u32,
        /// Rows of the request that were rejected, in all; kept for the answer to a repetition.
        rejected: u32,
    },
    /// A loader's, which numbers all rows that it sends to a stream; remembered until
    /// `producers_max` newer ones came. An unknown loader begins with row 0.
    Load {
        /// Hash of the scope and the loader's name, such as a file's hash.
        producer: ProducerId,
        /// Number of the request's first row; must be the next one.
        first: u64,
        /// Rows of the request, rejected ones included.
        span: u32,
        /// Rows of the request that were rejected.
        rejected: u32,
    },
}

impl Stamp {
    /// Rows of the request that were rejected.
    #[must_use]
    pub fn rejected(self) -> u32 {
        match self {
            Self::Producer { .. } => 0,
            Self::Request { rejected, .. } | Self::Load { rejected, .. } => rejected,
        }
    }
}

/// Called once, on the log's thread, when the append is durable or has failed.
pub type Done = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

/// Where the rows ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Seq of each frame, in the order of the append; strictly increasing.
    pub seqs: Vec<Seq>,
    /// First offset of each entry of each frame.
    pub first_offsets: Vec<Vec<Offset>>,
}

impl Appended {
    /// The seq that a reader must have reached to see all of it.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.seqs.last().copied().unwrap_or(Seq::ZERO)
    }
}

/// An entry whose stamp says that it was appended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Index of the frame in the append.
    pub frame: usize,
    /// Index of the entry in the frame.
    pub entry: usize,
    /// Seq of the frame that holds the first.
    pub seq: Seq,
    /// Rows that the first one's request had in this stream.
    pub rows: u64,
    /// Rows of the first one's request that were rejected.
    pub rejected: u64,
}

/// Appends and waits for what became of it. For callers with a thread to spare.
///
/// # Errors
/// As `Log::append`; `Closed` when the log ended without an answer.
pub fn append_and_wait(log: &dyn Log, append: Append) -> Result<Appended, AppendError> {
    let answer = Arc::new(Answer::default());
    let owed = Owed(Arc::clone(&answer));
    log.append(append, Box::new(move |outcome| owed.0.give(outcome)));
    answer.wait()
}

/// An answer that a thread sleeps for. Not a channel: those spin before they sleep, and a sync
/// takes longer than that.
#[derive(Debug, Default)]
struct Answer {
    given: Mutex<Option<Result<Appended, AppendError>>>,
    is_given: Condvar,
}

impl Answer {
    /// The first counts.
    fn give(&self, outcome: Result<Appended, AppendError>) {
        self.given.lock().get_or_insert(outcome);
        self.is_given.notify_one();
    }

    fn wait(&self) -> Result<Appended, AppendError> {
        let mut given = self.given.lock();
        loop {
            match given.take() {
                Some(outcome) => return outcome,
                None => self.is_given.wait(&mut given),
            }
        }
    }
}

/// Gives the answer that nobody else has given.
struct Owed(Arc<Answer>);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.give(Err(AppendError::Closed));
    }
}

#[cfg(test)]
mod tests;
