//! INSERT, UPDATE, DELETE and SELECT … FOR UPDATE: each is compiled into an object that decides what
//! it writes once it sees the rows that are there. The sequencer of `table` asks it; nothing here
//! reads or appends. Questions inside of them are asked before: see `inner`.

mod compiled;
mod compiler;
mod conflict;
mod delete;
mod exprs;
mod fit;
mod form;
mod given;
mod inner;
mod insert;
mod picked;
mod pinned;
mod plans;
mod returning;
mod select;
mod target;
mod update;

use std::{cell::Cell, sync::Arc};

use datafusion::arrow::array::{ArrayRef, StringArray};
use mainstem_catalog::Definitions;
use mainstem_kernel::{
    AppName, Code, Column, Fault, Place, Problem, StreamId, TenantId, Timestamp,
};
use mainstem_table::{Read, Transaction, WriteError};
use sqlparser::ast::{Expr, Statement as Ast};

use crate::{
    declare::{Told, mistake},
    engine::session,
    error::{QueryError, from_engine},
};
use compiled::Compiled;
use exprs::Planner;

pub(crate) use compiled::Write;
pub use compiler::{CompiledWrite, Compiler, Reading, WriteText};
pub(crate) use exprs::Planning;
pub(crate) use form::{Form, Forms};
pub(crate) use plans::Plans;

pub(crate) use inner::{Inner, Known, Prepared, take_out};

/// A statement that writes, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) ast: Ast,
    /// Where it begins.
    pub(crate) place: Place,
    /// The number of the question that gives the rows of an INSERT, if one does.
    pub(crate) source: Option<usize>,
}

/// The application whose tables statements write to, before they are compiled.
///
/// # Errors
/// When the first of them writes to no table.
pub(crate) fn app_of(
    defs: (&Definitions, TenantId),
    prepared: &Prepared,
) -> Result<AppName, QueryError> {
    let Some(written) = prepared.statements.first() else {
        return Err(QueryError::broken("nothing is written"));
    };
    let target = match &written.ast {
        Ast::Insert(insert) => insert::target(defs, insert, written),
        Ast::Update(update) => update::target(defs, update, written),
        Ast::Delete(delete) => delete::target(defs, delete, written),
        Ast::Query(query) => select::target(defs, query, written),
        _ => Err(unwritten(written)),
    };
    Ok(target?.def.app.clone())
}

/// Compiles statements that are written together.
///
/// # Errors
/// What the first of them that does not compile says.
pub(crate) fn compile(
    planning: Planning<'_>,
    defs: (&Definitions, TenantId),
    prepared: &Prepared,
    known: &Known,
) -> Result<Write, QueryError> {
    let planner = Planner {
        planning,
        answers: &known.answers,
        is_fleeting: Cell::default(),
    };
    let mut all: Vec<Compiled> = Vec::with_capacity(prepared.statements.len());
    let mut returning = None;
    for (number, written) in prepared.statements.iter().enumerate() {
        let compiled = match &written.ast {
            Ast::Insert(insert) => insert::compile(&planner, defs, insert, written),
            Ast::Update(update) => update::compile(&planner, defs, update, written),
            Ast::Delete(delete) => delete::compile(&planner, defs, delete, written),
            Ast::Query(query) => select::compile(&planner, defs, query, written),
            _ => Err(unwritten(written)),
        }?;
        if let Some(first) = all.first()
            && first.app != compiled.app
        {
            let message = "a transaction writes to the tables of two applications";
            return Err(apart(written, message).into());
        }
        if let Some(schema) = &compiled.returning
            && returning.replace((number, Arc::clone(schema))).is_some()
        {
            let message = "two statements of a transaction return rows";
            return Err(apart(written, message)
                .detail("An answer has the rows of one SELECT … FOR UPDATE or RETURNING.")
                .hint("leave RETURNING out, or read both with one SELECT")
                .into());
        }
        check_order(prepared, known, (number, &all))?;
        all.push(compiled);
    }
    let is_lasting = !planner.is_fleeting.get() && prepared.inner.is_empty();
    let kept = match all.as_mut_slice() {
        [only] if is_lasting => only.kept.take(),
        _ => None,
    };
    let Some(last) = all.last() else {
        return Err(QueryError::broken("nothing is written"));
    };
    Ok(Write {
        app: last.app.clone(),
        is_placed: true,
        kept,
        returning,
        verbs: all.iter().map(|compiled| compiled.verb).collect(),
        transaction: Transaction {
            seen: Vec::new(),
            read: reads(known, &all),
            statements: all.into_iter().map(|compiled| compiled.statement).collect(),
        },
    })
}

/// Refuses a question that has read what a statement before it writes: it was asked before.
fn check_order(
    prepared: &Prepared,
    known: &Known,
    (number, before): (usize, &[Compiled]),
) -> Result<(), QueryError> {
    let written = |id: &StreamId| {
        let mut before = before.iter();
        before.any(|one| one.writes() && one.statement.table == *id)
    };
    let questions = prepared.inner.iter().zip(&known.reads);
    for (inner, reads) in questions.filter(|(inner, _)| inner.statement == number) {
        if reads.iter().any(written) {
            let message = "a question reads a table that its transaction has written to before";
            return Err(mistake(Code::Sql046, inner.place.clone(), message)
                .detail("Questions inside of statements are asked before the first is decided.")
                .hint("put its statement first, or into a request of its own")
                .into());
        }
    }
    Ok(())
}

/// The tables that the statements read and write: they must be as they were read.
fn reads(known: &Known, all: &[Compiled]) -> Vec<Read> {
    let mut tables: Vec<StreamId> = known.reads.iter().flatten().copied().collect();
    tables.sort_unstable();
    tables.dedup();
    tables.retain(|id| all.iter().any(|one| one.statement.table == *id));
    let read = |table| Read {
        table,
        frontier: known.frontier,
    };
    tables.into_iter().map(read).collect()
}

/// Checks that an expression without columns is a value that a column can have.
///
/// # Errors
/// When it does not plan, fails, or does not fit.
pub(crate) fn check_default(expr: &Expr, column: &Column, place: &Place) -> Result<(), QueryError> {
    let state = session::prototype(1).map_err(from_engine)?;
    let planner = Planner {
        planning: Planning {
            state: &state,
            now: Timestamp(0),
            plans: &Plans::default(),
        },
        answers: &[],
        is_fleeting: Cell::default(),
    };
    let written = Written {
        ast: Ast::Commit {
            chain: false,
            end: false,
            modifier: None,
        },
        place: place.clone(),
        source: None,
    };
    let values = planner.constant(expr, 1, &written)?;
    let fitted = fit::column(&values, column);
    fitted.map_err(|misfit| misfit.problem(column, place.clone()))?;
    Ok(())
}

/// A text as a column keeps it: one row.
///
/// # Errors
/// When it is none of the column's values.
pub(crate) fn fitted(text: &str, column: &Column, place: Place) -> Result<ArrayRef, Problem> {
    let text: ArrayRef = Arc::new(StringArray::from_iter_values([text]));
    fit::column(&text, column).map_err(|misfit| misfit.problem(column, place))
}

fn unwritten(written: &Written) -> QueryError {
    apart(written, "only INSERT, UPDATE and DELETE write").into()
}

fn apart(written: &Written, message: &str) -> Problem {
    mistake(Code::Sql044, written.place.clone(), message)
}

/// What a statement says when it sees the rows, as the sequencer passes it on.
fn refused(error: impl Into<QueryError>) -> WriteError {
    let fault: Arc<dyn Fault + Send + Sync> = Arc::new(error.into());
    WriteError::Refused(fault)
}
