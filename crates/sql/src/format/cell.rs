//! A column of a batch, ready to be written value by value.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use datafusion::arrow::array::Date32Array;
use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float32Array,
        Float64Array, Int16Array, Int32Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray, UInt64Array,
    },
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Fields, Float32Type, Float64Type, Int16Type,
        Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
    },
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use mainstem_kernel::types::TYPE_METADATA;

use super::number;

/// A column whose type is known.
pub(super) enum Cell {
    Null,
    Bool(BooleanArray),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    UInt64(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Decimal(Decimal128Array, i8),
    Text(StringArray),
    Json(StringArray),
    Bytes(BinaryArray),
    Date(Date32Array),
    Time(TimestampMicrosecondArray, bool),
    List(ListArray, Box<Cell>),
    Row(StructArray, Vec<(Vec<u8>, Cell)>),
    /// Whatever Arrow can print.
    Other(ArrayRef),
}

/// What a value is written into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    /// JSON within a line of CSV is written as JSON.
    Csv,
}

impl Cell {
    pub(super) fn new(array: &ArrayRef, field: &Field) -> Result<Self, ArrowError> {
        let as_type = |ty: &DataType| cast(array, ty);
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = as_type(&DataType::Utf8)?.as_string::<i32>().clone();
                match field
                    .metadata()
                    .get(TYPE_METADATA)
                    .is_some_and(|ty| ty == "JSON")
                {
                    true => Self::Json(texts),
                    false => Self::Text(texts),
                }
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Self::Bytes(as_type(&DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(_, zone) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                let times = as_type(&micros)?;
                let times = times.as_primitive::<TimestampMicrosecondType>().clone();
                Self::Time(times, zone.is_some())
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let lists = as_type(&DataType::List(Arc::clone(item)))?
                    .as_list::<i32>()
                    .clone();
                let items = Self::new(lists.values(), item)?;
                Self::List(lists, Box::new(items))
            }
            DataType::Struct(fields) => Self::row(array.as_struct(), fields)?,
            DataType::Dictionary(_, value) => Self::new(&as_type(value)?, field)?,
            _ => Self::number(array)?,
        })
    }

    /// A number, or whatever Arrow can print.
    fn number(array: &ArrayRef) -> Result<Self, ArrowError> {
        let as_type = |ty: &DataType| cast(array, ty);
        Ok(match array.data_type() {
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::Int16(
                as_type(&DataType::Int16)?
                    .as_primitive::<Int16Type>()
                    .clone(),
            ),
            DataType::Int32 | DataType::UInt16 => Self::Int32(
                as_type(&DataType::Int32)?
                    .as_primitive::<Int32Type>()
                    .clone(),
            ),
            DataType::Int64 | DataType::UInt32 => Self::Int64(
                as_type(&DataType::Int64)?
                    .as_primitive::<Int64Type>()
                    .clone(),
            ),
            DataType::UInt64 => Self::UInt64(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float16 | DataType::Float32 => Self::Float32(
                as_type(&DataType::Float32)?
                    .as_primitive::<Float32Type>()
                    .clone(),
            ),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            _ => Self::Other(Arc::clone(array)),
        })
    }

    fn row(rows: &StructArray, fields: &Fields) -> Result<Self, ArrowError> {
        let cells = fields.iter().zip(rows.columns()).map(|(field, column)| {
            let mut key = Vec::new();
            text(&mut key, field.name());
            key.push(b':');
            Ok((key, Self::new(column, field)?))
        });
        let cells = cells.collect::<Result<Vec<_>, ArrowError>>()?;
        Ok(Self::Row(rows.clone(), cells))
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(a) => a.is_null(row),
            Self::Int16(a) => a.is_null(row),
            Self::Int32(a) => a.is_null(row),
            Self::Int64(a) => a.is_null(row),
            Self::UInt64(a) => a.is_null(row),
            Self::Float32(a) => a.is_null(row),
            Self::Float64(a) => a.is_null(row),
            Self::Decimal(a, _) => a.is_null(row),
            Self::Text(a) | Self::Json(a) => a.is_null(row),
            Self::Bytes(a) => a.is_null(row),
            Self::Date(a) => a.is_null(row),
            Self::Time(a, _) => a.is_null(row),
            Self::List(a, _) => a.is_null(row),
            Self::Row(a, _) => a.is_null(row),
            Self::Other(a) => a.is_null(row),
        }
    }

    /// Writes a value as JSON.
    pub(super) fn json(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let quote = match self {
            Self::Decimal(..) | Self::Bytes(_) | Self::Date(_) | Self::Time(..) => true,
            Self::Int64(a) => a.value(row).unsigned_abs() > number::EXACT_MAX,
            Self::UInt64(a) => a.value(row) > number::EXACT_MAX,
            _ => false,
        };
        if quote {
            out.push(b'"');
        }
        self.value(out, row, Style::Json)?;
        if quote {
            out.push(b'"');
        }
        Ok(())
    }

    /// Writes a value that is not NULL, without quotes around numbers, times and bytes.
    pub(super) fn value(
        &self,
        out: &mut Vec<u8>,
        row: usize,
        style: Style,
    ) -> Result<(), ArrowError> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Self::Int16(a) => number::write(out, a.value(row)),
            Self::Int32(a) => number::write(out, a.value(row)),
            Self::Int64(a) => number::write(out, a.value(row)),
            Self::UInt64(a) => number::write(out, a.value(row)),
            Self::Float32(a) => match a.value(row).is_finite() {
                true => number::write(out, a.value(row)),
                false => not_finite(out, a.value(row).into(), style),
            },
            Self::Float64(a) => match a.value(row).is_finite() {
                true => number::write(out, a.value(row)),
                false => not_finite(out, a.value(row), style),
            },
            Self::Decimal(a, scale) => number::decimal(out, a.value(row), *scale),
            Self::Text(a) => match style {
                Style::Json => text(out, a.value(row)),
                Style::Csv => out.extend_from_slice(a.value(row).as_bytes()),
            },
            Self::Json(a) => raw_json(out, a.value(row)),
            Self::Bytes(a) => {
                let mut encoded = String::new();
                STANDARD.encode_string(a.value(row), &mut encoded);
                out.extend_from_slice(encoded.as_bytes());
            }
            Self::Date(a) => number::date(out, a.value(row).into()),
            Self::Time(a, zoned) => {
                number::time(out, a.value(row));
                if *zoned {
                    out.push(b'Z');
                }
            }
            Self::List(lists, items) => list(out, lists, items, row)?,
            Self::Row(_, cells) => object(out, cells, row)?,
            Self::Other(array) => other(out, array, row, style)?,
        }
        Ok(())
    }
}

