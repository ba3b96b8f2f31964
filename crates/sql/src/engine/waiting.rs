//! Rows of a view that is a stream which steps gave and which are not in the log yet. They have no
//! seq, partition or offset: those columns are NULL.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions, new_null_array},
        datatypes::SchemaRef,
        error::ArrowError,
    },
    catalog::memory::MemorySourceConfig,
    common::Result,
    physical_plan::ExecutionPlan,
};

use super::columns::StreamColumns;

/// A plan of the projected columns of such rows; `None` if there are none.
///
/// # Errors
/// When they do not have the view's columns.
pub(crate) fn plan(
    columns: &StreamColumns,
    waiting: &[RecordBatch],
    projection: Option<&Vec<usize>>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if waiting.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(None);
    }
    let schema = &columns.schema;
    let batches = waiting.iter().map(|batch| whole(schema, batch));
    let batches = vec![batches.collect::<Result<Vec<_>, _>>()?];
    let plan = MemorySourceConfig::try_new_exec(&batches, Arc::clone(schema), projection.cloned())?;
    Ok(Some(plan))
}

fn whole(schema: &SchemaRef, body: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = body.num_rows();
    let columns = schema.fields().iter().map(|field| {
        let found = body.column_by_name(field.name());
        found.map_or_else(|| new_null_array(field.data_type(), rows), Arc::clone)
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect(), &options)
}
