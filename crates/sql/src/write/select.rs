//! SELECT … FROM table WHERE condition FOR UPDATE, between BEGIN and COMMIT: rows as they are when
//! the transaction is decided, which is when its other statements see them too.

use datafusion::arrow::array::RecordBatch;
use mainstem_catalog::Definitions;
use mainstem_kernel::{Code, Problem, TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Target as Rows, WriteError};
use sqlparser::ast::{
    GroupByExpr, LockClause, LockType, Query as Ast, Select as SelectAst, SetExpr, TableFactor,
};

use super::{
    Compiled, Written,
    exprs::Planner,
    picked::Picked,
    target::{Target, place_within},
};
use crate::{
    declare::{Told, mistake},
    error::QueryError,
};

/// A compiled SELECT … FOR UPDATE.
#[derive(Debug)]
struct Select {
    picked: Picked,
}

/// The table that it reads.
///
/// # Errors
/// When it reads anything else, or in another way.
pub(super) fn target(
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Target, QueryError> {
    let select = select(ast, written)?;
    let [from] = select.from.as_slice() else {
        return Err(refuse("FROM without exactly one table", written).into());
    };
    match &from.relation {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } if from.joins.is_empty() => {
            let alias = alias.as_ref().map(|alias| &alias.name);
            Target::of(defs, name, alias, written).map_err(|error| match error {
                QueryError::Text(problem) if problem.code == Code::Sql038 => {
                    let place = place_within(name, &written.place);
                    mistake(Code::Sql047, place, "FOR UPDATE reads the rows of a table")
                        .detail(
                            "Rows of streams and views are not written to: nothing waits for them.",
                        )
                        .hint("leave FOR UPDATE out and ask in a request of its own")
                        .into()
                }
                other => other,
            })
        }
        _ => Err(refuse("a join, or anything but a table,", written).into()),
    }
}

pub(super) fn compile(
    planner: &Planner<'_>,
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Compiled, QueryError> {
    let target = target(defs, ast, written)?;
    let select = select(ast, written)?;
    let parts = (
        select.selection.as_ref(),
        Some(select.projection.as_slice()),
    );
    let picked = Picked::of(planner, target, parts, written)?;
    Ok(Compiled::new("SELECT", Select { picked }, |select| {
        select.picked.about()
    }))
}

/// The SELECT within, if it is one that the sequencer can answer.
fn select<'a>(ast: &'a Ast, written: &Written) -> Result<&'a SelectAst, QueryError> {
    let [
        LockClause {
            lock_type,
            of,
            nonblock,
        },
    ] = ast.locks.as_slice()
    else {
        return Err(refuse("more than one FOR", written).into());
    };
    let SetExpr::Select(select) = ast.body.as_ref() else {
        return Err(refuse("anything but a SELECT", written).into());
    };
    let is_grouped = match &select.group_by {
        GroupByExpr::Expressions(exprs, with) => !exprs.is_empty() || !with.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let others = [
        (*lock_type != LockType::Update, "FOR SHARE"),
        (of.is_some(), "FOR UPDATE OF"),
        (nonblock.is_some(), "NOWAIT or SKIP LOCKED"),
        (ast.with.is_some(), "WITH"),
        (ast.order_by.is_some(), "ORDER BY"),
        (ast.limit_clause.is_some() || ast.fetch.is_some(), "LIMIT"),
        (select.distinct.is_some(), "DISTINCT"),
        (is_grouped || select.having.is_some(), "GROUP BY"),
        (!select.named_window.is_empty(), "WINDOW"),
        (
            select.into.is_some() || select.qualify.is_some(),
            "INTO or QUALIFY",
        ),
    ];
    match others.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(refuse(what, written).into()),
        None => Ok(select),
    }
}

fn refuse(what: &str, written: &Written) -> Problem {
    let message = format!("{what} in SELECT … FOR UPDATE is not built yet");
    mistake(Code::Sql002, written.place.clone(), message)
        .hint("write SELECT columns FROM table WHERE condition FOR UPDATE")
}

impl Decide for Select {
    fn target(&self) -> Rows {
        self.picked.rows()
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let found = self.picked.found(current)?;
        let none = found.slice(0, 0);
        Ok(Effects {
            deletes: self.picked.target.keys_of(&none)?,
            affected: u64::try_from(found.num_rows()).unwrap_or(u64::MAX),
            returning: self.picked.returned(&found)?,
            upserts: none,
        })
    }
}
