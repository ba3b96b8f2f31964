//! Rows that were written with older columns, as rows of the newest ones.
//!
//! It never touches a value: columns are moved by pointer, missing ones are NULL.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    error::ArrowError,
};
use mainstem_kernel::{SchemaVersion, types::EXTRA_COLUMN};

use crate::definition::StreamDef;

impl StreamDef {
    /// A frame's body of version `from` as one of the newest version: each column is found by
    /// its id under the name that it had then, what is missing is NULL, and `_extra` stays last.
    /// Costs a pointer per column, nothing per row except for columns that are missing.
    ///
    /// # Errors
    /// When the stream never had that version, or the batch is not of it.
    pub fn evolve(
        &self,
        batch: &RecordBatch,
        from: SchemaVersion,
    ) -> Result<RecordBatch, ArrowError> {
        let schema = self.spec.columns.body_schema();
        if from == self.schema_version() && batch.schema_ref().fields() == schema.fields() {
            return Ok(batch.clone());
        }
        let written = self.columns_of(from).ok_or_else(|| {
            let name = &self.spec.name;
            ArrowError::SchemaError(format!("stream \"{name}\" never had columns {from}"))
        })?;
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (column, field) in self.spec.columns.0.iter().zip(schema.fields()) {
            let old = written.0.iter().find(|old| old.id == column.id);
            columns.push(match old {
                Some(old) => column_of(batch, old.name.as_str())?,
                None => new_null_array(field.data_type(), rows),
            });
        }
        columns.push(column_of(batch, EXTRA_COLUMN)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, columns, &options)
    }
}

fn column_of(batch: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    let column = batch.column_by_name(name).map(Arc::clone);
    column.ok_or_else(|| ArrowError::SchemaError(format!("expected a column \"{name}\"")))
}
