//! Rows of Spark as one machine would answer them: its types, and its errors.

use std::{error::Error, sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::SchemaRef,
    util::display::FormatOptions,
};
use mainstem_sql::QueryError;

use crate::spark::SparkError;

/// Rows under the names and types of the plan.
///
/// # Errors
/// `Broken` when Spark's types cannot be those.
pub(super) fn cast(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let options = CastOptions {
        safe: false,
        format_options: FormatOptions::default(),
    };
    let columns = schema.fields().iter().zip(rows.columns());
    let columns =
        columns.map(|(field, column)| cast_with_options(column, field.data_type(), &options));
    let count = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let made = columns
        .collect::<Result<Vec<ArrayRef>, _>>()
        .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(schema), columns, &count));
    made.map_err(|error| QueryError::Broken {
        source: Box::new(error),
    })
}

/// What Spark calls errors of a row, and how that is said here.
const ROW_ERRORS: [(&str, &str); 8] = [
    ("DIVIDE_BY_ZERO", "division by zero"),
    ("ARITHMETIC_OVERFLOW", "a number is out of range"),
    ("BINARY_ARITHMETIC_OVERFLOW", "a number is out of range"),
    ("CAST_OVERFLOW", "a number is out of range"),
    ("NUMERIC_VALUE_OUT_OF_RANGE", "a number is out of range"),
    (
        "CAST_INVALID_INPUT",
        "a text is not what it is converted to",
    ),
    (
        "SCALAR_SUBQUERY_TOO_MANY_ROWS",
        "a subquery for one value has more than one row",
    ),
    ("USER_RAISED_EXCEPTION", "a value is out of what is taken"),
];

/// What Spark says, in our words.
pub(super) fn failed(error: SparkError, limit: Duration) -> QueryError {
    match &error {
        SparkError::Late { .. } => return QueryError::Timeout { limit },
        SparkError::Refused { source, .. } | SparkError::Failed { source, .. } => {
            let told = chain(source.as_ref());
            let row = ROW_ERRORS
                .iter()
                .find(|(name, _)| told.contains(&format!("[{name}")));
            if let Some((_, message)) = row {
                tracing::debug!(told, "a row failed a question");
                return QueryError::Row {
                    message: (*message).to_owned(),
                };
            }
        }
        _ => {}
    }
    QueryError::Engine(Arc::new(error))
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        told.push_str(": ");
        told.push_str(&source.to_string());
        next = source.source();
    }
    told
}
