//! `Sequencer`: the thread that decides writes. One batch is appended at a time, so that nothing is
//! ever decided on what may not become durable.
//!
//! It starts when the frontier has reached what the log held when it was opened: before that, rows
//! may be missing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::Receiver;
use mainstem_kernel::{ByteSize, Position, Seq, StreamId, clock::SharedClock};
use mainstem_log::{Append, AppendError, Appended, Draft, SharedLog, append_and_wait};

use super::{
    Outcome, Read, Transaction, WriteDone, WriteError, Written,
    book::{Book, BookLimits, Entry},
    effects::draft,
    flight::Flight,
    together::Run,
};
use crate::{changed::Changed, errors::TableError, tables::Tables};

/// A transaction that waits.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) done: WriteDone,
}

/// Whom to tell what was decided, once that is durable.
type Decided = (WriteDone, Result<Vec<Outcome>, WriteError>);

/// The thread that decides writes.
pub struct Sequencer {
    pub(super) tables: Arc<Tables>,
    pub(super) log: SharedLog,
    pub(super) clock: SharedClock,
    pub(super) jobs: Receiver<Job>,
    pub(super) limits: BookLimits,
    pub(super) flight_size_max: ByteSize,
    pub(super) patience: Duration,
    pub(super) flight: Flight,
    /// Rows are whole once the frontier is here.
    pub(super) start: Seq,
    /// When each table was written to last. A table that is missing was written to before `start`.
    pub(super) written: BTreeMap<StreamId, Seq>,
    /// Did not fit into the last batch.
    pub(super) held: Option<Job>,
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
        let mut jobs: Vec<Job> = self.held.take().into_iter().collect();
        jobs.extend(self.jobs.try_iter());
        let had_work = !jobs.is_empty();
        self.serve(jobs);
        had_work
    }

    /// Everything that waits; waits for the first.
    fn gather(&mut self) -> Option<Vec<Job>> {
        let first = match self.held.take() {
            Some(held) => held,
            None => self.jobs.recv().ok()?,
        };
        let mut jobs = vec![first];
        jobs.extend(self.jobs.try_iter());
        Some(jobs)
    }

    /// Decides jobs in order, in as many batches as they need.
    fn serve(&mut self, jobs: Vec<Job>) {
        let mut rest = jobs.into_iter();
        loop {
            let mut jobs: Vec<Job> = self.held.take().into_iter().collect();
            jobs.extend(rest);
            if jobs.is_empty() {
                return;
            }
            rest = self.serve_batch(jobs).into_iter();
        }
    }

    /// Decides one batch, appends it, answers; gives back what comes after it.
    fn serve_batch(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        if let Err(needed) = self.wait_for_steps() {
            let frontier = self.tables.frontier();
            for job in jobs {
                (job.done)(Err(WriteError::Behind { frontier, needed }));
            }
            return Vec::new();
        }
        let rows = self.tables.pointer().as_ref().clone();
        let rows = self.flight.put_over(rows);
        let mut book = Book::new(rows, self.limits, self.clock.now());
        let mut jobs = VecDeque::from(jobs);
        let answers = self.decide(&mut book, &mut jobs);
        let appended = self.append(&book);
        for (done, outcome) in answers {
            done(match &appended {
                Ok(position) => outcome.map(|outcomes| Written {
                    outcomes,
                    position: *position,
                }),
                Err(error) => Err(error.again()),
            });
        }
        jobs.into()
    }

    /// Decides jobs in order, as many as the batch holds.
    fn decide(&mut self, book: &mut Book, jobs: &mut VecDeque<Job>) -> Vec<Decided> {
        let mut answers = Vec::with_capacity(jobs.len());
        let mut alone = 0_usize;
        loop {
            if alone == 0 {
                match book.decide_run(jobs.iter().map(|job| &job.transaction)) {
                    Run::Decided(run) => {
                        let done = jobs.drain(..run.len()).zip(run);
                        answers.extend(
                            done.map(|(job, one)| (job.done, one.map(|outcome| vec![outcome]))),
                        );
                        continue;
                    }
                    Run::Alone(count) => alone = count,
                }
            }
            let Some(job) = jobs.pop_front() else {
                return answers;
            };
            alone -= 1;
            let entry = match self.check_read(&job.transaction, book) {
                Ok(()) => book.decide(&job.transaction),
                Err(error) => Entry::Decided(Err(error)),
            };
            match entry {
                Entry::Decided(outcome) => answers.push((job.done, outcome)),
                Entry::Later => {
                    self.held = Some(job);
                    return answers;
                }
            }
        }
    }

    /// Whether the tables that a transaction read are as they were.
    fn check_read(&self, transaction: &Transaction, book: &Book) -> Result<(), WriteError> {
        let is_changed = |read: &&Read| {
            let written = self.written.get(&read.table).unwrap_or(&self.start);
            *written > read.frontier || book.pieces().contains_key(&read.table)
        };
        match transaction.read.iter().find(is_changed) {
            Some(read) => Err(WriteError::Serialization {
                table: book.codec(read.table)?.table().name.clone(),
            }),
            None => Ok(()),
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
    fn append(&mut self, book: &Book) -> Result<Position, WriteError> {
        if !book.pieces().is_empty() {
            let drafts = book.pieces().iter().map(|(table, pieces)| {
                let codec = book.codec(*table)?;
                draft(codec, pieces).map_err(|error| WriteError::Effects {
                    table: *table,
                    reason: error.to_string(),
                })
            });
            let frames = drafts.collect::<Result<Vec<Draft>, WriteError>>()?;
            let appended = append_and_wait(self.log.as_ref(), Append { frames });
            let appended = appended.map_err(|error| WriteError::Append(Arc::new(error)))?;
            self.keep(book, &appended);
        }
        let frontier = self.tables.frontier();
        Ok(Position::at(self.flight.last().max(frontier)))
    }

    /// Keeps what became durable until a step has taken it in. It fitted as a batch before, so it
    /// fits now; were it not so, nothing could be decided any more.
    fn keep(&mut self, book: &Book, appended: &Appended) {
        for ((table, pieces), seq) in book.pieces().iter().zip(&appended.seqs) {
            self.written.insert(*table, *seq);
            let kept = book.codec(*table).and_then(|codec| {
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
