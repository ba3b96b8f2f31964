//! What the file index knows of a file, as DataFusion's statistics. It never opens a file.

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, TimeUnit},
    common::{
        ColumnStatistics, ScalarValue,
        stats::{Precision, Statistics},
    },
};
use mainstem_history::DataFile;
use mainstem_kernel::types::SEQ_COLUMN;
use serde_json::Value;

/// Rows, NULLs and bounds of a file; `physical` are the names of the schema's columns in it.
pub(crate) fn of_file(file: &DataFile, physical: &[String], schema: &Schema) -> Statistics {
    let columns = schema.fields().iter().zip(physical).map(|(field, name)| {
        if name == SEQ_COLUMN {
            return seq(file);
        }
        ColumnStatistics {
            null_count: nulls(file.stats.nulls.get(name)),
            min_value: bound(file.stats.min.get(name), field),
            max_value: bound(file.stats.max.get(name), field),
            ..ColumnStatistics::new_unknown()
        }
    });
    Statistics {
        num_rows: usize::try_from(file.rows).map_or(Precision::Absent, Precision::Exact),
        total_byte_size: Precision::Absent,
        column_statistics: columns.collect(),
    }
}

fn seq(file: &DataFile) -> ColumnStatistics {
    let exact =
        |seq: mainstem_kernel::Seq| Precision::Exact(ScalarValue::Int64(Some(seq.to_i64())));
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: exact(file.first_seq),
        max_value: exact(file.last_seq),
        ..ColumnStatistics::new_unknown()
    }
}

fn nulls(value: Option<&Value>) -> Precision<usize> {
    let count = value
        .and_then(Value::as_u64)
        .and_then(|count| usize::try_from(count).ok());
    count.map_or(Precision::Absent, Precision::Exact)
}

/// A bound. Texts are cut, so theirs is only a bound; the others are values.
fn bound(value: Option<&Value>, field: &Field) -> Precision<ScalarValue> {
    let Some(value) = value else {
        return Precision::Absent;
    };
    match field.data_type() {
        DataType::Utf8 => match value.as_str() {
            Some(text) => Precision::Inexact(ScalarValue::Utf8(Some(text.to_owned()))),
            None => Precision::Absent,
        },
        ty => scalar(value, ty).map_or(Precision::Absent, Precision::Exact),
    }
}

fn scalar(value: &Value, ty: &DataType) -> Option<ScalarValue> {
    match ty {
        DataType::Int16 => Some(ScalarValue::Int16(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.as_i64()?))),
        DataType::Float64 => Some(ScalarValue::Float64(Some(value.as_f64()?))),
        DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
            ScalarValue::try_from_string(value.as_str()?.to_owned(), ty).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_bounds_as_the_index_writes_them() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let found = scalar(&json!("1970-01-01T00:00:01.000002Z"), &time);
        let wanted = ScalarValue::TimestampMicrosecond(Some(1_000_002), Some("UTC".into()));
        assert_eq!(found, Some(wanted));
        let found = scalar(&json!("1970-01-02"), &DataType::Date32);
        assert_eq!(found, Some(ScalarValue::Date32(Some(1))));
        assert_eq!(
            scalar(&json!(70_000), &DataType::Int16),
            None,
            "out of range"
        );
        let text = bound(Some(&json!("abc")), &Field::new("x", DataType::Utf8, true));
        assert!(matches!(text, Precision::Inexact(_)), "texts are cut");
    }
}
