//! The one way in: limits, key, schema, dead letters, coalescing and idempotency; from any door
//! to the log.
//!
//! It never knows a protocol's framing or a status code, and never writes anywhere but the log.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use mainstem_catalog::{Catalog, StreamDef};
use mainstem_kernel::{
    Answer, ByteSize, Code, Fault, Position, TenantId, clock::SharedClock, metrics::Metrics,
    spawn::SharedSpawn,
};
use mainstem_log::SharedLog;

/// Limits of admission.
#[derive(Clone, Debug)]
pub struct AdmitConfig {
    /// Worker threads.
    pub workers: usize,
    /// Payload bytes that may wait for a worker; beyond it requests are refused as busy.
    pub queue_bytes_max: ByteSize,
    /// Largest decoded body of one request.
    pub body_size_max: ByteSize,
    /// A worker gathers at most this many payload bytes into one frame.
    pub frame_bytes_max: ByteSize,
    /// And at most this many rows.
    pub frame_rows_max: usize,
    /// A worker waits at most this long for more small payloads while a sync is under way.
    pub gather_max: Duration,
    /// Event times further ahead of arrival than this are rejected.
    pub ahead_max: Duration,
}

/// What admission is opened with.
#[derive(Debug)]
pub struct AdmitParts {
    /// Where rows go.
    pub log: SharedLog,
    /// What they must look like.
    pub catalog: Arc<Catalog>,
    /// Arrival time.
    pub clock: SharedClock,
    /// Starts the workers.
    pub spawn: SharedSpawn,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// How a payload spells its rows. A body is always complete and decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object, or an array of objects.
    Json,
    /// One object per line.
    Ndjson,
    /// A header line, then a row per line.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// What one request brings.
#[derive(Debug)]
pub struct Payload {
    /// Whose.
    pub tenant: TenantId,
    /// Name of the stream as the request spells it.
    pub stream: String,
    /// How `body` spells its rows.
    pub format: Format,
    /// The rows.
    pub body: Bytes,
    /// How a repetition of this request is recognised.
    pub identity: Identity,
}

/// How a repetition of a request is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Not at all: what is sent twice is kept twice.
    None,
    /// By the client's key, for 24 hours; at most 255 bytes.
    Key(String),
    /// By row number within all that a loader sends to the stream.
    Load {
        /// The loader's name, such as the hash of a file; at most 255 bytes.
        producer: String,
        /// Number of the request's first row, from 0.
        first: u64,
    },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Rows that are durable in the stream.
    pub accepted: u64,
    /// Rows that are durable in its dead letters.
    pub rejected: u64,
    /// Where a reader sees all of them.
    pub position: Position,
    /// The first ten rejected rows.
    pub rejects: Vec<Reject>,
    /// Whether this is the first answer to the same request, given again.
    pub repeated: bool,
}

/// Why one row was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Row of the request, from 0.
    pub row: u64,
    /// What is wrong with it.
    pub code: Code,
    /// In words, naming the column and what was expected.
    pub reason: String,
}

/// How many rejects an ack names.
pub const REJECTS_NAMED_MAX: usize = 10;

/// The way in.
#[derive(Debug)]
pub struct Admission {}

impl Admission {
    /// Starts the workers.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn open(_parts: AdmitParts, _config: AdmitConfig) -> Result<Arc<Self>, AdmitError> {
        unimplemented!("owner: admit")
    }

    /// Admits one request. Resolves once it is durable.
    ///
    /// # Errors
    /// Nothing of the request was kept.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the request back: it may become durable all the same.
    pub fn admit(
        &self,
        _payload: Payload,
    ) -> impl Future<Output = Result<Ack, AdmitError>> + Send + 'static {
        async { unimplemented!("owner: admit") }
    }

    /// The row number that a loader has to go on from; 0 if it has sent nothing yet.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn next_row(
        &self,
        _tenant: TenantId,
        _stream: &str,
        _producer: &str,
    ) -> Result<u64, AdmitError> {
        unimplemented!("owner: admit")
    }

    /// Refuses new requests and waits until those under way are answered.
    pub fn close(&self) {
        unimplemented!("owner: admit")
    }
}

/// Why a request was refused as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// Caller: apply an application that declares it, or correct the name.
    #[error("there is no stream \"{stream}\"")]
    UnknownStream {
        /// As the request spells it.
        stream: String,
    },
}

impl Fault for AdmitError {
    fn answer(&self) -> Answer {
        match self {
            Self::UnknownStream { .. } => Answer::caller(Code::Log001),
        }
    }
}

/// Silences the unused imports of a sketch.
#[derive(Debug)]
pub struct Unused(Arc<StreamDef>);
