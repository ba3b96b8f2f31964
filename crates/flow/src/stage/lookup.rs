//! The row of a table as it was when the input's row arrived, found by its key.

use std::sync::Arc;

use datafusion::arrow::{
    array::{BooleanArray, RecordBatch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use mainstem_kernel::StreamId;

use crate::{
    aside::Aside,
    change::Weighted,
    evaluate::{Evaluated, Expr, evaluate},
    slots::NONE,
    table::LookupTables,
};

/// Adds columns of a table.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) table: StreamId,
    pub(crate) keys: Vec<Expr>,
    /// Whether a row without a match stays.
    pub(crate) outer: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) schema: SchemaRef,
}

impl Lookup {
    pub(crate) fn run(
        &self,
        rows: Weighted,
        tables: &LookupTables,
        aside: &mut Aside,
    ) -> Result<Weighted, ArrowError> {
        let table = tables.get(&self.table).ok_or_else(|| {
            ArrowError::InvalidArgumentError(format!("table {} is not loaded", self.table))
        })?;
        let Evaluated {
            mut rows,
            columns: keys,
        } = evaluate(&self.keys, rows, aside)?;
        let mut places = table.find(&keys, &rows)?;
        if !self.outer && places.contains(&NONE) {
            let found: BooleanArray = places.iter().map(|place| Some(*place != NONE)).collect();
            rows = rows.filter(&found)?;
            places.retain(|place| *place != NONE);
        }
        let mut columns = rows.batch.columns().to_vec();
        for column in &self.columns {
            columns.push(table.take(column, &places)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(rows.with_batch(batch))
    }
}
