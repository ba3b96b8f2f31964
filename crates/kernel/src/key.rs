//! The key of a row as text, and the partition that it chooses: the same on one machine and on
//! Kafka, so that a stream keeps its partitions when it moves.
//!
//! The canonical text of a value is what JSON answers show, without quotes; NULL is empty. Texts of
//! several columns are joined by 0x1F. The hash is Kafka's.
//!
//! Source: `org.apache.kafka.common.utils.Utils.murmur2`, Apache Kafka 4.0.

use std::fmt::Write as _;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::time::Timestamp;

/// Between the texts of two columns.
const SEPARATOR: u8 = 0x1f;

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The partition of a key, as Kafka's own clients choose it.
#[inline]
#[must_use]
pub fn partition_of(key: &[u8], count: u16) -> u16 {
    let place = (murmur2(key) & 0x7fff_ffff) % u32::from(count.max(1));
    u16::try_from(place).unwrap_or(0)
}

/// Appends the key of a row: the canonical text of these columns.
pub fn write_key(columns: &[&dyn Array], row: usize, text: &mut Vec<u8>) {
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            text.push(SEPARATOR);
        }
        if column.is_valid(row) {
            write_canonical(*column, row, text);
        }
    }
}

/// MurmurHash2 with Kafka's seed.
#[inline]
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the algorithm takes the lower 32 bits"
    )]
    let mut hash = SEED ^ (key.len() as u32);
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest
            .iter()
            .rev()
            .fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
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
