//! The rows of a table that a condition is true of, and what is returned of them: what UPDATE,
//! DELETE and SELECT … FOR UPDATE have in common.

use datafusion::{arrow::array::RecordBatch, common::DFSchema};
use mainstem_table::{Target as Rows, WriteError};
use sqlparser::ast::{Expr, SelectItem};

use super::{
    Written,
    exprs::{Planned, Planner},
    pinned::Pinned,
    refused,
    returning::Returning,
    target::Target,
};
use crate::error::QueryError;

/// The rows of a table that a condition is true of, and what is returned of them.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) target: Target,
    /// The table's columns, as expressions name them.
    pub(super) over: DFSchema,
    rows: Rows,
    condition: Option<Planned>,
    returning: Option<Returning>,
}

impl Picked {
    /// Plans the condition, all rows if there is none, and what is returned.
    ///
    /// # Errors
    /// When an expression does not plan.
    pub(super) fn of(
        planner: &Planner<'_>,
        target: Target,
        (condition, items): (Option<&Expr>, Option<&[SelectItem]>),
        written: &Written,
    ) -> Result<Self, QueryError> {
        let over = target.schema()?;
        let pinned = condition.and_then(|condition| Pinned::of(condition, &target));
        let condition = match &pinned {
            Some(pinned) => pinned.rest.as_ref(),
            None => condition,
        };
        let condition = condition.map(|expr| planner.condition(expr, &over, written));
        let condition = condition.transpose()?;
        let rows = match pinned {
            Some(pinned) => Rows::Exact(pinned.key),
            None => target.rows(condition.as_ref().map(|condition| &condition.logical))?,
        };
        let returning = Returning::of(planner, (&target, &over), items, written)?;
        Ok(Self {
            target,
            over,
            rows,
            condition,
            returning,
        })
    }

    /// What `Compiled` has to know.
    pub(super) fn about(&self) -> (&Target, Option<&Returning>) {
        (&self.target, self.returning.as_ref())
    }

    /// Which rows have to be seen.
    pub(super) fn rows(&self) -> Rows {
        self.rows.clone()
    }

    /// Those of the rows that the condition is true of.
    ///
    /// # Errors
    /// When the table was changed in between, or the condition fails on a row.
    pub(super) fn found(&self, current: &RecordBatch) -> Result<RecordBatch, WriteError> {
        self.target.check(current)?;
        match &self.condition {
            Some(condition) => condition.filter(current).map_err(refused),
            None => Ok(current.clone()),
        }
    }

    /// What is returned of rows.
    ///
    /// # Errors
    /// When an expression fails on one.
    pub(super) fn returned(&self, rows: &RecordBatch) -> Result<Option<RecordBatch>, WriteError> {
        returned(self.returning.as_ref(), rows)
    }
}

/// What is returned of rows.
///
/// # Errors
/// When an expression fails on one.
pub(super) fn returned(
    returning: Option<&Returning>,
    rows: &RecordBatch,
) -> Result<Option<RecordBatch>, WriteError> {
    let rows = returning.map(|returning| returning.rows(rows));
    rows.transpose().map_err(refused)
}
