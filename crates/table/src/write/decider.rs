//! `Decider`: decides transactions that wait, in order, as many as one batch holds. What comes of
//! them is made durable by whoever asked: by the sequencer in the log of one machine, by the owner
//! of an application's writes in Kafka.
//!
//! It never makes anything durable and never answers. No I/O but reads of the store.

use std::collections::{BTreeMap, VecDeque};

use arrow::array::RecordBatch;
use mainstem_kernel::{ByteSize, Seq, StreamId, Timestamp};

use super::{
    Outcome, Read, Transaction, WriteError,
    book::{Book, BookLimits, Entry},
    together::Run,
};
use crate::{changed::Changed, codec::RowCodec, pointer::Pointer};

/// What a batch, and a statement of it, may do.
#[derive(Clone, Copy, Debug)]
pub struct DeciderConfig {
    /// Effects of one batch.
    pub batch_size_max: ByteSize,
    /// Rows that one statement may change or return.
    pub statement_rows_max: usize,
}

/// Decides transactions on the rows that all before them left.
#[derive(Debug)]
pub struct Decider {
    limits: BookLimits,
    /// A table of which nothing else is known was written to up to here.
    start: Seq,
    /// When each table was written to last.
    written: BTreeMap<StreamId, Seq>,
}

/// A batch that was decided; nothing of it is durable yet.
#[derive(Debug)]
pub struct Batch<J> {
    book: Book,
    /// What became of each, in the order in which they waited.
    pub decided: Vec<(J, Result<Vec<Outcome>, WriteError>)>,
}

impl Decider {
    /// Of rows that were written up to `start`.
    #[must_use]
    pub const fn new(config: DeciderConfig, start: Seq) -> Self {
        Self {
            limits: BookLimits {
                batch_size_max: config.batch_size_max,
                statement_rows_max: config.statement_rows_max,
            },
            start,
            written: BTreeMap::new(),
        }
    }

    /// Decides the first of those that wait, on these rows, as many as a batch holds; takes them
    /// off `jobs`.
    #[must_use]
    pub fn decide<J: AsRef<Transaction>>(
        &self,
        rows: Pointer,
        now: Timestamp,
        jobs: &mut VecDeque<J>,
    ) -> Batch<J> {
        let mut batch = Batch {
            book: Book::new(rows, self.limits, now),
            decided: Vec::with_capacity(jobs.len()),
        };
        let mut alone = 0_usize;
        loop {
            if alone == 0 {
                let waiting = jobs.iter().map(AsRef::as_ref);
                match batch.book.decide_run(waiting) {
                    Run::Decided(run) => {
                        let jobs = jobs.drain(..run.len());
                        let run = run.into_iter().map(|one| one.map(|outcome| vec![outcome]));
                        batch.decided.extend(jobs.zip(run));
                        continue;
                    }
                    Run::Alone(count) => alone = count,
                }
            }
            let Some(job) = jobs.pop_front() else {
                return batch;
            };
            alone -= 1;
            let entry = match self.check_read(job.as_ref(), &batch.book) {
                Ok(()) => batch.book.decide(job.as_ref()),
                Err(error) => Entry::Decided(Err(error)),
            };
            match entry {
                Entry::Decided(outcome) => batch.decided.push((job, outcome)),
                Entry::Later => {
                    jobs.push_front(job);
                    return batch;
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

    /// Says that effects on a table became durable.
    pub fn wrote(&mut self, table: StreamId, at: Seq) {
        self.written.insert(table, at);
    }
}

impl<J> Batch<J> {
    /// Whether it changes no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.book.pieces().is_empty()
    }

    /// The effects on each table, in order.
    pub(super) const fn pieces(&self) -> &BTreeMap<StreamId, Vec<RecordBatch>> {
        self.book.pieces()
    }

    pub(super) fn codec(&self, table: StreamId) -> Result<&RowCodec, WriteError> {
        Ok(self.book.codec(table)?)
    }

    /// What the batch comes to, if it becomes durable as of `at`: of each table the last of each
    /// key.
    ///
    /// # Errors
    /// Never, in practice: the effects were put over the rows before.
    pub fn changed(&self, at: Seq) -> Result<Vec<Changed>, WriteError> {
        let all = self.pieces().iter();
        let changed = all.map(|(table, pieces)| {
            let codec = self.codec(*table)?;
            Ok(Changed::of_pieces(codec, pieces, at)?)
        });
        changed.collect()
    }
}
