//! Types in Spark SQL.

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use mainstem_kernel::ColumnType;

use super::Unspelled;

/// The type of a column in Spark SQL. UUID and JSON are texts there, as they are in open files.
#[must_use]
pub fn spark_type(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "BOOLEAN".to_owned(),
        ColumnType::SmallInt => "SMALLINT".to_owned(),
        ColumnType::Integer => "INT".to_owned(),
        ColumnType::BigInt => "BIGINT".to_owned(),
        ColumnType::Real => "FLOAT".to_owned(),
        ColumnType::Double => "DOUBLE".to_owned(),
        ColumnType::Numeric { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => "STRING".to_owned(),
        ColumnType::Bytea => "BINARY".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::TimestampTz => "TIMESTAMP".to_owned(),
        ColumnType::Array(item) => format!("ARRAY<{}>", spark_type(item)),
        ColumnType::Row(fields) => {
            let field = |(name, ty): &(mainstem_kernel::ColumnName, ColumnType)| {
                format!("`{}`: {}", name.as_str().replace('`', "``"), spark_type(ty))
            };
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
    }
}

/// The type of an operator's column in Spark SQL.
///
/// # Errors
/// When Spark has none that holds the same.
pub fn field_type(field: &Field) -> Result<String, Unspelled> {
    of(field.data_type())
}

/// One type for those that differ in their layout alone.
pub(super) fn plain(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain(value),
        other => other.clone(),
    }
}

/// The type of a value in Spark SQL.
pub(super) fn of(ty: &DataType) -> Result<String, Unspelled> {
    Ok(match plain(ty) {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        // Only numbers of rows are unsigned here.
        DataType::Int64 | DataType::UInt64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) if scale >= 0 => {
            format!("DECIMAL({precision},{scale})")
        }
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Binary => "BINARY".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        // Spark's are of microseconds: coarser ones fit.
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond,
            Some(zone),
        ) if is_utc(&zone) => "TIMESTAMP".to_owned(),
        DataType::List(item) => format!("ARRAY<{}>", of(item.data_type())?),
        other => {
            let ty = other.to_string();
            return Err(Unspelled::Type { ty });
        }
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}
