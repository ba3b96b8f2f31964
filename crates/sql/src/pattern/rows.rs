//! The arguments of a pattern's function over some rows, as the matcher reads them: values as bytes that
//! compare as the values do.

use std::{fmt, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array},
    compute::cast,
    datatypes::{DataType, TimestampMicrosecondType},
    error::ArrowError,
    row::{RowConverter, SortField},
};

use super::Program;

/// A program with the types of its values.
pub(super) struct Typed {
    pub(super) types: Vec<DataType>,
    converters: Vec<RowConverter>,
}

impl Typed {
    /// With arguments of these types.
    ///
    /// # Errors
    /// When a value has no order.
    pub(super) fn new(program: &Program, arguments: &[DataType]) -> Result<Self, ArrowError> {
        let types = arguments.get(program.first_value()..).unwrap_or_default();
        let types: Vec<DataType> = types.iter().map(plain).collect();
        if types.len() != program.values {
            return Err(missing());
        }
        let converters = types.iter();
        let converters = converters.map(|ty| RowConverter::new(vec![SortField::new(ty.clone())]));
        Ok(Self {
            converters: converters.collect::<Result<_, _>>()?,
            types,
        })
    }

    /// Values from their bytes.
    pub(super) fn values<'a>(
        &self,
        value: usize,
        bytes: impl Iterator<Item = &'a [u8]>,
    ) -> Result<ArrayRef, ArrowError> {
        let converter = self.converters.get(value).ok_or_else(missing)?;
        let parser = converter.parser();
        let rows = bytes.map(|bytes| parser.parse(bytes));
        converter.convert_rows(rows)?.pop().ok_or_else(missing)
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.types.fmt(f)
    }
}

/// Arguments of some rows.
#[derive(Debug)]
pub struct Rows {
    times: Option<Int64Array>,
    flags: Vec<BooleanArray>,
    values: Vec<(ArrayRef, BinaryArray)>,
}

impl Rows {
    /// Of evaluated arguments.
    ///
    /// # Errors
    /// When they are not those of the program.
    pub(super) fn new(
        (program, typed): (&Program, &Typed),
        arguments: &[ArrayRef],
    ) -> Result<Self, ArrowError> {
        let (before, values) = arguments
            .split_at_checked(program.first_value())
            .ok_or_else(missing)?;
        let (times, flags) = match (program.within_us, before) {
            (None, flags) => (None, flags),
            (Some(_), [times, flags @ ..]) => {
                let times = times.as_primitive_opt::<TimestampMicrosecondType>();
                let times = times.ok_or_else(missing)?;
                (Some(times.reinterpret_cast()), flags)
            }
            (Some(_), []) => return Err(missing()),
        };
        let flags = flags.iter().map(|flag| flag.as_boolean_opt().cloned());
        let values = values.iter().zip(&typed.types).zip(&typed.converters);
        let values = values.map(|((value, ty), converter)| {
            let value = match value.data_type() == ty {
                true => Arc::clone(value),
                false => cast(value, ty)?,
            };
            let bytes = converter.convert_columns(&[Arc::clone(&value)])?;
            Ok::<_, ArrowError>((value, bytes.try_into_binary()?))
        });
        Ok(Self {
            times,
            flags: flags.collect::<Option<_>>().ok_or_else(missing)?,
            values: values.collect::<Result<_, _>>()?,
        })
    }

    /// When a row was, in µs; 0 where nobody asks, `None` if it does not say.
    pub(super) fn time(&self, row: usize) -> Option<i64> {
        match &self.times {
            None => Some(0),
            Some(times) => times.is_valid(row).then(|| times.value(row)),
        }
    }

    /// Whether a condition is true.
    pub(super) fn holds(&self, flag: usize, row: usize) -> bool {
        self.flags
            .get(flag)
            .is_some_and(|flag| flag.is_valid(row) && flag.value(row))
    }

    /// A value; `None` if it is NULL.
    pub(super) fn value(&self, value: usize, row: usize) -> Option<&[u8]> {
        let (column, bytes) = self.values.get(value)?;
        column.is_valid(row).then(|| bytes.value(row))
    }

    /// All values of a row.
    pub(super) fn values(&self, row: usize) -> Box<[Option<Box<[u8]>>]> {
        let all = 0..self.values.len();
        all.map(|value| self.value(value, row).map(Box::from))
            .collect()
    }
}

/// Types that differ in their layout alone are one.
pub(super) fn plain(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        other => other.clone(),
    }
}

fn missing() -> ArrowError {
    ArrowError::ComputeError("a pattern lacks its arguments".to_owned())
}
