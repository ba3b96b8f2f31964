//! The one way in: limits, key, schema, dead letters, coalescing and idempotency; from any door
//! to the log.
//!
//! It never knows a protocol's framing or a status code, and never writes anywhere but the log, whatever
//! keeps it (`log::Intake`).
//!
//! # The way of a payload
//!
//! 1. [`Admission::admit`] checks stream, size and names, makes room for the bytes (or refuses
//!    as busy), and puts the payload into the queue of a worker (`lane`). Small payloads of one
//!    stream share a worker.
//! 2. The worker (`worker`) takes what waits, and a little more while an append is under way.
//! 3. It decodes all of it into the columns of each stream (`decode`). Rows that do not fit
//!    become rows of the stream's dead letters (`letters`); the rows around them are kept.
//! 4. It sorts the rows by partition (`partition`, `sheet`) and encodes **one frame per stream
//!    and drain**, and one of its dead letters, into one append (`submission`).
//! 5. The log calls back when that is durable; the callback sums up what became of each request
//!    (`request`) and answers it.
//!
//! # Invariants
//!
//! * Accepted and rejected rows of an answer are together all rows of the request, and durable.
//! * A request is answered exactly once; no answer is given before its rows are durable.
//! * Rows of one request keep their order within a partition; so do requests of a sender that
//!   waits for each answer.
//! * A request with a known identity is kept once (`stamp`). A body of more rows than one frame
//!   takes is kept in several appends; sending it again completes it.
//!
//! # What is bounded
//!
//! Payload bytes from admission to answer by `queue_bytes_max`; payloads per queue; drains under
//! way per worker; rows and memory per frame. The only calls that block are those of the workers.

mod decode;
mod errors;
#[cfg(test)]
mod fixture;
mod json_rows;
mod lane;
mod letters;
mod near;
mod partition;
mod records;
mod request;
mod sheet;
pub mod stages;
mod stamp;
mod submission;
mod worker;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use crossbeam_channel::Receiver;
use mainstem_catalog::Catalog;
use mainstem_kernel::{
    ByteSize, Code, Fault, Reached, TenantId,
    clock::SharedClock,
    metrics::{Metrics, ReasonLabel},
    spawn::SharedSpawn,
};
use mainstem_log::{LogIntake, SharedIntake, SharedLog};
use tokio::sync::oneshot;

pub use errors::AdmitError;
pub use json_rows::{JsonRows, NoRow};
pub use records::{Admitted, ForeignRecord, Records};

use lane::{Choice, Lanes};
use request::{Load, Reply, Request};
use submission::Target;
use worker::{Job, Shared, Worker};

/// Longest idempotency key or loader's name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// No body is larger, whatever the configuration says: offsets in columns have 32 bits.
const BODY_SIZE_MAX: ByteSize = ByteSize::mib(256);

/// Limits of admission.
#[derive(Clone, Debug)]
pub struct AdmitConfig {
    /// Worker threads.
    pub workers: usize,
    /// Payload bytes that may wait for a worker; beyond it requests are refused as busy.
    pub queue_bytes_max: ByteSize,
    /// Largest decoded body of one request; at most 256 MiB.
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

/// What admission is opened with where something else than a log of this machine keeps rows.
#[derive(Debug)]
pub struct IntakeParts {
    /// Where rows go.
    pub intake: SharedIntake,
    /// What they must look like.
    pub catalog: Arc<Catalog>,
    /// Arrival time.
    pub clock: SharedClock,
    /// Starts the workers.
    pub spawn: SharedSpawn,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl From<AdmitParts> for IntakeParts {
    fn from(parts: AdmitParts) -> Self {
        Self {
            intake: Arc::new(LogIntake(parts.log)),
            catalog: parts.catalog,
            clock: parts.clock,
            spawn: parts.spawn,
            metrics: parts.metrics,
        }
    }
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
    pub position: Reached,
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
pub struct Admission {
    shared: Arc<Shared>,
    catalog: Arc<Catalog>,
    load: Arc<Load>,
    lanes: Lanes,
    is_closed: AtomicBool,
    /// Ends when the last worker has gone.
    workers: Receiver<()>,
}

impl Admission {
    /// Starts the workers.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn open(parts: AdmitParts, config: AdmitConfig) -> Result<Arc<Self>, AdmitError> {
        Self::over(parts.into(), config)
    }

    /// Starts the workers over whatever keeps rows.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn over(parts: IntakeParts, mut config: AdmitConfig) -> Result<Arc<Self>, AdmitError> {
        config.body_size_max = config.body_size_max.min(BODY_SIZE_MAX);
        config.frame_bytes_max = config.frame_bytes_max.min(BODY_SIZE_MAX);
        config.frame_rows_max = config.frame_rows_max.clamp(1, 1 << 20);
        let IntakeParts {
            intake: log,
            catalog,
            clock,
            spawn,
            metrics,
        } = parts;
        let load = Arc::new(Load::new(config.queue_bytes_max.0, Arc::clone(&metrics)));
        let (lanes, queues) = Lanes::new(config.workers);
        let shared = Arc::new(Shared {
            log,
            clock,
            metrics,
            config,
        });
        let (alive, workers) = crossbeam_channel::bounded(0);
        for (i, queue) in queues.into_iter().enumerate() {
            let worker = Worker::new(Arc::clone(&shared), queue);
            let alive = alive.clone();
            let body = move || {
                worker.run();
                drop(alive);
            };
            spawn
                .thread(&format!("admit-{i}"), Box::new(body))
                .map_err(|source| AdmitError::Thread { source })?;
        }
        let is_closed = AtomicBool::new(false);
        Ok(Arc::new(Self {
            shared,
            catalog,
            load,
            lanes,
            is_closed,
            workers,
        }))
    }

