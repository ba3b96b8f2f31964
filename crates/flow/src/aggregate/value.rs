//! `Value`: one value of a column by itself, ordered, for sets of values.
//!
//! It never compares values of two types.

use std::{cmp::Ordering, sync::Arc};

use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float64Array,
        Int64Array, StringArray,
    },
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
        Int64Type, TimeUnit, TimestampMicrosecondType,
    },
    error::ArrowError,
};

use super::{Cursor, Damaged, bytes::put_bytes};
use crate::hash::float_bits;

/// A float with the order of `total_cmp`, NaN being greatest and the two zeroes equal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f64);

impl Float {
    pub(crate) fn new(value: f64) -> Self {
        Self(f64::from_bits(float_bits(value)))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Float {}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// BOOLEAN, integers, DATE, TIMESTAMPTZ.
    Int(i64),
    Float(Float),
    Wide(i128),
    Bytes(Box<[u8]>),
}

impl Value {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) => {
                out.push(0);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Float(Float(value)) => {
                out.push(1);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Wide(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Bytes(value) => {
                out.push(3);
                put_bytes(value, out);
            }
        }
    }

    pub(crate) fn read(from: &mut Cursor<'_>) -> Result<Self, Damaged> {
        Ok(match from.byte()? {
            0 => Self::Int(from.i64()?),
            1 => Self::Float(Float::new(from.f64()?)),
            2 => Self::Wide(i128::from_le_bytes(from.take()?)),
            3 => Self::Bytes(from.bytes()?.into()),
            _ => return Err(Damaged),
        })
    }

    /// Bytes beside its own.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(_) | Self::Float(_) | Self::Wide(_) => 0,
        }
    }
}

/// The values of a column, by row; what is NULL must not be asked for.
#[derive(Debug)]
pub(crate) enum Values {
    Ints(Int64Array),
    Bools(BooleanArray),
    Floats(Float64Array),
    Wides(Decimal128Array),
    Texts(StringArray),
    Bytes(BinaryArray),
}

impl Values {
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        let ints = |values: Vec<i64>| Int64Array::new(values.into(), column.nulls().cloned());
        Ok(match column.data_type() {
            DataType::Boolean => Self::Bools(column.as_boolean().clone()),
            DataType::Int64 => Self::Ints(column.as_primitive::<Int64Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let values = column
                    .as_primitive::<TimestampMicrosecondType>()
                    .values()
                    .clone();
                Self::Ints(Int64Array::new(values, column.nulls().cloned()))
            }
            DataType::Int16 => Self::Ints(ints(
                column
                    .as_primitive::<Int16Type>()
                    .values()
                    .iter()
                    .map(|v| i64::from(*v))
                    .collect(),
            )),
            DataType::Int32 => Self::Ints(ints(
                column
                    .as_primitive::<Int32Type>()
                    .values()
                    .iter()
                    .map(|v| i64::from(*v))
                    .collect(),
            )),
            DataType::Date32 => Self::Ints(ints(
                column
                    .as_primitive::<Date32Type>()
                    .values()
                    .iter()
                    .map(|v| i64::from(*v))
                    .collect(),
            )),
            DataType::Float64 => Self::Floats(column.as_primitive::<Float64Type>().clone()),
            DataType::Float32 => {
                let values = column
                    .as_primitive::<Float32Type>()
                    .values()
                    .iter()
                    .map(|v| f64::from(*v));
                Self::Floats(Float64Array::new(values.collect(), column.nulls().cloned()))
            }
            DataType::Decimal128(..) => {
                Self::Wides(column.as_primitive::<Decimal128Type>().clone())
            }
            DataType::Utf8 => Self::Texts(column.as_string::<i32>().clone()),
            DataType::Binary => Self::Bytes(column.as_binary::<i32>().clone()),
            DataType::Utf8View | DataType::LargeUtf8 => {
                return Self::of(&cast(column, &DataType::Utf8)?);
            }
            DataType::BinaryView | DataType::LargeBinary => {
                return Self::of(&cast(column, &DataType::Binary)?);
            }
            other => {
                let reason = format!("values of {other} are not compared");
                return Err(ArrowError::NotYetImplemented(reason));
            }
        })
    }

    pub(crate) fn value(&self, row: usize) -> Value {
        match self {
            Self::Ints(values) => Value::Int(values.value(row)),
            Self::Bools(values) => Value::Int(i64::from(values.value(row))),
            Self::Floats(values) => Value::Float(Float::new(values.value(row))),
            Self::Wides(values) => Value::Wide(values.value(row)),
            Self::Texts(values) => Value::Bytes(values.value(row).as_bytes().into()),
            Self::Bytes(values) => Value::Bytes(values.value(row).into()),
        }
    }
}

/// A column of values of one type; `None` is NULL.
pub(crate) fn column_of<'a>(
    ty: &DataType,
    values: impl Iterator<Item = Option<&'a Value>> + Clone,
) -> Result<ArrayRef, ArrowError> {
    let ints = || values.clone().map(|value| value.and_then(Value::int));
    let plain: ArrayRef = match ty {
        DataType::Boolean => {
            return Ok(Arc::new(
                ints()
                    .map(|value| value.map(|v| v != 0))
                    .collect::<BooleanArray>(),
            ));
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) => {
            Arc::new(ints().collect::<Int64Array>())
        }
        DataType::Date32 => cast(
            &(Arc::new(ints().collect::<Int64Array>()) as ArrayRef),
            &DataType::Int32,
        )?,
        DataType::Float32 | DataType::Float64 => {
            let floats = values.clone().map(|value| match value {
                Some(Value::Float(Float(value))) => Some(*value),
                _ => None,
            });
            Arc::new(floats.collect::<Float64Array>())
        }
        DataType::Decimal128(..) => {
            let wides = values.clone().map(|value| match value {
                Some(Value::Wide(value)) => Some(*value),
                _ => None,
            });
            return Ok(Arc::new(
                wides
                    .collect::<Decimal128Array>()
                    .with_data_type(ty.clone()),
            ));
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let texts = values.clone().map(|value| value.and_then(Value::text));
            Arc::new(texts.collect::<StringArray>())
        }
        _ => Arc::new(
            values
                .clone()
                .map(|value| value.and_then(Value::bytes))
                .collect::<BinaryArray>(),
        ),
    };
    if plain.data_type() == ty {
        Ok(plain)
    } else {
        cast(&plain, ty)
    }
}

impl Value {
    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(_) | Self::Wide(_) | Self::Bytes(_) => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Int(_) | Self::Float(_) | Self::Wide(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}
