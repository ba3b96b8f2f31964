//! `Decide`: a compiled statement, and what it is given and gives back. No I/O.

use std::{any::Any, fmt::Debug, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch};
use mainstem_kernel::{Seq, StreamId, Timestamp};

use super::WriteError;

/// A compiled statement that writes to one table. It is pure: the same rows and time give the same
/// effects, and it may be asked again.
pub trait Decide: Any + Debug + Send + Sync {
    /// Which rows it has to see.
    fn target(&self) -> Target;

    /// What to write, given the rows of the target as they are: all columns, hidden ones included;
    /// rows that are not there are missing. A scan is given in batches, at least one, which may be
    /// empty.
    ///
    /// # Errors
    /// `Refused` with what the statement says, such as a constraint that it would break.
    fn decide(&self, current: &RecordBatch, now: Timestamp) -> Result<Effects, WriteError>;

    /// Whether another is the same statement with other values, and each of the two writes at most
    /// the one row whose key it gives as its `Exact` target. Such statements about different rows
    /// do not see each other, so that they can be decided all at once.
    fn is_alike(&self, _other: &Arc<dyn Decide>) -> bool {
        false
    }

    /// What this one and `others`, which are like it, write in this order, each about another row:
    /// the same that `decide` gives for each of them alone. `None` if they have to be asked alone.
    fn decide_alike(
        &self,
        _others: &[Arc<dyn Decide>],
        _met: Met<'_>,
        _now: Timestamp,
    ) -> Option<Alike> {
        None
    }
}

/// The rows that statements about one row each find.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// Those that are there, as `Decide::decide` is given them.
    pub rows: &'a RecordBatch,
    /// For each row the number of the statement that it is about, in ascending order.
    pub of: &'a [usize],
}

/// What statements about one row each write.
#[derive(Debug)]
pub struct Alike {
    /// After images with all columns.
    pub upserts: RecordBatch,
    /// For each of them the number of its statement, in ascending order.
    pub of: Vec<usize>,
    /// What RETURNING gives: a row for each of `upserts`.
    pub returning: Option<RecordBatch>,
    /// Statements that are refused, in ascending order; they write nothing.
    pub refused: Vec<(usize, WriteError)>,
}

/// Which rows a statement has to see.
#[derive(Clone, Debug)]
pub enum Target {
    /// Those with these keys: the key's columns in the order of the key.
    Exact(Vec<ArrayRef>),
    /// Those whose first key columns have these values, each column with one row; all rows if there
    /// is none.
    Scan(Vec<ArrayRef>),
}

/// What a statement writes.
#[derive(Clone, Debug)]
pub struct Effects {
    /// After images with all columns; one row per key.
    pub upserts: RecordBatch,
    /// Keys of rows that go: the key's columns in the order of the key. None of them is in
    /// `upserts`.
    pub deletes: RecordBatch,
    /// Rows that the statement counts.
    pub affected: u64,
    /// What RETURNING gives.
    pub returning: Option<RecordBatch>,
}

/// One statement of a transaction.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The table.
    pub table: StreamId,
    /// What decides.
    pub decide: Arc<dyn Decide>,
}

/// Statements that are written together or not at all; each sees what those before it did.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Rows that it read and relies on: `FOR UPDATE`.
    pub seen: Vec<Seen>,
    /// Whole tables that it read and relies on.
    pub read: Vec<Read>,
    /// What it writes.
    pub statements: Vec<Statement>,
}

/// Rows that a transaction read and relies on.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The table.
    pub table: StreamId,
    /// Their keys: the key's columns in the order of the key.
    pub keys: Vec<ArrayRef>,
    /// For each key when its row was written, as `Pointer::written` said; `None` if there was none.
    pub written: Vec<Option<Seq>>,
}

/// A whole table that a transaction read and relies on: it is refused if a row of it was written
/// since. Rows that only expired since do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The table.
    pub table: StreamId,
    /// What it was read at.
    pub frontier: Seq,
}