    /// Admits one request. Resolves once it is durable.
    ///
    /// # Errors
    /// Nothing of the request was kept, unless it has more rows than one frame takes: then its
    /// first rows may have been kept, and sending it again under the same identity completes it.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the request back: it may become durable all the same.
    pub fn admit(
        &self,
        payload: Payload,
    ) -> impl Future<Output = Result<Ack, AdmitError>> + Send + 'static {
        let answer = self.enqueue(payload);
        let metrics = Arc::clone(&self.shared.metrics);
        async move {
            let reply = match answer {
                Ok(answer) => answer.await.unwrap_or(Err(AdmitError::Unknown)),
                Err(error) => Err(error),
            };
            reply.inspect_err(|error| count(&metrics, error))
        }
    }

    /// Puts a payload into the queue of a worker.
    fn enqueue(&self, payload: Payload) -> Result<oneshot::Receiver<Reply>, AdmitError> {
        let Payload {
            tenant,
            stream,
            format,
            body,
            identity,
        } = payload;
        if self.is_closed.load(Ordering::Acquire) {
            return Err(AdmitError::Closed);
        }
        let config = &self.shared.config;
        let size = ByteSize::from(body.len());
        if size > config.body_size_max {
            return Err(AdmitError::BodyTooLarge {
                size,
                limit: config.body_size_max,
            });
        }
        let target = self.target(tenant, &stream)?;
        let id = target.stream.id;
        let sender = stamp::Sender::new((tenant, id), &identity, (format, &body))?;
        let busy = || AdmitError::Busy {
            limit: config.queue_bytes_max,
        };
        let held = self.load.take(size.0).ok_or_else(busy)?;
        let (caller, reply) = oneshot::channel();
        let now = self.shared.log.here();
        let request = Request::new(caller, held, now);
        let Choice { lane, waiting } = self.lanes.choose(id, body.len());
        let job = Job {
            target,
            format,
            body,
            sender,
            request,
            waiting,
        };
        if self.lanes.send(lane, job) {
            Ok(reply)
        } else {
            Err(busy())
        }
    }

    /// The stream of that name, and the one of its dead letters.
    fn target(&self, tenant: TenantId, name: &str) -> Result<Target, AdmitError> {
        let definitions = self.catalog.definitions();
        let Some(stream) = definitions.stream(tenant, name) else {
            let names = definitions
                .names
                .keys()
                .filter(|(owner, _)| *owner == tenant);
            let near = near::nearest(name, names.map(|(_, name)| name.as_str()));
            let near = near.map(str::to_owned);
            return Err(AdmitError::UnknownStream {
                stream: name.to_owned(),
                near,
            });
        };
        if let Some(foreign) = &stream.spec.foreign {
            return Err(AdmitError::Foreign {
                stream: name.to_owned(),
                topic: foreign.topic.clone(),
            });
        }
        let letters = stream
            .dead_letters
            .and_then(|id| definitions.streams.get(&id));
        let Some(letters) = letters else {
            return Err(AdmitError::DeadLetters {
                stream: name.to_owned(),
            });
        };
        Ok(Target {
            stream: Arc::clone(stream),
            letters: Arc::clone(letters),
        })
    }

    /// The row number that a loader has to go on from; 0 if it has sent nothing yet.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn next_row(
        &self,
        tenant: TenantId,
        stream: &str,
        producer: &str,
    ) -> Result<u64, AdmitError> {
        let id = self.target(tenant, stream)?.stream.id;
        let producer = stamp::loader(tenant, id, producer)?;
        Ok(self.shared.log.next_row(id, producer).unwrap_or(0))
    }

    /// Refuses new requests and waits until those under way are answered. Fine to repeat.
    pub fn close(&self) {
        if !self.is_closed.swap(true, Ordering::AcqRel) {
            self.lanes.stop();
        }
        // Nothing is ever sent: this ends when the last worker has gone.
        while self.workers.recv().is_ok() {}
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.is_closed.swap(true, Ordering::AcqRel) {
            self.lanes.stop();
        }
    }
}

/// Counts a request that was refused.
#[cold]
fn count(metrics: &Metrics, error: &AdmitError) {
    let label = ReasonLabel {
        reason: error.answer().code.as_str().to_owned(),
    };
    metrics.refused_requests.get_or_create(&label).inc();
}

#[cfg(test)]
mod tests;
