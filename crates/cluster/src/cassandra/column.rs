//! Columns of Arrow as values of CQL.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
        Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{
        Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};
use mainstem_kernel::ColumnType;
use scylla::value::{CqlDate, CqlDecimal, CqlTimestamp, CqlValue};

use super::table::{Cell, RowTable};

/// The day 0 of Unix as CQL counts days.
pub(super) const EPOCH_DAY: u32 = 1 << 31;
/// Digits of a NUMERIC before the point that Spark's connector reads.
const BEFORE_POINT_MAX: u32 = 20;

/// The columns of a table's rows, in its order.
pub(super) struct Columns<'a>(Vec<Column<'a>>);

/// Values of one column.
enum Column<'a> {
    Boolean(&'a BooleanArray),
    SmallInt(&'a Int16Array),
    Integer(&'a Int32Array),
    BigInt(&'a Int64Array),
    Real(&'a Float32Array),
    Double(&'a Float64Array),
    Numeric(&'a Decimal128Array, i8),
    Text(&'a StringArray),
    Uuid(&'a StringArray),
    Bytea(&'a BinaryArray),
    Date(&'a Date32Array),
    Micros(&'a TimestampMicrosecondArray),
    Bound(&'a TimestampMicrosecondArray),
    /// As JSON.
    Nested(&'a ArrayRef, Vec<String>),
}

impl<'a> Columns<'a> {
    /// The columns of rows.
    ///
    /// # Errors
    /// What does not fit the table, in words.
    pub(super) fn of(table: &RowTable, rows: &'a RecordBatch) -> Result<Self, String> {
        let column = |cell: &Cell| {
            let column = rows.column_by_name(&cell.name);
            let column = column.ok_or_else(|| format!("there is no column \"{}\"", cell.name))?;
            if *column.data_type() != cell.ty.arrow() {
                let (name, found) = (&cell.name, column.data_type());
                return Err(format!("column \"{name}\" is {found}, not {}", cell.ty));
            }
            Column::of(cell, column)
        };
        let columns = table.cells().iter().map(column);
        columns.collect::<Result<_, String>>().map(Self)
    }

    /// A value of a row.
    ///
    /// # Errors
    /// Why Cassandra cannot hold it, in words.
    pub(super) fn value(&self, column: usize, row: usize) -> Result<Option<CqlValue>, String> {
        match self.0.get(column) {
            Some(column) => column.value(row),
            None => Ok(None),
        }
    }
}

impl<'a> Column<'a> {
    fn of(cell: &Cell, column: &'a ArrayRef) -> Result<Self, String> {
        Ok(match &cell.ty {
            ColumnType::Boolean => Self::Boolean(column.as_boolean()),
            ColumnType::SmallInt => Self::SmallInt(column.as_primitive::<Int16Type>()),
            ColumnType::Integer => Self::Integer(column.as_primitive::<Int32Type>()),
            ColumnType::BigInt => Self::BigInt(column.as_primitive::<Int64Type>()),
            ColumnType::Real => Self::Real(column.as_primitive::<Float32Type>()),
            ColumnType::Double => Self::Double(column.as_primitive::<Float64Type>()),
            ColumnType::Numeric { scale, .. } => {
                Self::Numeric(column.as_primitive::<Decimal128Type>(), *scale)
            }
            ColumnType::Text | ColumnType::Json => Self::Text(column.as_string()),
            ColumnType::Uuid => Self::Uuid(column.as_string()),
            ColumnType::Bytea => Self::Bytea(column.as_binary()),
            ColumnType::Date => Self::Date(column.as_primitive::<Date32Type>()),
            ColumnType::TimestampTz => {
                let micros = column.as_primitive::<TimestampMicrosecondType>();
                match cell.role.is_bound() {
                    true => Self::Bound(micros),
                    false => Self::Micros(micros),
                }
            }
            ColumnType::Array(_) | ColumnType::Row(_) => Self::Nested(column, jsons(cell, column)?),
        })
    }

    fn value(&self, row: usize) -> Result<Option<CqlValue>, String> {
        let is_null = match self {
            Self::Boolean(column) => column.is_null(row),
            Self::SmallInt(column) => column.is_null(row),
            Self::Integer(column) => column.is_null(row),
            Self::BigInt(column) => column.is_null(row),
            Self::Real(column) => column.is_null(row),
            Self::Double(column) => column.is_null(row),
            Self::Numeric(column, _) => column.is_null(row),
            Self::Text(column) | Self::Uuid(column) => column.is_null(row),
            Self::Bytea(column) => column.is_null(row),
            Self::Date(column) => column.is_null(row),
            Self::Micros(column) | Self::Bound(column) => column.is_null(row),
            Self::Nested(column, _) => column.is_null(row),
        };
        if is_null {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Boolean(column) => CqlValue::Boolean(column.value(row)),
            Self::SmallInt(column) => CqlValue::SmallInt(column.value(row)),
            Self::Integer(column) => CqlValue::Int(column.value(row)),
            Self::BigInt(column) => CqlValue::BigInt(column.value(row)),
            Self::Real(column) => CqlValue::Float(column.value(row)),
            Self::Double(column) => CqlValue::Double(column.value(row)),
            Self::Numeric(column, scale) => {
                CqlValue::Decimal(decimal(readable(column.value(row), *scale)?, *scale))
            }
            Self::Text(column) => CqlValue::Text(column.value(row).to_owned()),
            Self::Uuid(column) => {
                let uuid = column.value(row).parse();
                CqlValue::Uuid(uuid.map_err(|error| format!("not a UUID: {error}"))?)
            }
            Self::Bytea(column) => CqlValue::Blob(column.value(row).to_vec()),
            Self::Date(column) => {
                CqlValue::Date(CqlDate(EPOCH_DAY.wrapping_add_signed(column.value(row))))
            }
            Self::Micros(column) => CqlValue::BigInt(column.value(row)),
            Self::Bound(column) => CqlValue::Timestamp(millis(column.value(row))?),
            Self::Nested(_, jsons) => CqlValue::Text(jsons.get(row).cloned().unwrap_or_default()),
        }))
    }
}

/// A decimal that Spark reads as it is: its connector takes 20 digits before the point, and gives
/// NULL for more.
fn readable(value: i128, scale: i8) -> Result<i128, String> {
    let digits = u32::try_from(scale)
        .unwrap_or(0)
        .saturating_add(BEFORE_POINT_MAX);
    match 10_u128.checked_pow(digits) {
        Some(limit) if value.unsigned_abs() >= limit => Err(format!(
            "a NUMERIC has more than {BEFORE_POINT_MAX} digits before the point"
        )),
        _ => Ok(value),
    }
}

/// A decimal in as few bytes as it needs.
fn decimal(value: i128, scale: i8) -> CqlDecimal {
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xff } else { 0 };
    let is_spare =
        |pair: &[u8]| matches!(pair, [first, next] if *first == sign && (next ^ sign) < 0x80);
    let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
    let bytes = bytes.get(spare..).unwrap_or_default().to_vec();
    CqlDecimal::from_signed_be_bytes_and_exponent(bytes, i32::from(scale))
}

/// A bound of a window, which CQL has in milliseconds.
fn millis(micros: i64) -> Result<CqlTimestamp, String> {
    match micros.rem_euclid(1_000) {
        0 => Ok(CqlTimestamp(micros.div_euclid(1_000))),
        _ => Err("a window begins or ends between two milliseconds".to_owned()),
    }
}

/// The values of a column as JSON.
fn jsons(cell: &Cell, column: &ArrayRef) -> Result<Vec<String>, String> {
    let field = cell.ty.field("v", true);
    let schema = arrow::datatypes::Schema::new(vec![field]);
    let batch = RecordBatch::try_new(schema.into(), vec![ArrayRef::clone(column)]);
    let batch = batch.map_err(|error| error.to_string())?;
    let mut all = Vec::with_capacity(column.len());
    // `{"v":…}`
    let each = |_, json: &[u8]| {
        let value = json.get(5..json.len() - 1).unwrap_or_default();
        all.push(String::from_utf8_lossy(value).into_owned());
    };
    mainstem_sql::objects(&batch, each).map_err(|error| error.to_string())?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_that_spark_would_give_as_null_are_refused() {
        let limit = 10_i128.pow(22);
        for (value, fits) in [
            (limit - 1, true),
            (1 - limit, true),
            (limit, false),
            (i128::MIN, false),
        ] {
            assert_eq!(readable(value, 2).is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn decimals_take_as_few_bytes_as_they_need() {
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0, 0x80]),
            (-1, vec![0xff]),
            (-128, vec![0x80]),
            (-129, vec![0xff, 0x7f]),
        ] {
            let (found, scale) = decimal(value, 2).into_signed_be_bytes_and_exponent();
            assert_eq!((found, scale), (bytes, 2), "{value}");
        }
        assert_eq!(
            decimal(i128::MIN, 0)
                .into_signed_be_bytes_and_exponent()
                .0
                .len(),
            16
        );
    }
}
