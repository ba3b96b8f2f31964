//! Expressions over rows, with the rows that fail set aside. The good case is one call per
//! expression; only where that fails are rows looked at in halves, until each bad one is found.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, RecordBatch},
        error::ArrowError,
    },
    common::DataFusionError,
    physical_expr::PhysicalExpr,
};
use mainstem_kernel::Code;
use mainstem_sql::view::row_reason;

use crate::{aside::Aside, change::Weighted};

/// An expression of a plan.
pub(crate) type Expr = Arc<dyn PhysicalExpr>;

/// What expressions gave.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// The rows on which none failed.
    pub(crate) rows: Weighted,
    /// A column per expression, of these rows.
    pub(crate) columns: Vec<ArrayRef>,
}

/// Evaluates expressions. A row on which one fails is set aside; one of weight −1 is left out
/// silently, for the row that it takes back was set aside before.
pub(crate) fn evaluate(
    exprs: &[Expr],
    rows: Weighted,
    aside: &mut Aside,
) -> Result<Evaluated, ArrowError> {
    if let Ok(columns) = try_all(exprs, &rows.batch) {
        return Ok(Evaluated { rows, columns });
    }
    let mut failed = Vec::new();
    find_failing(exprs, &rows.batch, 0, &mut failed);
    let mut keep = vec![true; rows.rows()];
    for (row, _) in &failed {
        keep[*row] = false;
    }
    failed.retain(|(row, _)| rows.weights.of(*row) > 0);
    aside.fail(&rows.batch, Code::Flow010, failed)?;
    let rows = rows.filter(&BooleanArray::from(keep))?;
    // What failed only among others did not fail by itself: that is no row's fault.
    let columns =
        try_all(exprs, &rows.batch).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    Ok(Evaluated { rows, columns })
}

/// The same with expressions that take their place once one of them fails.
pub(crate) fn evaluate_guarded(
    (exprs, guarded): (&[Expr], &[Expr]),
    rows: Weighted,
    aside: &mut Aside,
) -> Result<Evaluated, ArrowError> {
    match try_all(exprs, &rows.batch) {
        Ok(columns) => Ok(Evaluated { rows, columns }),
        Err(_) => evaluate(guarded, rows, aside),
    }
}

fn try_all(exprs: &[Expr], batch: &RecordBatch) -> Result<Vec<ArrayRef>, DataFusionError> {
    let rows = batch.num_rows();
    exprs
        .iter()
        .map(|expr| expr.evaluate(batch)?.into_array_of_size(rows))
        .collect()
}

fn find_failing(
    exprs: &[Expr],
    batch: &RecordBatch,
    first: usize,
    failed: &mut Vec<(usize, String)>,
) {
    let rows = batch.num_rows();
    let Err(error) = try_all(exprs, batch) else {
        return;
    };
    if rows <= 1 {
        if rows == 1 {
            failed.push((first, row_reason(&error)));
        }
        return;
    }
    let half = rows / 2;
    find_failing(exprs, &batch.slice(0, half), first, failed);
    find_failing(exprs, &batch.slice(half, rows - half), first + half, failed);
}
