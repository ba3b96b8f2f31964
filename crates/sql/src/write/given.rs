//! The rows of INSERT … VALUES, as the table keeps them. Literals are taken as they are written;
//! other values are planned, over no column at all.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array},
        compute::concat,
        datatypes::Schema,
    },
    common::DFSchema,
};
use mainstem_kernel::{Code, Column, Place};
use sqlparser::ast::{Expr, Query, SetExpr, UnaryOperator, Value, ValueWithSpan, Values};

use super::{
    Written,
    exprs::Planner,
    fit,
    target::{Target, place_of_expr, unbuilt},
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
};

/// The rows that an INSERT gives.
#[derive(Debug)]
pub(super) struct Given {
    /// All columns of the table.
    pub(super) rows: RecordBatch,
    /// Where each row is written.
    pub(super) places: Vec<Place>,
}

/// One value.
enum Cell {
    /// A literal as text; `None` for NULL and DEFAULT.
    Text(Option<String>),
    /// What an expression gives: one row.
    Value(ArrayRef),
}

/// Reads the rows; `named` are the places of the columns that they have.
///
/// # Errors
/// When a value does not fit its column, or a column that must have one has none.
pub(super) fn read(
    planner: &Planner<'_>,
    (target, named): (&Target, &[usize]),
    source: &Query,
    written: &Written,
) -> Result<Given, QueryError> {
    let lists = lists(source, written)?;
    let mut cells: Vec<Vec<Cell>> = named.iter().map(|_| Vec::new()).collect();
    let mut places = Vec::with_capacity(lists.len());
    for list in &lists {
        let place = list.first().map_or_else(
            || written.place.clone(),
            |cell| place_of_expr(cell, written),
        );
        if list.len() != named.len() {
            let (found, wanted) = (list.len(), named.len());
            let message = format!("a row has {found} values, expected {wanted}");
            return Err(mistake(Code::Sql042, place, message)
                .hint("give one value for each named column; DEFAULT is NULL")
                .into());
        }
        for (column, expr) in cells.iter_mut().zip(list.iter()) {
            column.push(cell(planner, expr, written)?);
        }
        places.push(place);
    }
    let all = &target.def.spec.columns.0;
    let mut columns = Vec::with_capacity(all.len());
    for (place, column) in all.iter().enumerate() {
        let given = named.iter().position(|named| *named == place);
        let values = match given.and_then(|index| cells.get(index)) {
            Some(cells) => fitted(cells, column),
            None => fit::column(&new_null_array(&column.ty.arrow(), lists.len()), column),
        };
        let at = |row: usize| {
            let cell = given.and_then(|index| lists.get(row)?.get(index));
            cell.map_or_else(
                || written.place.clone(),
                |cell| place_of_expr(cell, written),
            )
        };
        columns.push(values.map_err(|misfit| misfit.problem(column, at(misfit.row)))?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(lists.len()));
    let schema = Arc::clone(&target.columns.schema);
    let rows = RecordBatch::try_new_with_options(schema, columns, &options);
    Ok(Given {
        rows: rows.map_err(|error| from_engine(error.into()))?,
        places,
    })
}

fn lists<'a>(source: &'a Query, written: &Written) -> Result<Vec<&'a Vec<Expr>>, QueryError> {
    match source.body.as_ref() {
        SetExpr::Values(Values { rows, .. }) if source.with.is_none() => {
            Ok(rows.iter().map(|row| &row.content).collect())
        }
        _ => Err(unbuilt("INSERT of anything but VALUES", written)),
    }
}

fn cell(planner: &Planner<'_>, expr: &Expr, written: &Written) -> Result<Cell, QueryError> {
    if let Some(text) = literal(expr) {
        return Ok(Cell::Text(text));
    }
    let none = DFSchema::empty();
    let planned = planner.plan(&[expr], &none, written)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
    let one = one.map_err(|error| from_engine(error.into()))?;
    let planned = planned.first();
    let planned = planned.ok_or_else(|| QueryError::broken("a value was lost"))?;
    Ok(Cell::Value(planned.values(&one)?))
}

/// A literal as text; `Some(None)` for NULL.
#[expect(clippy::option_option, reason = "NULL is a literal too")]
fn literal(expr: &Expr) -> Option<Option<String>> {
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::Number(text, _) | Value::SingleQuotedString(text) => Some(Some(text.clone())),
            Value::Boolean(value) => Some(Some(value.to_string())),
            Value::Null => Some(None),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match expr.as_ref() {
            Expr::Value(ValueWithSpan {
                value: Value::Number(text, _),
                ..
            }) => Some(Some(format!("-{text}"))),
            _ => None,
        },
        Expr::Identifier(ident)
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default") =>
        {
            Some(None)
        }
        _ => None,
    }
}

/// The cells of one column as it keeps them.
fn fitted(cells: &[Cell], column: &Column) -> Result<ArrayRef, fit::Misfit> {
    let texts = cells.iter().map(|cell| match cell {
        Cell::Text(text) => Some(text.as_deref()),
        Cell::Value(_) => None,
    });
    if let Some(texts) = texts.collect::<Option<Vec<_>>>() {
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        return fit::column(&texts, column);
    }
    let mut pieces = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        let piece = match cell {
            Cell::Text(text) => Arc::new(StringArray::from(vec![text.as_deref()])) as ArrayRef,
            Cell::Value(value) => Arc::clone(value),
        };
        let piece = fit::column(&piece, column);
        pieces.push(piece.map_err(|misfit| fit::Misfit { row, ..misfit })?);
    }
    let arrays: Vec<_> = pieces.iter().map(AsRef::as_ref).collect();
    // All are of the column's type.
    concat(&arrays).map_err(|_never| fit::Misfit::at(0))
}
