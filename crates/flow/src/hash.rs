//! The fixed 64-bit hash of key columns. It decides the bucket of a group's state, so it must
//! never change: state on disk is found by it.
//!
//! # Definition
//!
//! `fold(a, b)` is the 128-bit product of a and b, its two halves combined with xor. A row's hash
//! begins as `SEED`; each column in turn makes `h` into
//!
//! * NULL: `fold(h ^ NULL, K1)`
//! * boolean, integers, DATE, TIMESTAMPTZ, as a 64-bit integer v: `fold(h ^ v, K1)`
//! * REAL, DOUBLE PRECISION: the same with the bits of the canonical 64-bit float
//! * NUMERIC, as a 128-bit integer: low half, then high half, each as an integer
//! * TEXT, BYTEA of n bytes: h = `fold(h ^ n, K2)`, then for each 16 bytes, the last ones filled
//!   up with zeroes, h = `fold(lo ^ K1, hi ^ h)` (little endian)
//!
//! The bucket is the upper 8 bits. Source of `fold`: Wang Yi, "wyhash", public domain.

use datafusion::arrow::array::Array;

use super::keys::KeyColumn;

const SEED: u64 = 0x2d35_8dcc_aa6c_78a5;
const K1: u64 = 0x8bb8_4b93_962e_acc9;
const K2: u64 = 0x4b33_a62e_d433_d4a3;
const NULL: u64 = 0x4d5a_2da5_1de1_aa47;

/// The halves of the product, combined.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves of a product are taken apart"
)]
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
const fn fixed(h: u64, value: u64) -> u64 {
    fold(h ^ value, K1)
}

#[inline]
fn half(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let mut eight = [0; 8];
            for (to, from) in eight.iter_mut().zip(bytes) {
                *to = *from;
            }
            u64::from_le_bytes(eight)
        }
    }
}

#[inline]
fn text(h: u64, bytes: &[u8]) -> u64 {
    let mut h = fold(h ^ bytes.len() as u64, K2);
    let mut rest = bytes;
    while let Some((sixteen, after)) = rest.split_first_chunk::<16>() {
        let (lo, hi) = sixteen.split_at(8);
        h = fold(half(lo) ^ K1, half(hi) ^ h);
        rest = after;
    }
    if !rest.is_empty() {
        let (lo, hi) = rest.split_at(rest.len().min(8));
        h = fold(half(lo) ^ K1, half(hi) ^ h);
    }
    h
}

/// The bits of a float that equal floats share.
#[inline]
pub(crate) fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // −0 + 0 is +0, and nothing else changes.
        (value + 0.0).to_bits()
    }
}

/// The hashes of all rows.
pub(crate) fn hash_rows(columns: &[KeyColumn<'_>], rows: usize) -> Vec<u64> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        hash_column(column, &mut hashes);
    }
    hashes
}

fn hash_column(column: &KeyColumn<'_>, hashes: &mut [u64]) {
    match column {
        KeyColumn::Bool(array) => each(*array, hashes, |h, row| {
            fixed(h, u64::from(array.value(row)))
        }),
        KeyColumn::I16(array) => {
            each(*array, hashes, |h, row| {
                fixed(h, i64::from(array.value(row)).cast_unsigned())
            });
        }
        KeyColumn::I32(values, nulls) => nullable(*nulls, hashes, |h, row| {
            fixed(h, i64::from(values[row]).cast_unsigned())
        }),
        KeyColumn::I64(values, nulls) => {
            nullable(*nulls, hashes, |h, row| {
                fixed(h, values[row].cast_unsigned())
            });
        }
        KeyColumn::F32(array) => {
            each(*array, hashes, |h, row| {
                fixed(h, float_bits(f64::from(array.value(row))))
            });
        }
        KeyColumn::F64(array) => each(*array, hashes, |h, row| {
            fixed(h, float_bits(array.value(row)))
        }),
        KeyColumn::I128(array) => each(*array, hashes, |h, row| wide(h, array.value(row))),
        KeyColumn::Text(array) => each(*array, hashes, |h, row| {
            text(h, array.value(row).as_bytes())
        }),
        KeyColumn::Bytes(array) => each(*array, hashes, |h, row| text(h, array.value(row))),
    }
}

fn wide(h: u64, value: i128) -> u64 {
    let bytes = value.to_le_bytes();
    let (lo, hi) = bytes.split_at(8);
    fixed(fixed(h, half(lo)), half(hi))
}

fn each(array: &dyn Array, hashes: &mut [u64], hash: impl Fn(u64, usize) -> u64) {
    nullable(array.nulls(), hashes, hash);
}

#[inline]
fn nullable(
    nulls: Option<&datafusion::arrow::buffer::NullBuffer>,
    hashes: &mut [u64],
    hash: impl Fn(u64, usize) -> u64,
) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (row, h) in hashes.iter_mut().enumerate() {
                *h = hash(*h, row);
            }
        }
        Some(nulls) => {
            for (row, h) in hashes.iter_mut().enumerate() {
                *h = if nulls.is_valid(row) {
                    hash(*h, row)
                } else {
                    fixed(*h, NULL)
                };
            }
        }
    }
}

/// Folds a number into a hash that is used in memory only.
#[inline]
pub(crate) const fn with_number(h: u64, number: i64) -> u64 {
    fold(h ^ number.cast_unsigned(), K2)
}

/// The bucket of a hash.
#[inline]
pub(crate) const fn bucket_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

#[cfg(test)]
mod tests;
