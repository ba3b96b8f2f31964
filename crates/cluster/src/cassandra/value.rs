//! Values of CQL as columns of Arrow.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
        Float64Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    },
    datatypes::Schema,
    json::ReaderBuilder,
};
use mainstem_kernel::ColumnType;
use scylla::value::{CqlDecimal, CqlValue};

use super::{column::EPOCH_DAY, table::Cell};

/// A column of values; what has another type is NULL, which `create` has ruled out.
///
/// # Errors
/// What is not as it was written, in words.
pub(super) fn column(cell: &Cell, values: &[Option<CqlValue>]) -> Result<ArrayRef, String> {
    /// Values of one variant.
    macro_rules! pick {
        ($($pattern:pat => $value:expr),+) => {
            values.iter().map(|value| match value {
                $(Some($pattern) => Some($value),)+
                _ => None,
            })
        };
    }
    Ok(match &cell.ty {
        ColumnType::Boolean => {
            Arc::new(pick!(CqlValue::Boolean(value) => *value).collect::<BooleanArray>())
        }
        ColumnType::SmallInt => {
            Arc::new(pick!(CqlValue::SmallInt(value) => *value).collect::<Int16Array>())
        }
        ColumnType::Integer => {
            Arc::new(pick!(CqlValue::Int(value) => *value).collect::<Int32Array>())
        }
        ColumnType::BigInt => {
            Arc::new(pick!(CqlValue::BigInt(value) => *value).collect::<Int64Array>())
        }
        ColumnType::Real => {
            Arc::new(pick!(CqlValue::Float(value) => *value).collect::<Float32Array>())
        }
        ColumnType::Double => {
            Arc::new(pick!(CqlValue::Double(value) => *value).collect::<Float64Array>())
        }
        ColumnType::Numeric { precision, scale } => {
            let numbers = pick!(CqlValue::Decimal(value) => whole(value)).map(Option::flatten);
            let numbers = numbers.collect::<Decimal128Array>();
            let numbers = numbers.with_precision_and_scale(*precision, *scale);
            Arc::new(numbers.map_err(|error| error.to_string())?)
        }
        ColumnType::Text | ColumnType::Json => {
            Arc::new(pick!(CqlValue::Text(text) => text.as_str()).collect::<StringArray>())
        }
        ColumnType::Uuid => {
            let texts = pick!(CqlValue::Uuid(uuid) => uuid.to_string());
            Arc::new(texts.collect::<StringArray>())
        }
        ColumnType::Bytea => {
            Arc::new(pick!(CqlValue::Blob(bytes) => bytes.as_slice()).collect::<BinaryArray>())
        }
        ColumnType::Date => {
            let days = pick!(CqlValue::Date(date) => date.0.wrapping_sub(EPOCH_DAY).cast_signed());
            Arc::new(days.collect::<Date32Array>())
        }
        ColumnType::TimestampTz => {
            let micros = pick!(
                CqlValue::BigInt(micros) => *micros,
                CqlValue::Timestamp(time) => time.0.saturating_mul(1_000)
            );
            Arc::new(
                micros
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            )
        }
        ColumnType::Array(_) | ColumnType::Row(_) => {
            nested(cell, pick!(CqlValue::Text(json) => json.as_str()))?
        }
    })
}

/// The whole number of a decimal of a known scale.
fn whole(decimal: &CqlDecimal) -> Option<i128> {
    let (bytes, _scale) = decimal.as_signed_be_bytes_slice_and_exponent();
    let sign = match bytes.first() {
        Some(first) if *first >= 0x80 => 0xff,
        _ => 0,
    };
    let mut all = [sign; 16];
    let from = all.len().checked_sub(bytes.len())?;
    all.get_mut(from..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

/// Values that are kept as JSON.
fn nested<'a>(
    cell: &Cell,
    jsons: impl ExactSizeIterator<Item = Option<&'a str>>,
) -> Result<ArrayRef, String> {
    let schema = Arc::new(Schema::new(vec![cell.ty.field("v", true)]));
    let decoder = ReaderBuilder::new(schema).with_batch_size(jsons.len().max(1));
    let mut decoder = decoder.build_decoder().map_err(|error| error.to_string())?;
    let mut text = String::new();
    for json in jsons {
        text.push_str("{\"v\":");
        text.push_str(json.unwrap_or("null"));
        text.push_str("}\n");
    }
    decoder
        .decode(text.as_bytes())
        .map_err(|error| error.to_string())?;
    let batch = decoder.flush().map_err(|error| error.to_string())?;
    let column = batch.and_then(|batch| batch.columns().first().cloned());
    Ok(column.unwrap_or_else(|| arrow::array::new_empty_array(&cell.ty.arrow())))
}
