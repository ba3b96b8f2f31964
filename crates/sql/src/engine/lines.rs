//! What EXPLAIN answers: a line of a plan per row, so that it can be read in every format. It never
//! explains anything.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{AsArray, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
        error::ArrowError,
    },
    common::Result,
    execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;

/// Columns of the answer: which plan, and a line of it.
fn schema() -> SchemaRef {
    let fields = ["plan_type", "plan"].map(|name| Field::new(name, DataType::Utf8, false));
    Arc::new(Schema::new(fields.to_vec()))
}

/// Plans and their kinds as rows, one per line: `plan_type` and `plan`, both TEXT and NOT NULL.
///
/// # Errors
/// Never: the columns are as long as each other.
pub fn plan_lines<'a>(
    plans: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> std::result::Result<RecordBatch, ArrowError> {
    let lines = plans
        .into_iter()
        .flat_map(|(kind, plan)| plan.lines().map(move |line| (kind, line)));
    let (kinds, lines): (Vec<&str>, Vec<&str>) = lines.unzip();
    let kinds = Arc::new(StringArray::from(kinds));
    RecordBatch::try_new(schema(), vec![kinds, Arc::new(StringArray::from(lines))])
}

/// The answer of an EXPLAIN of the library, whose rows hold whole plans, by lines.
pub(super) fn by_line(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema(), rows.map(split)))
}

fn split(batch: Result<RecordBatch>) -> Result<RecordBatch> {
    let batch = batch?;
    let texts = |index: usize| {
        let column = batch.columns().get(index);
        column.and_then(|column| column.as_string_opt::<i32>())
    };
    let (Some(kinds), Some(plans)) = (texts(0), texts(1)) else {
        return Ok(RecordBatch::new_empty(schema()));
    };
    let plans = (0..batch.num_rows()).map(|row| (kinds.value(row), plans.value(row)));
    Ok(plan_lines(plans)?)
}
