//! Statements that are alike, decided as columns instead of one by one: of many clients that write
//! one row each, with the same words, a batch costs little more than one of them.
//!
//! What comes out is what one after the other would give: each is about another row, so that none
//! sees what another writes. A key that comes again ends a run, and whatever is not plain, such as
//! an expression that fails on a row, is decided alone: the first of the run and all behind it.

use std::{collections::HashSet, panic::AssertUnwindSafe, sync::Arc};

use arrow::{
    array::{Array, ArrayRef},
    compute::concat,
};

use super::{
    Alike, Effects, Met, Outcome, Statement, Target, Transaction, WriteError, book::Book,
    effects::change_rows,
};
use crate::codec::RowKeys;

/// Most statements that are decided at once. More would gain little, and a key that comes again
/// wastes the look at those behind it.
const RUN_MAX: usize = 128;

/// What became of a run of transactions.
#[derive(Debug)]
pub(super) enum Run {
    /// The first of them are decided, and in the batch.
    Decided(Vec<Result<Outcome, WriteError>>),
    /// So many of the first have to be decided one by one; at least one.
    Alone(usize),
}

impl Book {
    /// Decides the first transactions at once, as many as are alike.
    pub(super) fn decide_run<'a>(
        &mut self,
        transactions: impl Iterator<Item = &'a Transaction>,
    ) -> Run {
        let run = alike(transactions);
        match self.decide_together(&run) {
            Some(decided) => Run::Decided(decided),
            None => Run::Alone(run.len().max(1)),
        }
    }

    fn decide_together(
        &mut self,
        run: &[Candidate<'_>],
    ) -> Option<Vec<Result<Outcome, WriteError>>> {
        let (keys, run) = self.of_different_rows(run)?;
        let first = run.first()?.statement;
        let found = self.rows.get(first.table, &keys).ok()?;
        let others = run.iter().skip(1);
        let others = others.map(|other| Arc::clone(&other.statement.decide));
        let others: Vec<_> = others.collect();
        let met = Met {
            rows: &found.rows,
            of: &found.keys,
        };
        let asked = AssertUnwindSafe(|| first.decide.decide_alike(&others, met, self.now));
        let alike = std::panic::catch_unwind(asked).ok()??;
        if !alike.is_whole(run.len()) {
            return None;
        }
        let codec = self.codec(first.table).ok()?;
        let deletes = alike.upserts.slice(0, 0).project(codec.key()).ok()?;
        let effects = Effects {
            deletes,
            affected: 0,
            returning: None,
            upserts: alike.upserts.clone(),
        };
        if let Some(change) = change_rows(codec, &effects).ok()? {
            if !self.has_room(&change) {
                return None;
            }
            self.put(first.table, change).ok()?;
        }
        Some(alike.outcomes(run.len()))
    }

    /// Those up to the first whose key has come before, and their keys; `None` of one alone.
    fn of_different_rows<'a>(
        &self,
        run: &'a [Candidate<'a>],
    ) -> Option<(RowKeys, &'a [Candidate<'a>])> {
        let [first, _, ..] = run else { return None };
        let codec = self.codec(first.statement.table).ok()?;
        let all = codec.keys(&columns(run)?).ok()?;
        let mut seen = HashSet::with_capacity(run.len());
        // A hash that comes again without its key only ends the run too early.
        let different = all.hashed().take_while(|(_, hash)| seen.insert(*hash));
        let count = different.count();
        if count == all.len() {
            return Some((all, run));
        }
        let run = run.get(..count).filter(|run| run.len() > 1)?;
        Some((codec.keys(&columns(run)?).ok()?, run))
    }
}

/// A statement that may be decided with others.
struct Candidate<'a> {
    statement: &'a Statement,
    /// Of its row.
    key: Vec<ArrayRef>,
}

/// The first transactions that are one statement each and alike, up to one about the row of the
/// first; none if the first is not.
fn alike<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Vec<Candidate<'a>> {
    let mut run: Vec<Candidate<'a>> = Vec::new();
    for transaction in transactions.take(RUN_MAX) {
        let candidate = lone(transaction).and_then(Candidate::of);
        let is_alike =
            |candidate: &Candidate<'_>| run.first().is_none_or(|first| first.is_alike(candidate));
        match candidate.filter(is_alike) {
            Some(candidate) => run.push(candidate),
            None => break,
        }
    }
    run
}

impl<'a> Candidate<'a> {
    /// `None` unless the statement is about one row.
    fn of(statement: &'a Statement) -> Option<Self> {
        match statement.decide.target() {
            Target::Exact(key) if key.iter().all(|column| column.len() == 1) => {
                Some(Self { statement, key })
            }
            Target::Exact(_) | Target::Scan(_) => None,
        }
    }

    /// Whether another is the same statement about another row.
    fn is_alike(&self, other: &Self) -> bool {
        self.statement.table == other.statement.table
            && self.statement.decide.is_alike(&other.statement.decide)
            && self.key != other.key
    }
}

/// The one statement of a transaction that relies on nothing that it read.
fn lone(transaction: &Transaction) -> Option<&Statement> {
    match transaction.statements.as_slice() {
        [only] if transaction.seen.is_empty() && transaction.read.is_empty() => Some(only),
        _ => None,
    }
}

/// Keys of one row each as columns.
fn columns(run: &[Candidate<'_>]) -> Option<Vec<ArrayRef>> {
    let width = run.first()?.key.len();
    let column = |place: usize| {
        let cells = run.iter().map(|one| Some(one.key.get(place)?.as_ref()));
        let cells: Option<Vec<&dyn Array>> = cells.collect();
        concat(&cells?).ok()
    };
    (0..width).map(column).collect()
}

impl Alike {
    /// Whether it says of each row, and of each refusal, which statement's it is.
    fn is_whole(&self, statements: usize) -> bool {
        let rows = self.upserts.num_rows();
        let returned = self.returning.as_ref();
        self.of.len() == rows
            && self.of.is_sorted_by(|a, b| a < b)
            && self.of.last().is_none_or(|last| *last < statements)
            && self.refused.is_sorted_by(|a, b| a.0 < b.0)
            && returned.is_none_or(|returned| returned.num_rows() == rows)
    }

    /// What became of each statement.
    fn outcomes(self, statements: usize) -> Vec<Result<Outcome, WriteError>> {
        let mut refused = self.refused.into_iter().peekable();
        let mut row = 0;
        let outcome = |statement: usize| {
            if let Some((_, error)) = refused.next_if(|(number, _)| *number == statement) {
                return Err(error);
            }
            let start = row;
            row += usize::from(self.of.get(row) == Some(&statement));
            let returning = self.returning.as_ref();
            Ok(Outcome {
                rows: u64::try_from(row - start).unwrap_or_default(),
                returning: returning.map(|rows| rows.slice(start, row - start)),
            })
        };
        (0..statements).map(outcome).collect()
    }
}
