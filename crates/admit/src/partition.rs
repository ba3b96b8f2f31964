//! Which partition a row belongs to: a hash of the canonical text of its key columns. It never
//! looks at more than one column at a time and allocates nothing per row.
//!
//! The canonical text of a value is what JSON answers show, without quotes; NULL is empty. Texts
//! of several columns are joined by 0x1F.

use std::fmt::Write as _;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use mainstem_kernel::Timestamp;

use crate::murmur::murmur2;

/// Between the texts of two columns.
const SEPARATOR: u8 = 0x1f;

/// The partition of each row.
pub(crate) fn partitions(batch: &RecordBatch, keys: &[usize], count: u16) -> Vec<u16> {
    let single = match keys {
        [key] => batch.columns().get(*key),
        _ => None,
    };
    if let Some(texts) = single.and_then(|column| column.as_string_opt::<i32>()) {
        let (bytes, nulls) = (texts.value_data(), texts.nulls());
        let bounds = texts.value_offsets().array_windows::<2>();
        return bounds
            .enumerate()
            .map(|(row, [from, to])| {
                let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
                let range = usize::try_from(*from).unwrap_or(0)..usize::try_from(*to).unwrap_or(0);
                let text = if is_null {
                    &[]
                } else {
                    bytes.get(range).unwrap_or_default()
                };
                place(text, count)
            })
            .collect();
    }
    let mut text = Vec::with_capacity(64);
    let columns: Vec<&dyn Array> = keys
        .iter()
        .filter_map(|key| batch.columns().get(*key))
        .map(|c| &**c)
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            text.clear();
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    text.push(SEPARATOR);
                }
                if column.is_valid(row) {
                    write_canonical(*column, row, &mut text);
                }
            }
            place(&text, count)
        })
        .collect()
}

#[inline(always)]
fn place(key: &[u8], count: u16) -> u16 {
    let place = (murmur2(key) & 0x7fff_ffff) % u32::from(count.max(1));
    u16::try_from(place).unwrap_or(0)
}

/// Appends the canonical text of one value of a type that rows can be partitioned by.
fn write_canonical(column: &dyn Array, row: usize, text: &mut Vec<u8>) {
    let mut out = Out(text);
    let written = match column.data_type() {
        DataType::Utf8 => out.bytes(column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => {
            let mut encoded = String::new();
            STANDARD.encode_string(column.as_binary::<i32>().value(row), &mut encoded);
            out.bytes(encoded.as_bytes())
        }
        DataType::Boolean => write!(out, "{}", column.as_boolean().value(row)),
        DataType::Int16 => write!(out, "{}", column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Date32 => {
            let days = i64::from(column.as_primitive::<Date32Type>().value(row));
            let midnight = Timestamp(days.saturating_mul(86_400_000_000)).to_string();
            out.bytes(midnight.as_bytes().get(..10).unwrap_or_default())
        }
        DataType::Timestamp(..) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            write!(out, "{}", Timestamp(micros))
        }
        DataType::Decimal128(..) => {
            let value = column.as_primitive::<Decimal128Type>().value_as_string(row);
            out.bytes(value.as_bytes())
        }
        _ => Ok(()),
    };
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

/// Bytes that can be formatted into.
struct Out<'a>(&'a mut Vec<u8>);

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> std::fmt::Result {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl std::fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