fn list(out: &mut Vec<u8>, lists: &ListArray, items: &Cell, row: usize) -> Result<(), ArrowError> {
    let bound = |at: usize| {
        lists
            .value_offsets()
            .get(at)
            .and_then(|offset| usize::try_from(*offset).ok())
            .unwrap_or(0)
    };
    let (from, to) = (bound(row), bound(row.saturating_add(1)));
    out.push(b'[');
    for item in from..to {
        if item > from {
            out.push(b',');
        }
        items.json(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn object(out: &mut Vec<u8>, cells: &[(Vec<u8>, Cell)], row: usize) -> Result<(), ArrowError> {
    out.push(b'{');
    for (index, (key, cell)) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        cell.json(out, row)?;
    }
    out.push(b'}');
    Ok(())
}

fn other(out: &mut Vec<u8>, array: &ArrayRef, row: usize, style: Style) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    let printed = ArrayFormatter::try_new(array.as_ref(), &options)?
        .value(row)
        .try_to_string()?;
    match style {
        Style::Json => text(out, &printed),
        Style::Csv => out.extend_from_slice(printed.as_bytes()),
    }
    Ok(())
}

fn not_finite(out: &mut Vec<u8>, value: f64, style: Style) {
    out.extend_from_slice(match style {
        Style::Json => b"null",
        Style::Csv if value.is_nan() => b"NaN",
        Style::Csv if value > 0.0 => b"Infinity",
        Style::Csv => b"-Infinity",
    });
}

/// A JSON column's value as it is, on one line. What is no JSON is written as a text.
fn raw_json(out: &mut Vec<u8>, json: &str) {
    if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
        text(out, json);
        return;
    }
    // A line break outside of a text is white space, and within one it is not allowed.
    out.extend(json.bytes().map(|byte| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            byte
        }
    }));
}

/// A text in JSON's quotes.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        start = at.saturating_add(1);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                for nibble in [control >> 4, control & 15] {
                    let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                    out.push(u8::try_from(digit).unwrap_or(b'0'));
                }
            }
        }
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
    out.push(b'"');
}
