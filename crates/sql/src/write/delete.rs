//! DELETE FROM table WHERE condition RETURNING …

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use mainstem_catalog::Definitions;
use mainstem_kernel::{TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Statement, Target as Rows, WriteError};
use sqlparser::ast::{Delete as Ast, FromTable};

use super::{
    Compiled, Written,
    exprs::{Planned, Planner},
    refused,
    returning::Returning,
    target::{Target, unbuilt},
};
use crate::error::QueryError;

/// A compiled DELETE.
#[derive(Debug)]
struct Delete {
    target: Target,
    rows: Rows,
    condition: Option<Planned>,
    returning: Option<Returning>,
}

pub(super) fn compile(
    planner: &Planner<'_>,
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Compiled, QueryError> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &ast.from;
    let ([from], None) = (from.as_slice(), &ast.using) else {
        return Err(unbuilt("more than one table", written));
    };
    if !ast.order_by.is_empty() || ast.limit.is_some() || !ast.tables.is_empty() {
        return Err(unbuilt("ORDER BY or LIMIT", written));
    }
    let target = Target::of_from(defs, from, written)?;
    let over = target.schema()?;
    let condition = ast.selection.as_ref();
    let condition = condition.map(|expr| planner.condition(expr, &over, written));
    let condition = condition.transpose()?;
    let rows = target.rows(condition.as_ref().map(|condition| &condition.logical))?;
    let items = ast.returning.as_deref();
    let returning = Returning::of(planner, (&target, &over), items, written)?;
    let (app, table) = (target.def.app.clone(), target.def.id);
    Ok(Compiled {
        app,
        verb: "DELETE",
        returning: returning.as_ref().map(|all| Arc::clone(&all.schema)),
        statement: Statement {
            table,
            decide: Arc::new(Delete {
                target,
                rows,
                condition,
                returning,
            }),
        },
    })
}

impl Decide for Delete {
    fn target(&self) -> Rows {
        self.rows.clone()
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        self.target.check(current)?;
        let gone = match &self.condition {
            Some(condition) => condition.filter(current).map_err(refused)?,
            None => current.clone(),
        };
        let returning = self
            .returning
            .as_ref()
            .map(|returning| returning.rows(&gone));
        Ok(Effects {
            upserts: RecordBatch::new_empty(current.schema()),
            deletes: self.target.keys_of(&gone)?,
            affected: u64::try_from(gone.num_rows()).unwrap_or(u64::MAX),
            returning: returning.transpose().map_err(refused)?,
        })
    }
}
