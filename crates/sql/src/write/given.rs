//! The rows of INSERT, as the table keeps them: those of VALUES, those of a question that was
//! asked, or one of defaults. Literals are taken as they are written; other values are planned, over
//! no column at all.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array},
    compute::concat,
};
use mainstem_kernel::{Code, Column, Place};
use sqlparser::ast::{Expr, Query, SetExpr, UnaryOperator, Value, ValueWithSpan, Values};

use super::{
    Written,
    exprs::Planner,
    fit::{self, Misfit},
    target::{Target, place_of_expr, unbuilt},
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
};

/// The rows that an INSERT gives.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// All columns of the table.
    pub(super) rows: RecordBatch,
    /// Where each row is written.
    pub(super) places: Vec<Place>,
}

/// One value.
enum Cell {
    /// A literal as text; `None` for NULL.
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
    source: Option<&Query>,
    written: &Written,
) -> Result<Given, QueryError> {
    let whole = Whole {
        planner,
        target,
        written,
    };
    match (planner.rows(written), source) {
        (Some(rows), _) => whole.of_answer(rows, named),
        (None, Some(source)) => whole.of_values(lists(source, written)?, named),
        (None, None) => whole.of_values(vec![&[]], &[]),
    }
}

fn lists<'a>(source: &'a Query, written: &Written) -> Result<Vec<&'a [Expr]>, QueryError> {
    match source.body.as_ref() {
        SetExpr::Values(Values { rows, .. }) => {
            Ok(rows.iter().map(|row| row.content.as_slice()).collect())
        }
        _ => Err(unbuilt("INSERT of this form", written)),
    }
}

/// Makes whole rows of some columns.
struct Whole<'a> {
    planner: &'a Planner<'a>,
    target: &'a Target,
    written: &'a Written,
}

impl Whole<'_> {
    /// Rows of VALUES.
    fn of_values(&self, lists: Vec<&[Expr]>, named: &[usize]) -> Result<Given, QueryError> {
        let mut cells: Vec<Vec<Cell>> = named.iter().map(|_| Vec::new()).collect();
        let mut places = Vec::with_capacity(lists.len());
        for list in &lists {
            let place = list.first().map_or_else(
                || self.written.place.clone(),
                |cell| place_of_expr(cell, self.written),
            );
            self.check_width("a row has", list.len(), named.len(), &place)?;
            for ((column, named), expr) in cells.iter_mut().zip(named).zip(list.iter()) {
                column.push(self.cell(*named, expr)?);
            }
            places.push(place);
        }
        let at = |index: usize, row: usize| {
            let cell = lists.get(row).and_then(|list| list.get(index));
            cell.map(|cell| place_of_expr(cell, self.written))
        };
        let fitted = |index: usize, column: &Column| match cells.get(index) {
            Some(cells) => fitted(cells, column),
            None => Err(Misfit::at(0)),
        };
        Ok(Given {
            rows: self.rows((named, lists.len()), fitted, at)?,
            places,
        })
    }

    /// Rows that a question gave.
    fn of_answer(&self, rows: &RecordBatch, named: &[usize]) -> Result<Given, QueryError> {
        let place = &self.written.place;
        self.check_width(
            "a row of the question has",
            rows.num_columns(),
            named.len(),
            place,
        )?;
        let fitted = |index: usize, column: &Column| match rows.columns().get(index) {
            Some(values) => fit::column(values, column),
            None => Err(Misfit::at(0)),
        };
        Ok(Given {
            places: vec![place.clone(); rows.num_rows()],
            rows: self.rows((named, rows.num_rows()), fitted, |_, _| None)?,
        })
    }

    fn check_width(
        &self,
        what: &str,
        found: usize,
        wanted: usize,
        place: &Place,
    ) -> Result<(), QueryError> {
        if found == wanted {
            return Ok(());
        }
        let message = format!("{what} {found} values, expected {wanted}");
        Err(mistake(Code::Sql042, place.clone(), message)
            .hint("give one value for each named column; DEFAULT is the column's own, or NULL")
            .into())
    }

    /// All columns: those named as they are given, others by their default.
    fn rows(
        &self,
        (named, count): (&[usize], usize),
        fitted: impl Fn(usize, &Column) -> Result<ArrayRef, Misfit>,
        at: impl Fn(usize, usize) -> Option<Place>,
    ) -> Result<RecordBatch, QueryError> {
        let all = &self.target.def.spec.columns.0;
        let mut columns = Vec::with_capacity(all.len());
        for (place, column) in all.iter().enumerate() {
            let given = named.iter().position(|named| *named == place);
            let values = match given {
                Some(index) => fitted(index, column),
                None => self.defaults(column, count)?,
            };
            columns.push(values.map_err(|misfit| {
                let place = given.and_then(|index| at(index, misfit.row));
                misfit.problem(column, place.unwrap_or_else(|| self.written.place.clone()))
            })?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::clone(&self.target.columns.schema);
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|error| from_engine(error.into()))
    }

    /// A column that is not given.
    fn defaults(
        &self,
        column: &Column,
        count: usize,
    ) -> Result<Result<ArrayRef, Misfit>, QueryError> {
        let values = match self.target.default(column)? {
            Some(expr) => self.planner.constant(&expr, count, self.written)?,
            None => new_null_array(&column.ty.arrow(), count),
        };
        Ok(fit::column(&values, column))
    }

    fn cell(&self, named: usize, expr: &Expr) -> Result<Cell, QueryError> {
        if let Some(text) = literal(expr) {
            return Ok(Cell::Text(text));
        }
        if !is_default(expr) {
            return Ok(Cell::Value(self.planner.constant(expr, 1, self.written)?));
        }
        let column = self.target.declared(named);
        let default = column
            .map(|column| self.target.default(column))
            .transpose()?;
        match default.flatten() {
            Some(expr) => Ok(Cell::Value(self.planner.constant(
                &expr,
                1,
                self.written,
            )?)),
            None => Ok(Cell::Text(None)),
        }
    }
}

/// The values of VALUES with one row, if all are literals; `None` among them for NULL.
pub(super) fn literals(source: &Query) -> Option<Vec<Option<String>>> {
    match source.body.as_ref() {
        SetExpr::Values(Values { rows, .. }) => match rows.as_slice() {
            [row] => row.content.iter().map(literal).collect(),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value is the keyword DEFAULT.
pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
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
        _ => None,
    }
}

/// The cells of one column as it keeps them.
fn fitted(cells: &[Cell], column: &Column) -> Result<ArrayRef, Misfit> {
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
        pieces.push(piece.map_err(|misfit| Misfit { row, ..misfit })?);
    }
    let arrays: Vec<_> = pieces.iter().map(AsRef::as_ref).collect();
    // All are of the column's type.
    concat(&arrays).map_err(|_never| Misfit::at(0))
}
