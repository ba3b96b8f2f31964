//! `Book`: a batch of transactions being decided, one after the other. Nothing of it is durable
//! yet. No I/O but reads of the store.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use mainstem_kernel::{ByteSize, Seq, StreamId, Timestamp};
use mainstem_store::KeyRange;

use super::{
    Decide, Effects, Outcome, Seen, Statement, Target, Transaction, WriteError,
    effects::{change_rows, size_of},
};
use crate::{
    changed::Changed,
    codec::RowCodec,
    errors::TableError,
    pointer::{Pointer, TableView},
    stack::{Merger, Part},
};

/// Rows of a scan that a statement is given at a time.
const SCAN_ROWS: usize = 8_192;

/// What a batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct BookLimits {
    pub(super) batch_size_max: ByteSize,
    pub(super) statement_rows_max: usize,
}

/// A batch of transactions being decided.
#[derive(Debug)]
pub(super) struct Book {
    /// What the next transaction is decided on.
    pub(super) rows: Pointer,
    /// Effects so far, in order.
    pieces: BTreeMap<StreamId, Vec<RecordBatch>>,
    bytes: usize,
    limits: BookLimits,
    pub(super) now: Timestamp,
}

/// A table as it was before one change.
#[derive(Debug)]
pub(super) struct Undo {
    table: StreamId,
    before: Arc<TableView>,
}

/// How a transaction ended in this batch.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is in the batch, or was refused.
    Decided(Result<Vec<Outcome>, WriteError>),
    /// It does not fit beside the others: it begins the next batch.
    Later,
}

impl Book {
    pub(super) fn new(rows: Pointer, limits: BookLimits, now: Timestamp) -> Self {
        Self {
            rows,
            pieces: BTreeMap::new(),
            bytes: 0,
            limits,
            now,
        }
    }

    /// The effects of the batch, by table, each in order.
    pub(super) const fn pieces(&self) -> &BTreeMap<StreamId, Vec<RecordBatch>> {
        &self.pieces
    }

    /// How rows of a table become bytes.
    pub(super) fn codec(&self, table: StreamId) -> Result<&Arc<RowCodec>, WriteError> {
        Ok(self.rows.codec(table)?)
    }

    /// Decides one transaction. If it is refused, it leaves nothing.
    pub(super) fn decide(&mut self, transaction: &Transaction) -> Entry {
        let bytes = self.bytes;
        let mut undo = Vec::new();
        let decided = self.decide_all(transaction, &mut undo);
        let limit = self.limits.batch_size_max;
        let is_large = self.bytes > limit.as_usize();
        if decided.is_ok() && !is_large {
            return Entry::Decided(decided);
        }
        let size = ByteSize::from(self.bytes);
        self.bytes = bytes;
        self.take_back(undo);
        match decided {
            Err(error) => Entry::Decided(Err(error)),
            Ok(_) if bytes == 0 => Entry::Decided(Err(WriteError::TooLarge { size, limit })),
            Ok(_) => Entry::Later,
        }
    }

    /// Makes tables as they were, the last change first.
    fn take_back(&mut self, undo: Vec<Undo>) {
        for Undo { table, before } in undo.into_iter().rev() {
            self.rows.tables.insert(table, before);
            let pieces = self.pieces.get_mut(&table);
            let left = pieces.map_or(0, |pieces| {
                pieces.pop();
                pieces.len()
            });
            if left == 0 {
                self.pieces.remove(&table);
            }
        }
    }

