//! `Writer`: where writes are handed in. It never decides and never blocks.

use std::{fmt, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use crossbeam_channel::{Sender, TrySendError, bounded};
use mainstem_kernel::{ByteSize, Position, StreamId, clock::SharedClock};
use mainstem_log::SharedLog;
use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::{
    Decide, Decider, DeciderConfig, Effects, Sequencer, Statement, Transaction, WriteError,
    flight::Flight, sequencer::Job,
};
use crate::tables::Tables;

/// What writes need.
#[derive(Clone, Debug)]
pub struct WriterParts {
    /// The rows that they are decided on.
    pub tables: Arc<Tables>,
    /// Where their effects go.
    pub log: SharedLog,
    /// What `now()` is.
    pub clock: SharedClock,
}

/// How much may wait, and how much one write may do.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// Transactions that may wait.
    pub queue_max: usize,
    /// Effects of one batch; less than the log's `group_size_max`.
    pub batch_size_max: ByteSize,
    /// Rows that one statement may change or return.
    pub statement_rows_max: usize,
    /// Effects that no step has taken in yet.
    pub flight_size_max: ByteSize,
    /// How long writes wait for the steps.
    pub patience: Duration,
}

/// What became of one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Rows that it counts.
    pub rows: u64,
    /// What RETURNING gives.
    pub returning: Option<RecordBatch>,
}

/// What became of a transaction: it is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Of each statement.
    pub outcomes: Vec<Outcome>,
    /// A reader that waits for it sees the transaction.
    pub position: Position,
}

impl Outcome {
    pub(super) fn of(effects: Effects) -> Self {
        Self {
            rows: effects.affected,
            returning: effects.returning,
        }
    }
}

/// Called once, on the sequencer's thread: it must be short and must not write.
pub type WriteDone = Box<dyn FnOnce(Result<Written, WriteError>) + Send>;

/// Where writes are handed in.
pub struct Writer {
    /// `None` once it is closed.
    jobs: RwLock<Option<Sender<Job>>>,
    queue_max: usize,
    statement_rows_max: usize,
    batch_size_max: ByteSize,
}

impl Writer {
    /// The writer of an application, and the sequencer, to be run in a thread of its own.
    #[must_use]
    pub fn open(parts: WriterParts, config: WriterConfig) -> (Arc<Self>, Sequencer) {
        let (jobs, jobs_rx) = bounded(config.queue_max.max(1));
        let limits = DeciderConfig {
            batch_size_max: config.batch_size_max,
            statement_rows_max: config.statement_rows_max,
        };
        let start = parts.log.frontier();
        let sequencer = Sequencer {
            start,
            tables: parts.tables,
            log: parts.log,
            clock: parts.clock,
            jobs: jobs_rx,
            decider: Decider::new(limits, start),
            flight_size_max: config.flight_size_max,
            patience: config.patience,
            flight: Flight::default(),
        };
        let writer = Self {
            jobs: RwLock::new(Some(jobs)),
            queue_max: config.queue_max,
            statement_rows_max: config.statement_rows_max,
            batch_size_max: config.batch_size_max,
        };
        (Arc::new(writer), sequencer)
    }

    /// Hands in a transaction. `done` is called once it is durable or refused; at once if the queue
    /// is full or closed.
    pub fn submit(&self, transaction: Transaction, done: WriteDone) {
        let jobs = self.jobs.read().clone();
        let job = Job { transaction, done };
        let refused = match jobs {
            Some(jobs) => jobs.try_send(job),
            None => Err(TrySendError::Disconnected(job)),
        };
        match refused {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => (job.done)(Err(WriteError::Busy {
                waiting: self.queue_max,
            })),
            Err(TrySendError::Disconnected(job)) => (job.done)(Err(WriteError::Closed)),
        }
    }

    /// Rows that one statement may change or return.
    #[must_use]
    pub const fn statement_rows_max(&self) -> usize {
        self.statement_rows_max
    }

    /// Size of what one transaction may change.
    #[must_use]
    pub const fn batch_size_max(&self) -> ByteSize {
        self.batch_size_max
    }

    /// Writes a transaction: all of its statements or none.
    ///
    /// # Errors
    /// `WriteError`; nothing was written.
    ///
    /// # Cancel safety
    /// A call that is dropped may still be written.
    pub async fn commit(&self, transaction: Transaction) -> Result<Written, WriteError> {
        let (tx, rx) = oneshot::channel();
        let done: WriteDone = Box::new(move |outcome| match tx.send(outcome) {
            // Whoever asked may have gone.
            Ok(()) | Err(_) => {}
        });
        self.submit(transaction, done);
        rx.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Writes one statement.
    ///
    /// # Errors
    /// As `commit`.
    ///
    /// # Cancel safety
    /// As `commit`.
    pub async fn write(
        &self,
        table: StreamId,
        decide: Arc<dyn Decide>,
    ) -> Result<Written, WriteError> {
        let statement = Statement { table, decide };
        self.commit(Transaction {
            statements: vec![statement],
            ..Transaction::default()
        })
        .await
    }

    /// Takes nothing more. What waits is still decided, then the sequencer ends.
    pub fn close(&self) {
        *self.jobs.write() = None;
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
