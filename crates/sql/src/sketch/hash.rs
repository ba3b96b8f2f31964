//! The fixed 64-bit hash of values for `Distinct`. Its bits are in state on disk: it never changes.
//!
//! Of a 64-bit integer it is splitmix64's finalizer, which maps no two numbers to one; of anything
//! longer it folds 8 bytes after the other into that. Integers, BOOLEAN, DATE and TIMESTAMPTZ are
//! hashed as 64-bit integers, floats as the bits of their canonical form, NUMERIC as two halves.
//!
//! Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (Stafford's
//! variant 13 of the finalizer).

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit},
    error::ArrowError,
};

const LENGTH: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
const fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn bytes(value: &[u8]) -> u64 {
    let (eights, rest) = value.as_chunks::<8>();
    let mut hash = mixed((value.len() as u64).wrapping_add(LENGTH));
    for eight in eights {
        hash = mixed(hash.wrapping_mul(LENGTH) ^ u64::from_le_bytes(*eight));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mixed(hash.wrapping_mul(LENGTH) ^ u64::from_le_bytes(last))
}

/// The bits of a float that equal floats share.
fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // −0 + 0 is +0, and nothing else changes.
        (value + 0.0).to_bits()
    }
}

/// The hashes of a column's values, row by row; those of NULLs mean nothing.
///
/// # Errors
/// When its values are not hashed: arrays and rows.
pub fn hashes(column: &ArrayRef) -> Result<Vec<u64>, ArrowError> {
    let all = |hash: &dyn Fn(usize) -> u64| -> Vec<u64> { (0..column.len()).map(hash).collect() };
    Ok(match column.data_type() {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let column = match column.data_type() {
                DataType::Date32 => cast(column, &DataType::Int32)?,
                _ => Arc::clone(column),
            };
            let column = cast(&column, &DataType::Int64)?;
            let values = column.as_primitive::<Int64Type>().values();
            let hashed = values.iter().map(|value| mixed(value.cast_unsigned()));
            hashed.collect()
        }
        DataType::Float32 | DataType::Float64 => {
            let column = cast(column, &DataType::Float64)?;
            let values = column.as_primitive::<Float64Type>().values();
            values
                .iter()
                .map(|value| mixed(float_bits(*value)))
                .collect()
        }
        DataType::Decimal128(..) => {
            let values = column.as_primitive::<Decimal128Type>().values();
            let hashed = values.iter().map(|value| bytes(&value.to_le_bytes()));
            hashed.collect()
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            all(&|row| bytes(values.value(row).as_bytes()))
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            all(&|row| bytes(values.value(row)))
        }
        DataType::Utf8View | DataType::LargeUtf8 => return hashes(&cast(column, &DataType::Utf8)?),
        DataType::BinaryView | DataType::LargeBinary => {
            return hashes(&cast(column, &DataType::Binary)?);
        }
        DataType::Dictionary(_, value) => return hashes(&cast(column, value)?),
        other => {
            let reason = format!("values of {other} are not counted");
            return Err(ArrowError::NotYetImplemented(reason));
        }
    })
}
