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

/// Most statements that are decided at once.
const RUN_MAX: usize = 1_024;

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

    fn decide_together(&mut self, run: &[&Statement]) -> Option<Vec<Result<Outcome, WriteError>>> {
        let (first, keys, run) = self.of_different_rows(run)?;
        let found = self.rows.get(first.table, &keys).ok()?;
        let others = run.iter().skip(1).map(|other| Arc::clone(&other.decide));
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

    /// The statements up to the first whose key has come before, and their keys.
    fn of_different_rows<'a>(
        &self,
        run: &'a [&'a Statement],
    ) -> Option<(&'a Statement, RowKeys, &'a [&'a Statement])> {
        let first = run.first()?;
        let codec = self.codec(first.table).ok()?;
        let keys: Option<Vec<Vec<ArrayRef>>> = run.iter().map(|one| key_of(one)).collect();
        let keys = keys?;
        let all = codec.keys(&columns(&keys)?).ok()?;
        let mut seen = HashSet::with_capacity(run.len());
        // A hash that comes again without its key only ends the run too early.
        let count = all
            .hashed()
            .take_while(|(_, hash)| seen.insert(*hash))
            .count();
        if count < 2 {
            return None;
        }
        let (keys, run) = (keys.get(..count)?, run.get(..count)?);
        let keys = match count == all.len() {
            true => all,
            false => codec.keys(&columns(keys)?).ok()?,
        };
        Some((first, keys, run))
    }
}

/// The first transactions that are one statement each and alike; none if the first is not.
fn alike<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Vec<&'a Statement> {
    let mut run: Vec<&Statement> = Vec::new();
    for transaction in transactions.take(RUN_MAX) {
        let Some(statement) = lone(transaction) else {
            break;
        };
        let is_alike = run.first().is_none_or(|first| {
            first.table == statement.table && first.decide.is_alike(&statement.decide)
        });
        if !is_alike {
            break;
        }
        run.push(statement);
    }
    run
}

/// The one statement of a transaction that relies on nothing that it read.
fn lone(transaction: &Transaction) -> Option<&Statement> {
    match transaction.statements.as_slice() {
        [only] if transaction.seen.is_empty() && transaction.read.is_empty() => Some(only),
        _ => None,
    }
}

/// The key of a statement about one row.
fn key_of(statement: &Statement) -> Option<Vec<ArrayRef>> {
    match statement.decide.target() {
        Target::Exact(keys) if keys.iter().all(|column| column.len() == 1) => Some(keys),
        Target::Exact(_) | Target::Scan(_) => None,
    }
}

/// Keys of one row each as columns.
fn columns(keys: &[Vec<ArrayRef>]) -> Option<Vec<ArrayRef>> {
    let width = keys.first()?.len();
    let column = |place: usize| {
        let cells: Option<Vec<&dyn Array>> = keys
            .iter()
            .map(|key| key.get(place).map(AsRef::as_ref))
            .collect();
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
