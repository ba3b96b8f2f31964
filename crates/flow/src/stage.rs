//! Operators that keep nothing: filter, projection, lookup, and the window of each row. They run on
//! any chunk in any thread.

mod lookup;
mod window;

use std::sync::Arc;

use datafusion::arrow::{
    array::{AsArray, RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
    error::ArrowError,
};

use crate::{
    aside::Aside,
    change::Weighted,
    evaluate::{Evaluated, Expr, evaluate},
    table::LookupTables,
};
pub(crate) use lookup::Lookup;
pub(crate) use window::{Cut, LateRows, Window};

/// An operator without state.
#[derive(Debug)]
pub(crate) enum Stage {
    Filter(Expr),
    Project { exprs: Vec<Expr>, schema: SchemaRef },
    Lookup(Lookup),
    Window(Window),
}

impl Stage {
    /// The rows that come out.
    pub(crate) fn run(
        &self,
        rows: Weighted,
        tables: &LookupTables,
        aside: &mut Aside,
    ) -> Result<Weighted, ArrowError> {
        match self {
            Self::Filter(predicate) => filter(predicate, rows, aside),
            Self::Project { exprs, schema } => {
                let Evaluated { rows, columns } = evaluate(exprs, rows, aside)?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows.rows()));
                let batch =
                    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
                Ok(rows.with_batch(batch))
            }
            Self::Lookup(lookup) => lookup.run(rows, tables, aside),
            Self::Window(window) => window.run(rows, aside),
        }
    }
}

fn filter(predicate: &Expr, rows: Weighted, aside: &mut Aside) -> Result<Weighted, ArrowError> {
    let Evaluated { rows, columns } = evaluate(std::slice::from_ref(predicate), rows, aside)?;
    let keep = columns.first().and_then(|column| column.as_boolean_opt());
    let keep =
        keep.ok_or_else(|| ArrowError::CastError("a predicate is not boolean".to_owned()))?;
    rows.filter(keep)
}
