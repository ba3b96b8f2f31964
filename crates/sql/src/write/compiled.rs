//! What statements that write are compiled to, and their answer.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use mainstem_kernel::AppName;
use mainstem_table::{Decide, Outcome, Statement, Transaction};

use super::{insert::Kept, returning::Returning, target::Target};
use crate::error::{QueryError, from_engine};

/// One statement, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) app: AppName,
    pub(super) statement: Statement,
    /// INSERT, UPDATE, DELETE or SELECT.
    pub(super) verb: &'static str,
    /// The columns that it returns, if it returns rows.
    pub(super) returning: Option<SchemaRef>,
    /// What is kept of it for another of its form.
    pub(super) kept: Option<Kept>,
}

impl Compiled {
    pub(super) fn new<D: Decide + 'static>(
        verb: &'static str,
        decide: D,
        about: fn(&D) -> (&Target, Option<&Returning>),
    ) -> Self {
        let (target, returning) = about(&decide);
        Self {
            app: target.def.app.clone(),
            verb,
            kept: None,
            returning: returning.map(|all| Arc::clone(&all.schema)),
            statement: Statement {
                table: target.def.id,
                decide: Arc::new(decide),
            },
        }
    }

    pub(super) fn writes(&self) -> bool {
        self.verb != "SELECT"
    }
}

/// Statements that are written together, compiled.
#[derive(Debug)]
pub(crate) struct Write {
    /// Whose tables they write to.
    pub(crate) app: AppName,
    pub(crate) transaction: Transaction,
    pub(super) verbs: Vec<&'static str>,
    /// The number of the statement that returns rows, and their columns.
    pub(super) returning: Option<(usize, SchemaRef)>,
    /// Whether it knows of all of its parts where they are written.
    pub(crate) is_placed: bool,
    /// What is kept of it for another of its form.
    pub(super) kept: Option<Kept>,
}

impl Write {
    /// A statement alone.
    pub(super) fn of_one(compiled: Compiled) -> Self {
        Self {
            app: compiled.app,
            verbs: vec![compiled.verb],
            returning: compiled.returning.map(|schema| (0, schema)),
            is_placed: true,
            kept: None,
            transaction: Transaction {
                statements: vec![compiled.statement],
                ..Transaction::default()
            },
        }
    }

    /// The answer: what RETURNING or SELECT … FOR UPDATE gives, or how many rows each statement has written.
    ///
    /// # Errors
    /// Never, in practice: the columns are ours.
    pub(crate) fn answer(&self, outcomes: &[Outcome]) -> Result<RecordBatch, QueryError> {
        if let Some((number, schema)) = &self.returning {
            let rows = outcomes
                .get(*number)
                .and_then(|outcome| outcome.returning.clone());
            return Ok(rows.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))));
        }
        let counts = outcomes.iter().map(|outcome| outcome.rows);
        let counts = counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(self.verbs.clone())),
            Arc::new(Int64Array::from_iter_values(counts)),
        ];
        let schema = Schema::new(vec![
            Field::new("statement", DataType::Utf8, false),
            Field::new("rows", DataType::Int64, false),
        ]);
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| from_engine(error.into()))
    }
}
