//! `Entries`: rows as bytes in the row format of `arrow-row`, and back. They are part of the format of
//! state, and `arrow-row` does not promise to keep its own: with another version of it, the formats of
//! `aggregate::ranks` and `aggregate::rings` have to change if an entry does.
//!
//! It never knows whose rows they are.

use std::{fmt, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, BinaryArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
    row::{RowConverter, SortField},
};

/// Columns of certain types as entries.
pub(crate) struct Entries {
    types: Vec<DataType>,
    converter: RowConverter,
}

impl Entries {
    /// Of columns of these types, each in its order.
    ///
    /// # Errors
    /// When a column has no order.
    pub(crate) fn new(
        columns: impl IntoIterator<Item = (DataType, SortField)>,
    ) -> Result<Self, ArrowError> {
        let (types, fields): (_, Vec<SortField>) = columns.into_iter().unzip();
        Ok(Self {
            types,
            converter: RowConverter::new(fields)?,
        })
    }

    /// The same, where the order does not count.
    ///
    /// # Errors
    /// As `new`.
    pub(crate) fn unordered(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let columns = types.into_iter();
        Self::new(columns.map(|ty| (ty.clone(), SortField::new(ty))))
    }

    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.types.len()
    }

    /// Their types.
    pub(crate) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Columns in the types that they are kept in.
    pub(crate) fn fitting<'a>(
        &self,
        columns: impl Iterator<Item = &'a ArrayRef>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = columns.zip(&self.types);
        let columns = columns.map(|(column, ty)| match column.data_type() == ty {
            true => Ok(Arc::clone(column)),
            false => cast(column, ty),
        });
        columns.collect()
    }

    /// Rows of columns that fit.
    pub(crate) fn of(&self, columns: &[ArrayRef]) -> Result<BinaryArray, ArrowError> {
        self.converter.convert_columns(columns)?.try_into_binary()
    }

    /// The columns of rows.
    pub(crate) fn columns<'a>(
        &self,
        entries: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let parser = self.converter.parser();
        let rows = entries.map(|entry| parser.parse(entry));
        self.converter.convert_rows(rows)
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.types.fmt(f)
    }
}
