//! `Sequencer`: the thread that decides writes. One batch is appended at a time, so that nothing is
//! ever decided on what may not become durable.
//!
//! It starts when the frontier has reached what the log held when it was opened: before that, rows
//! may be missing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crossbeam_channel::Receiver;
use mainstem_kernel::{ByteSize, Position, Seq, clock::SharedClock};
use mainstem_log::{Append, AppendError, Appended, Draft, SharedLog, append_and_wait};

use super::{
    Batch, Decider, Transaction, WriteDone, WriteError, Written, effects::draft, flight::Flight,
};
use crate::{changed::Changed, errors::TableError, tables::Tables};

/// A transaction that waits.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) done: WriteDone,
}

impl AsRef<Transaction> for Job {
    fn as_ref(&self) -> &Transaction {
        &self.transaction
    }
}

/// The thread that decides writes.
pub struct Sequencer {
    pub(super) tables: Arc<Tables>,
    pub(super) log: SharedLog,
    pub(super) clock: SharedClock,
    pub(super) jobs: Receiver<Job>,
    pub(super) decider: Decider,
    pub(super) flight_size_max: ByteSize,
    pub(super) patience: Duration,
    pub(super) flight: Flight,
    /// Rows are whole once the frontier is here.
    pub(super) start: Seq,
}

impl Sequencer {
    /// Decides writes until the writer is gone and nothing waits.
    pub fn run(mut self) {
        while let Some(jobs) = self.gather() {
            self.serve(jobs);
        }
    }

    /// Decides what waits now; whether something did. For tests.
    pub fn work(&mut self) -> bool {
        let jobs: VecDeque<Job> = self.jobs.try_iter().collect();
        let had_work = !jobs.is_empty();
        self.serve(jobs);
        had_work
    }

    /// Everything that waits; waits for the first.
    fn gather(&mut self) -> Option<VecDeque<Job>> {
        let first = self.jobs.recv().ok()?;
        let mut jobs = VecDeque::from([first]);
        jobs.extend(self.jobs.try_iter());
        Some(jobs)
    }

    /// Decides jobs in order, in as many batches as they need.
    fn serve(&mut self, mut jobs: VecDeque<Job>) {
        while !jobs.is_empty() {
            self.serve_batch(&mut jobs);
        }
    }

    /// Decides one batch, appends it, answers; leaves what comes after it.
    fn serve_batch(&mut self, jobs: &mut VecDeque<Job>) {
        if let Err(needed) = self.wait_for_steps() {
            let frontier = self.tables.frontier();
            for job in jobs.drain(..) {
                (job.done)(Err(WriteError::Behind { frontier, needed }));
            }
            return;
        }
        let rows = self.tables.pointer().as_ref().clone();
        let rows = self.flight.put_over(rows);
        let mut batch = self.decider.decide(rows, self.clock.now(), jobs);
        let appended = self.append(&batch);
        for (job, outcome) in batch.decided.drain(..) {
            (job.done)(match &appended {
                Ok(position) => outcome.map(|outcomes| Written {
                    outcomes,
                    position: *position,
                }),
                Err(error) => Err(error.again()),
            });
        }
    }

    /// Waits until rows are whole and not too much is ahead of the steps. Where the frontier has to
    /// be, if it does not come there in time.
    fn wait_for_steps(&mut self) -> Result<(), Seq> {
        let is_full = self.flight.bytes() > self.flight_size_max.as_usize();
        let needed = if is_full {
            self.flight.last()
        } else {
            self.start
        };
        if self.tables.wait(needed, self.patience) {
            Ok(())
        } else {
            Err(needed)
        }
    }

    /// Makes a batch durable, and keeps it for the next.
    fn append(&mut self, batch: &Batch<Job>) -> Result<Position, WriteError> {
        if !batch.is_empty() {
            let drafts = batch.pieces().iter().map(|(table, pieces)| {
                let codec = batch.codec(*table)?;
                draft(codec, pieces).map_err(|error| WriteError::Effects {
                    table: *table,
                    reason: error.to_string(),
                })
            });
            let frames = drafts.collect::<Result<Vec<Draft>, WriteError>>()?;
            let appended = append_and_wait(self.log.as_ref(), Append { frames });
            let appended = appended.map_err(|error| WriteError::Append(Arc::new(error)))?;
            self.keep(batch, &appended);
        }
        let frontier = self.tables.frontier();
        Ok(Position::at(self.flight.last().max(frontier)))
    }

    /// Keeps what became durable until a step has taken it in. It fitted as a batch before, so it
    /// fits now; were it not so, nothing could be decided any more.
    fn keep(&mut self, batch: &Batch<Job>, appended: &Appended) {
        for ((table, pieces), seq) in batch.pieces().iter().zip(&appended.seqs) {
            self.decider.wrote(*table, *seq);
            let kept = batch.codec(*table).and_then(|codec| {
                let layer = Changed::of_pieces(codec, pieces, *seq)?.layer(codec)?;
                Ok::<(), WriteError>(self.flight.add(codec, layer, *seq)?)
            });
            if let Err(error) = kept {
                let error = mainstem_kernel::fault::chain(&error);
                tracing::error!(%table, error, "could not keep effects: waiting for the steps");
                self.start = self.start.max(*seq);
            }
        }
    }
}

impl WriteError {
    /// The same error for another writer of the batch.
    fn again(&self) -> Self {
        match self {
            Self::Append(error) => Self::Append(Arc::clone(error)),
            Self::Effects { table, reason } => Self::Effects {
                table: *table,
                reason: reason.clone(),
            },
            Self::Table(TableError::Unknown { table }) => {
                Self::Table(TableError::Unknown { table: *table })
            }
            _ => Self::Append(Arc::new(AppendError::Closed)),
        }
    }
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
