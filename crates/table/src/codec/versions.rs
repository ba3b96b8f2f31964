//! The columns of rows in one version of the schema, and where the newest columns are in it.
//! Never a key.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryArray, RecordBatch, new_null_array},
    buffer::OffsetBuffer,
    datatypes::DataType,
    error::ArrowError,
    row::{RowConverter, RowParser, Rows, SortField},
};
use mainstem_kernel::Columns;

use crate::schema::TableSchema;

/// Where one of the newest columns is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Among the key's columns.
    Key(usize),
    /// Among the columns of the row value.
    Value(usize),
    /// Not in this version; its type.
    Absent(DataType),
}

/// The columns of row values in one version.
#[derive(Debug)]
pub(super) struct VersionCodec {
    /// `None` if there is no column but the key's.
    converter: Option<(RowConverter, RowParser)>,
    /// Of each of the newest columns, in their order.
    places: Vec<Place>,
}

impl VersionCodec {
    pub(super) fn new(
        table: &TableSchema,
        columns: &Columns,
        key: &[usize],
    ) -> Result<Self, ArrowError> {
        let newest = &table.columns.0;
        let is_key = |id: u32| {
            let mut key = key.iter().filter_map(|place| newest.get(*place));
            key.position(|column| column.id == id)
        };
        let values = columns
            .0
            .iter()
            .filter(|column| is_key(column.id).is_none());
        let values: Vec<_> = values.collect();
        let place = |id: u32, ty: DataType| match is_key(id) {
            Some(at) => Place::Key(at),
            None => match values.iter().position(|column| column.id == id) {
                Some(at) => Place::Value(at),
                None => Place::Absent(ty),
            },
        };
        let places = newest
            .iter()
            .map(|column| place(column.id, column.ty.arrow()));
        let places = places.collect();
        let types = values
            .iter()
            .map(|column| SortField::new(column.ty.arrow()));
        let types: Vec<SortField> = types.collect();
        let converter = if types.is_empty() {
            None
        } else {
            let converter = RowConverter::new(types)?;
            let parser = converter.parser();
            Some((converter, parser))
        };
        Ok(Self { converter, places })
    }

    /// Of each of the newest columns, in their order.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The values of rows that have the newest columns: only for the newest version.
    pub(super) fn encode(&self, rows: &RecordBatch) -> Result<BinaryArray, ArrowError> {
        let Some((converter, _)) = &self.converter else {
            let offsets = OffsetBuffer::new_zeroed(rows.num_rows());
            return BinaryArray::try_new(offsets, Vec::<u8>::new().into(), None);
        };
        let columns = rows.columns().iter().zip(&self.places);
        let values = columns.filter(|(_, place)| matches!(place, Place::Value(_)));
        let values: Vec<ArrayRef> = values.map(|(column, _)| Arc::clone(column)).collect();
        converter
            .convert_columns(&values)
            .and_then(Rows::try_into_binary)
    }

    /// The newest columns behind the key's, in their order.
    pub(super) fn decode<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut rows = 0;
        let values = values.into_iter().inspect(|_| rows += 1);
        let columns = match &self.converter {
            Some((converter, parser)) => {
                converter.convert_rows(values.map(|value| parser.parse(value)))?
            }
            None => {
                values.for_each(drop);
                Vec::new()
            }
        };
        let mut found = Vec::with_capacity(self.places.len());
        for place in &self.places {
            match place {
                Place::Key(_) => {}
                Place::Value(at) => found.extend(columns.get(*at).map(Arc::clone)),
                Place::Absent(ty) => found.push(new_null_array(ty, rows)),
            }
        }
        Ok(found)
    }
}
