//! INSERT, UPDATE and DELETE: each is compiled into an object that decides what it writes once it
//! sees the rows that are there. The sequencer of `table` asks it; nothing here reads or appends.

mod delete;
mod exprs;
mod fit;
mod given;
mod insert;
mod returning;
mod target;
mod update;

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    execution::session_state::SessionState,
};
use mainstem_catalog::Definitions;
use mainstem_kernel::{AppName, Code, Fault, Place, Problem, TenantId};
use mainstem_table::{Outcome, Statement, Transaction, WriteError};
use sqlparser::ast::Statement as Ast;

use crate::{declare::mistake, error::QueryError};
use exprs::Planner;

/// A statement that writes, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) ast: Ast,
    /// Where it begins.
    pub(crate) place: Place,
}

/// One statement, compiled.
#[derive(Debug)]
struct Compiled {
    app: AppName,
    statement: Statement,
    /// INSERT, UPDATE or DELETE.
    verb: &'static str,
    /// The columns of RETURNING.
    returning: Option<SchemaRef>,
}

/// Statements that are written together, compiled.
#[derive(Debug)]
pub(crate) struct Write {
    /// Whose tables they write to.
    pub(crate) app: AppName,
    pub(crate) transaction: Transaction,
    verbs: Vec<&'static str>,
    returning: Option<SchemaRef>,
}

/// Compiles statements that are written together.
///
/// # Errors
/// What the first of them that does not compile says.
pub(crate) fn compile(
    state: &SessionState,
    (defs, tenant): (&Definitions, TenantId),
    statements: &[Written],
) -> Result<Write, QueryError> {
    let planner = Planner { state };
    let mut all: Vec<Compiled> = Vec::with_capacity(statements.len());
    for (index, written) in statements.iter().enumerate() {
        let compiled = match &written.ast {
            Ast::Insert(insert) => insert::compile(&planner, (defs, tenant), insert, written),
            Ast::Update(update) => update::compile(&planner, (defs, tenant), update, written),
            Ast::Delete(delete) => delete::compile(&planner, (defs, tenant), delete, written),
            _ => Err(apart(written, "only INSERT, UPDATE and DELETE write").into()),
        }?;
        if let Some(first) = all.first()
            && first.app != compiled.app
        {
            let message = "a transaction writes to the tables of two applications";
            return Err(apart(written, message).into());
        }
        let is_last = index.saturating_add(1) == statements.len();
        if compiled.returning.is_some() && !is_last {
            let message = "RETURNING of a statement that is not the last";
            return Err(apart(written, message).into());
        }
        all.push(compiled);
    }
    let Some(last) = all.last() else {
        return Err(QueryError::broken("nothing is written"));
    };
    Ok(Write {
        app: last.app.clone(),
        returning: last.returning.clone(),
        verbs: all.iter().map(|compiled| compiled.verb).collect(),
        transaction: Transaction {
            seen: Vec::new(),
            read: Vec::new(),
            statements: all.into_iter().map(|compiled| compiled.statement).collect(),
        },
    })
}

fn apart(written: &Written, message: &str) -> Problem {
    mistake(Code::Sql044, written.place.clone(), message)
}

impl Write {
    /// The answer: what RETURNING gives, or how many rows each statement has written.
    ///
    /// # Errors
    /// Never, in practice: the columns are ours.
    pub(crate) fn answer(&self, outcomes: &[Outcome]) -> Result<RecordBatch, QueryError> {
        if let Some(schema) = &self.returning {
            let last = outcomes
                .last()
                .and_then(|outcome| outcome.returning.clone());
            return Ok(last.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))));
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
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|error| crate::error::from_engine(error.into()))
    }
}

/// What a statement says when it sees the rows, as the sequencer passes it on.
fn refused(error: impl Into<QueryError>) -> WriteError {
    let fault: Arc<dyn Fault + Send + Sync> = Arc::new(error.into());
    WriteError::Refused(fault)
}
