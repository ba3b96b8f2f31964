//! DELETE FROM table WHERE condition RETURNING …

use datafusion::arrow::array::RecordBatch;
use mainstem_catalog::Definitions;
use mainstem_kernel::{TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Target as Rows, WriteError};
use sqlparser::ast::{Delete as Ast, FromTable};

use super::{
    Compiled, Written,
    exprs::Planner,
    picked::Picked,
    target::{Target, unbuilt},
};
use crate::error::QueryError;

/// A compiled DELETE.
#[derive(Debug)]
struct Delete {
    picked: Picked,
}

/// The table that it writes to.
///
/// # Errors
/// When it is more than a table.
pub(super) fn target(
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Target, QueryError> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &ast.from;
    let ([from], None) = (from.as_slice(), &ast.using) else {
        return Err(unbuilt("more than one table", written));
    };
    Target::of_from(defs, from, written)
}

pub(super) fn compile(
    planner: &Planner<'_>,
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Compiled, QueryError> {
    if !ast.order_by.is_empty() || ast.limit.is_some() || !ast.tables.is_empty() {
        return Err(unbuilt("ORDER BY or LIMIT", written));
    }
    let target = target(defs, ast, written)?;
    let parts = (ast.selection.as_ref(), ast.returning.as_deref());
    let picked = Picked::of(planner, target, parts, written)?;
    Ok(Compiled::new("DELETE", Delete { picked }, |delete| {
        delete.picked.about()
    }))
}

impl Decide for Delete {
    fn target(&self) -> Rows {
        self.picked.rows()
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let gone = self.picked.found(current)?;
        Ok(Effects {
            upserts: RecordBatch::new_empty(current.schema()),
            deletes: self.picked.target.keys_of(&gone)?,
            affected: u64::try_from(gone.num_rows()).unwrap_or(u64::MAX),
            returning: self.picked.returned(&gone)?,
        })
    }
}