    fn decide_all(
        &mut self,
        transaction: &Transaction,
        undo: &mut Vec<Undo>,
    ) -> Result<Vec<Outcome>, WriteError> {
        for seen in &transaction.seen {
            self.check_seen(seen)?;
        }
        let mut outcomes = Vec::with_capacity(transaction.statements.len());
        for statement in &transaction.statements {
            let (outcome, change) = self.decide_one(statement)?;
            if let Some(change) = change {
                undo.push(self.put(statement.table, change)?);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Whether rows are as they were when they were read.
    fn check_seen(&self, seen: &Seen) -> Result<(), WriteError> {
        let table = seen.table;
        let keys = self.codec(table)?.keys(&seen.keys)?;
        let written = self.rows.written(table, &keys)?;
        if written == seen.written {
            Ok(())
        } else {
            Err(WriteError::Serialization {
                table: self.codec(table)?.table().name.clone(),
            })
        }
    }

    fn decide_one(
        &self,
        statement: &Statement,
    ) -> Result<(Outcome, Option<RecordBatch>), WriteError> {
        let table = statement.table;
        let codec = self.codec(table)?;
        let decide = statement.decide.as_ref();
        match decide.target() {
            Target::Exact(keys) => {
                let found = self.rows.get_columns(table, &keys)?;
                let effects = self.ask(table, decide, &found.rows)?;
                let change = change_rows(codec, &effects)?;
                self.check_rows(change.iter())?;
                self.check_rows(effects.returning.iter())?;
                Ok((Outcome::of(effects), change))
            }
            Target::Scan(prefix) => {
                let range = KeyRange::prefix(&codec.key_prefix(&prefix)?);
                self.decide_scan(statement, &range)
            }
        }
    }

    /// A statement without a full key: all rows of a range, in batches.
    fn decide_scan(
        &self,
        statement: &Statement,
        range: &KeyRange,
    ) -> Result<(Outcome, Option<RecordBatch>), WriteError> {
        let table = statement.table;
        let codec = self.codec(table)?;
        let mut total = Outcome::default();
        let mut changes = Vec::new();
        let mut returned = Vec::new();
        let mut is_first = true;
        let mut scan = self.rows.scan(table, range, SCAN_ROWS)?;
        loop {
            let batch = scan.next().transpose()?;
            let batch = match batch {
                Some(batch) => batch,
                None if is_first => RecordBatch::new_empty(Arc::clone(codec.schema())),
                None => break,
            };
            is_first = false;
            let effects = self.ask(table, statement.decide.as_ref(), &batch)?;
            changes.extend(change_rows(codec, &effects)?);
            self.check_rows(changes.iter())?;
            total.rows += effects.affected;
            returned.extend(effects.returning);
            self.check_rows(returned.iter())?;
        }
        total.returning = join(table, &returned)?;
        Ok((total, join(table, &changes)?))
    }

    /// Asks a statement. What it does to itself must not harm others.
    fn ask(
        &self,
        table: StreamId,
        decide: &dyn Decide,
        current: &RecordBatch,
    ) -> Result<Effects, WriteError> {
        let asked = AssertUnwindSafe(|| decide.decide(current, self.now));
        let answer = std::panic::catch_unwind(asked);
        answer.unwrap_or_else(|_panic| {
            Err(WriteError::Effects {
                table,
                reason: "the statement panicked".to_owned(),
            })
        })
    }

    fn check_rows<'a>(
        &self,
        changes: impl Iterator<Item = &'a RecordBatch>,
    ) -> Result<(), WriteError> {
        let limit = self.limits.statement_rows_max;
        let rows: usize = changes.map(RecordBatch::num_rows).sum();
        if rows > limit {
            return Err(WriteError::TooManyRows { limit });
        }
        Ok(())
    }

    /// Whether effects fit beside the others.
    pub(super) fn has_room(&self, change: &RecordBatch) -> bool {
        self.bytes + size_of(change) <= self.limits.batch_size_max.as_usize()
    }

    /// Puts effects over the rows, so that what comes next is decided on them.
    pub(super) fn put(&mut self, table: StreamId, change: RecordBatch) -> Result<Undo, WriteError> {
        let before = Arc::clone(self.rows.view(table)?);
        let codec = Arc::clone(self.codec(table)?);
        let layer = Changed::of_rows(&codec, &change, Seq::MAX)?.layer(&codec);
        let layer = Arc::new(layer.map_err(|error| misfit(table, error))?);
        self.rows.change(table, |view| {
            let merger = Merger {
                hasher: codec.hasher(),
                codec: Some(&codec),
            };
            view.stack.push(layer, Part::Flight, merger)
        })?;
        self.bytes += size_of(&change);
        self.pieces.entry(table).or_default().push(change);
        Ok(Undo { table, before })
    }
}

/// What an error of a layer means for the statement that gave its rows.
fn misfit(table: StreamId, error: TableError) -> WriteError {
    match error {
        TableError::Shape { reason, .. } => WriteError::Effects { table, reason },
        other => WriteError::Table(other),
    }
}

/// Several batches of one shape as one; `None` if there are none.
fn join(table: StreamId, batches: &[RecordBatch]) -> Result<Option<RecordBatch>, WriteError> {
    match batches {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        [first, ..] => {
            let joined = concat_batches(first.schema_ref(), batches);
            let joined = joined.map_err(|error| WriteError::Effects {
                table,
                reason: error.to_string(),
            })?;
            Ok(Some(joined))
        }
    }
}
