//! What of rows is shown. Pure.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions},
    compute::filter_record_batch,
    datatypes::{Schema, TimestampMicrosecondType},
    error::ArrowError,
};
use mainstem_kernel::Timestamp;

use crate::rows::{OpenWindows, Relation};

/// The columns that `SELECT *` shows, in their order.
pub(super) fn shown(relation: &Relation, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for column in &relation.shown.0 {
        let found = rows.column_by_name(column.name.as_str());
        let found = found.ok_or_else(|| ArrowError::SchemaError(column.name.to_string()))?;
        fields.push(column.ty.field(column.name.as_str(), true));
        columns.push(Arc::clone(found));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options)
}

/// The rows of windows that are closed until then.
pub(super) fn closed(
    open: &OpenWindows,
    (until, rows): (Timestamp, &RecordBatch),
) -> Result<RecordBatch, ArrowError> {
    let ends = rows.column_by_name(open.end.as_str());
    let ends = ends.and_then(|ends| ends.as_primitive_opt::<TimestampMicrosecondType>());
    let ends = ends.ok_or_else(|| ArrowError::SchemaError(open.end.to_string()))?;
    let is_closed = |row| ends.is_valid(row) && ends.value(row) <= until.0;
    let kept: BooleanArray = (0..ends.len()).map(|row| Some(is_closed(row))).collect();
    match kept.true_count() == kept.len() {
        true => Ok(rows.clone()),
        false => filter_record_batch(rows, &kept),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, TimestampMicrosecondArray};
    use mainstem_kernel::ColumnName;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_window_is_shown_once_it_is_closed() {
        let open = OpenWindows {
            end: ColumnName::new("window_end").unwrap(),
            corrections: Duration::from_secs(3_600),
        };
        let ends = TimestampMicrosecondArray::from(vec![61 * MINUTE, 62 * MINUTE, 63 * MINUTE]);
        let ends: ArrayRef = Arc::new(ends.with_timezone("UTC"));
        let rows = RecordBatch::try_from_iter([("window_end", ends)]).unwrap();
        let count = |watermark: Option<i64>| {
            let until = open.closed_until(watermark.map(Timestamp));
            closed(&open, (until, &rows)).unwrap().num_rows()
        };
        assert_eq!(count(None), 0);
        assert_eq!(count(Some(0)), 0);
        assert_eq!(count(Some(MINUTE)), 1);
        assert_eq!(count(Some(3 * MINUTE - 1)), 2);
        assert_eq!(count(Some(i64::MAX)), 3);
    }
}
