//! Keys of groups: columns that can be grouped by, how two rows compare, and the bytes under
//! which a group is found and kept.
//!
//! # Bytes of a key
//!
//! Column after column: one byte 0 for NULL, or 1 and the value: integers little endian in their
//! width (BOOLEAN as one byte, DATE as 4, TIMESTAMPTZ as 8, NUMERIC as 16), floats as the bits of
//! their canonical form, TEXT and BYTEA as 4 bytes of length and the bytes. They are equal exactly
//! if the keys are, they have no order, and they are part of the format of state.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, BooleanBuilder,
        Decimal128Array, Decimal128Builder, Float32Array, Float32Builder, Float64Array,
        Float64Builder, Int16Array, Int16Builder, Int32Builder, Int64Builder, StringArray,
        StringBuilder,
    },
    buffer::NullBuffer,
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
        Int64Type, TimeUnit, TimestampMicrosecondType,
    },
    error::ArrowError,
};

use crate::{
    columns::{extend, make_room},
    hash::float_bits,
};

/// A column that can be grouped by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyColumn<'a> {
    Bool(&'a BooleanArray),
    I16(&'a Int16Array),
    /// INTEGER and DATE.
    I32(&'a [i32], Option<&'a NullBuffer>),
    /// BIGINT and TIMESTAMPTZ.
    I64(&'a [i64], Option<&'a NullBuffer>),
    F32(&'a Float32Array),
    F64(&'a Float64Array),
    I128(&'a Decimal128Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
}

/// The type in which a column is grouped by, if it can be: some types have several layouts.
pub(crate) fn key_type(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond, _) => Some(ty.clone()),
        DataType::Int8 | DataType::UInt8 => Some(DataType::Int16),
        DataType::UInt16 => Some(DataType::Int32),
        DataType::UInt32 => Some(DataType::Int64),
        DataType::Utf8View | DataType::LargeUtf8 => Some(DataType::Utf8),
        DataType::BinaryView | DataType::LargeBinary => Some(DataType::Binary),
        DataType::Timestamp(_, zone) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::Dictionary(_, value) => key_type(value),
        _ => None,
    }
}

/// The column in the type that `key_type` names.
pub(crate) fn as_key(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match key_type(column.data_type()) {
        Some(ty) if ty == *column.data_type() => Ok(Arc::clone(column)),
        Some(ty) => cast(column, &ty),
        None => Err(unfit(column.data_type())),
    }
}

fn unfit(ty: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("rows cannot be grouped by {ty}"))
}

impl<'a> KeyColumn<'a> {
    /// Looks at a column that `as_key` gave.
    pub(crate) fn of(column: &'a ArrayRef) -> Result<Self, ArrowError> {
        let nulls = column.nulls();
        Ok(match column.data_type() {
            DataType::Boolean => Self::Bool(column.as_boolean()),
            DataType::Int16 => Self::I16(column.as_primitive::<Int16Type>()),
            DataType::Int32 => Self::I32(column.as_primitive::<Int32Type>().values(), nulls),
            DataType::Date32 => Self::I32(column.as_primitive::<Date32Type>().values(), nulls),
            DataType::Int64 => Self::I64(column.as_primitive::<Int64Type>().values(), nulls),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::I64(
                column.as_primitive::<TimestampMicrosecondType>().values(),
                nulls,
            ),
            DataType::Float32 => Self::F32(column.as_primitive::<Float32Type>()),
            DataType::Float64 => Self::F64(column.as_primitive::<Float64Type>()),
            DataType::Decimal128(..) => Self::I128(column.as_primitive::<Decimal128Type>()),
            DataType::Utf8 => Self::Text(column.as_string::<i32>()),
            DataType::Binary => Self::Bytes(column.as_binary::<i32>()),
            other => return Err(unfit(other)),
        })
    }

    /// All of them.
    pub(crate) fn all(columns: &'a [ArrayRef]) -> Result<Vec<Self>, ArrowError> {
        columns.iter().map(Self::of).collect()
    }

    fn nulls(&self) -> Option<&'a NullBuffer> {
        match *self {
            Self::Bool(array) => array.nulls(),
            Self::I16(array) => array.nulls(),
            Self::I32(_, nulls) | Self::I64(_, nulls) => nulls,
            Self::F32(array) => array.nulls(),
            Self::F64(array) => array.nulls(),
            Self::I128(array) => array.nulls(),
            Self::Text(array) => array.nulls(),
            Self::Bytes(array) => array.nulls(),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Whether two rows have the same value, NULL being one.
    #[inline]
    pub(crate) fn same(&self, a: usize, b: usize) -> bool {
        if let Some(nulls) = self.nulls().filter(|nulls| nulls.null_count() > 0) {
            match (nulls.is_null(a), nulls.is_null(b)) {
                (false, false) => {}
                (a, b) => return a && b,
            }
        }
        match *self {
            Self::Bool(array) => array.value(a) == array.value(b),
            Self::I16(array) => array.value(a) == array.value(b),
            Self::I32(values, _) => values[a] == values[b],
            Self::I64(values, _) => values[a] == values[b],
            Self::F32(array) => {
                float_bits(array.value(a).into()) == float_bits(array.value(b).into())
            }
            Self::F64(array) => float_bits(array.value(a)) == float_bits(array.value(b)),
            Self::I128(array) => array.value(a) == array.value(b),
            Self::Text(array) => array.value(a) == array.value(b),
            Self::Bytes(array) => array.value(a) == array.value(b),
        }
    }

    /// Whether `rest` begins with the bytes of one row's value; goes on behind them if so.
    #[inline]
    pub(crate) fn begins(&self, row: usize, rest: &mut &[u8]) -> bool {
        if self.is_null(row) {
            return begins_with(&[0], rest);
        }
        if !begins_with(&[1], rest) {
            return false;
        }
        match *self {
            Self::Bool(array) => begins_with(&[u8::from(array.value(row))], rest),
            Self::I16(array) => begins_with(&array.value(row).to_le_bytes(), rest),
            Self::I32(values, _) => begins_with(&values[row].to_le_bytes(), rest),
            Self::I64(values, _) => begins_with(&values[row].to_le_bytes(), rest),
            Self::F32(array) => begins_with(&single_bits(array.value(row)).to_le_bytes(), rest),
            Self::F64(array) => begins_with(&float_bits(array.value(row)).to_le_bytes(), rest),
            Self::I128(array) => begins_with(&array.value(row).to_le_bytes(), rest),
            Self::Text(array) => begins_with_text(array.value(row).as_bytes(), rest),
            Self::Bytes(array) => begins_with_text(array.value(row), rest),
        }
    }

    /// Puts the bytes of one row's value behind `out`.
    #[inline]
    pub(crate) fn put(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.push(0);
            return;
        }
        out.push(1);
        match *self {
            Self::Bool(array) => out.push(u8::from(array.value(row))),
            Self::I16(array) => out.extend_from_slice(&array.value(row).to_le_bytes()),
            Self::I32(values, _) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::I64(values, _) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::F32(array) => out.extend_from_slice(&single_bits(array.value(row)).to_le_bytes()),
            Self::F64(array) => out.extend_from_slice(&float_bits(array.value(row)).to_le_bytes()),
            Self::I128(array) => out.extend_from_slice(&array.value(row).to_le_bytes()),
            Self::Text(array) => put_bytes(array.value(row).as_bytes(), out),
            Self::Bytes(array) => put_bytes(array.value(row), out),
        }
    }
}

fn single_bits(value: f32) -> u32 {
    if value.is_nan() {
        f32::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

#[inline]
fn begins_with(bytes: &[u8], rest: &mut &[u8]) -> bool {
    match rest.strip_prefix(bytes) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

#[inline]
fn begins_with_text(bytes: &[u8], rest: &mut &[u8]) -> bool {
    text_of(rest).is_some_and(|text| text == bytes)
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // An Arrow array with 32-bit offsets holds no longer value.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Keys of many groups, one after the other, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyBytes {
    /// Where each key ends in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl KeyBytes {
    /// Number of keys.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start as usize..self.ends[at] as usize]
    }

    pub(crate) fn push(&mut self, key: &[u8]) {
        extend(&mut self.bytes, key);
        self.end();
    }

    /// Sees to it that so many more keys fit, and so many more bytes of keys.
    pub(crate) fn make_room(&mut self, (keys, bytes): (usize, usize)) {
        make_room(&mut self.ends, keys);
        make_room(&mut self.bytes, bytes);
    }

    /// Adds keys of these lengths, which lie one after the other in `bytes`.
    pub(crate) fn extend(&mut self, lengths: impl Iterator<Item = u32>, bytes: &[u8]) {
        let before = self.bytes.len();
        extend(&mut self.bytes, bytes);
        make_room(&mut self.ends, lengths.size_hint().0);
        let mut end = before;
        for length in lengths {
            end += length as usize;
            self.ends.push(end_of(end));
        }
        debug_assert_eq!(end, self.bytes.len());
    }

    /// A key ends here.
    fn end(&mut self) {
        make_room(&mut self.ends, 1);
        self.ends.push(end_of(self.bytes.len()));
    }

    /// The keys of some rows.
    pub(crate) fn of_rows(columns: &[KeyColumn<'_>], rows: &[u32]) -> Self {
        let mut keys = Self {
            ends: Vec::with_capacity(rows.len()),
            bytes: Vec::with_capacity(rows.len() * columns.len() * VALUE_BYTES),
        };
        for row in rows {
            for column in columns {
                column.put(*row as usize, &mut keys.bytes);
            }
            keys.end();
        }
        keys
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.bytes.capacity()
    }
}

/// A place in a buffer of keys. The groups of a bucket or a chunk have less than 4 GiB of them:
/// their memory is bounded far below that.
fn end_of(bytes: usize) -> u32 {
    let end = u32::try_from(bytes);
    assert!(end.is_ok(), "the keys of one bucket take {bytes} bytes");
    end.unwrap_or(u32::MAX)
}

/// Bytes of a key's value, about: what is reserved for each.
const VALUE_BYTES: usize = 16;

/// Builds one column from the bytes of keys.
enum Builder {
    Bool(BooleanBuilder),
    I16(Int16Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    I128(Decimal128Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
}

/// Columns of keys, in the types that were asked for.
///
/// # Errors
/// When the bytes are not those of such keys.
pub(crate) fn read_keys<'a>(
    types: &[DataType],
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let rows = keys.size_hint().0;
    let mut builders = types
        .iter()
        .map(|ty| Builder::new(ty, rows))
        .collect::<Result<Vec<_>, _>>()?;
    for key in keys {
        let mut rest = key;
        for builder in &mut builders {
            builder.take(&mut rest).ok_or_else(damaged)?;
        }
        if !rest.is_empty() {
            return Err(damaged());
        }
    }
    let finished = builders.iter_mut().zip(types).map(|(builder, ty)| {
        let column = builder.finish();
        if column.data_type() == ty {
            Ok(column)
        } else {
            cast(&column, ty)
        }
    });
    finished.collect()
}

fn damaged() -> ArrowError {
    ArrowError::ParseError("the bytes of a key do not fit its columns".to_owned())
}

fn bytes_of<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn text_of<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(bytes_of(rest)?)).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

impl Builder {
    /// With room for so many rows and no more: many small windows would keep what is spare.
    fn new(ty: &DataType, rows: usize) -> Result<Self, ArrowError> {
        let ty = key_type(ty).ok_or_else(|| unfit(ty))?;
        let bytes = rows * VALUE_BYTES;
        Ok(match ty {
            DataType::Boolean => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Int16 => Self::I16(Int16Builder::with_capacity(rows)),
            DataType::Int32 | DataType::Date32 => Self::I32(Int32Builder::with_capacity(rows)),
            DataType::Int64 | DataType::Timestamp(..) => {
                Self::I64(Int64Builder::with_capacity(rows))
            }
            DataType::Float32 => Self::F32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::F64(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(..) => {
                Self::I128(Decimal128Builder::with_capacity(rows).with_data_type(ty))
            }
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(rows, bytes)),
            DataType::Binary => Self::Bytes(BinaryBuilder::with_capacity(rows, bytes)),
            other => return Err(unfit(&other)),
        })
    }

    fn take(&mut self, rest: &mut &[u8]) -> Option<()> {
        if let [0] = bytes_of::<1>(rest)? {
            self.null();
            return Some(());
        }
        match self {
            Self::Bool(builder) => builder.append_value(bytes_of::<1>(rest)? != [0]),
            Self::I16(builder) => builder.append_value(i16::from_le_bytes(bytes_of(rest)?)),
            Self::I32(builder) => builder.append_value(i32::from_le_bytes(bytes_of(rest)?)),
            Self::I64(builder) => builder.append_value(i64::from_le_bytes(bytes_of(rest)?)),
            Self::F32(builder) => builder.append_value(f32::from_le_bytes(bytes_of(rest)?)),
            Self::F64(builder) => builder.append_value(f64::from_le_bytes(bytes_of(rest)?)),
            Self::I128(builder) => builder.append_value(i128::from_le_bytes(bytes_of(rest)?)),
            Self::Text(builder) => builder.append_value(std::str::from_utf8(text_of(rest)?).ok()?),
            Self::Bytes(builder) => builder.append_value(text_of(rest)?),
        }
        Some(())
    }

    fn null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::I16(builder) => builder.append_null(),
            Self::I32(builder) => builder.append_null(),
            Self::I64(builder) => builder.append_null(),
            Self::F32(builder) => builder.append_null(),
            Self::F64(builder) => builder.append_null(),
            Self::I128(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::I16(builder) => Arc::new(builder.finish()),
            Self::I32(builder) => Arc::new(builder.finish()),
            Self::I64(builder) => Arc::new(builder.finish()),
            Self::F32(builder) => Arc::new(builder.finish()),
            Self::F64(builder) => Arc::new(builder.finish()),
            Self::I128(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests;
