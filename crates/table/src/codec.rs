//! `RowCodec`: columns of rows to bytes, and back.
//!
//! # Encoding, version 1
//!
//! Integers of the frame around it are big-endian.
//!
//! ```text
//! row key    arrow-row bytes of the key's columns in the key's order, ascending, NULL first:
//!            the order of bytes is the order of keys, and leading columns are a prefix
//! row value  arrow-row bytes of all other columns, in the order of their version
//! stored     key:   table u32 | row key
//!            value: version of the columns u32 | written u64 (seq) | row value
//! ```
//!
//! arrow-row does not promise that its bytes stay the same from version to version of Arrow. A test
//! compares them with bytes that were written by the first version; if it fails after an update of
//! Arrow, `ENCODING` goes up and the old decoder is kept.
//!
//! It never knows where bytes are kept.

mod keys;
mod versions;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BinaryArray, RecordBatch},
    compute::interleave,
    datatypes::{Fields, Schema, SchemaRef},
    error::ArrowError,
    row::{RowConverter, RowParser, SortField},
};
use mainstem_kernel::{Column, SchemaVersion, Seq, StreamId, StreamName};

pub use keys::{RowHasher, RowKeys};
use versions::{Place, VersionCodec};

use crate::{errors::TableError, schema::TableSchema};

/// Version of the encoding of rows.
pub const ENCODING: u16 = 1;
/// Longest row key, in bytes; the store's keys have room for a little more.
pub const ROW_KEY_BYTES_MAX: usize = 32 << 10;
/// Bytes of a stored value before the row value.
const HEADER_BYTES: usize = 12;

/// Columns of rows to bytes, and back.
#[derive(Debug)]
pub struct RowCodec {
    table: TableSchema,
    schema: SchemaRef,
    hasher: RowHasher,
    /// Places of the key's columns in `schema`.
    key: Vec<usize>,
    key_converter: RowConverter,
    key_parser: RowParser,
    versions: BTreeMap<SchemaVersion, VersionCodec>,
}

/// A row as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRef<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Of the columns in `value`.
    pub(crate) version: SchemaVersion,
}

impl RowCodec {
    /// The codec of a table.
    ///
    /// # Errors
    /// `Shape` when the key's columns are missing, or of a type that has no order.
    pub fn new(table: TableSchema, hasher: RowHasher) -> Result<Arc<Self>, TableError> {
        let key = key_places(&table)?;
        let schema = table.row_schema();
        let types = key.iter().filter_map(|place| schema.fields().get(*place));
        let types: Vec<SortField> = types
            .map(|field| SortField::new(field.data_type().clone()))
            .collect();
        let arrange = |source| arrange_error(&table.name, source);
        let key_converter = RowConverter::new(types).map_err(arrange)?;
        let mut versions = BTreeMap::new();
        for (version, columns) in &table.versions {
            let codec = VersionCodec::new(&table, columns, &key).map_err(arrange)?;
            versions.insert(*version, codec);
        }
        if !versions.contains_key(&table.version) {
            return Err(TableError::Undeclared {
                table: table.name,
                version: table.version,
            });
        }
        Ok(Arc::new(Self {
            schema,
            hasher,
            key,
            key_parser: key_converter.parser(),
            key_converter,
            versions,
            table,
        }))
    }

    /// What it encodes.
    #[must_use]
    pub fn table(&self) -> &TableSchema {
        &self.table
    }

    /// Columns of the batches that it gives.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Places of the key's columns in `schema`, in the order of the key.
    #[must_use]
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// The key's columns of a batch of whole rows, in the order of the key.
    #[must_use]
    pub fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        let columns = self.key.iter().filter_map(|at| rows.columns().get(*at));
        columns.map(Arc::clone).collect()
    }

    /// The keys of rows, from the key's columns in the order of the key.
    ///
    /// # Errors
    /// `Shape` when a column is missing or has another type, or holds NULL where it must not;
    /// `KeyTooLong`.
    pub fn keys(&self, columns: &[ArrayRef]) -> Result<RowKeys, TableError> {
        if columns.len() != self.key.len() {
            let (found, expected) = (columns.len(), self.key.len());
            return Err(self.shape(format!("{found} key columns, expected {expected}")));
        }
        for (place, column) in self.key.iter().zip(columns) {
            self.check_column(*place, column)?;
            let field = self.schema.fields().get(*place);
            if column.null_count() > 0 && field.is_some_and(|field| !field.is_nullable()) {
                let name = field.map_or("", |field| field.name());
                return Err(self.shape(format!("key column \"{name}\" holds NULL")));
            }
        }
        let keys = self.key_converter.convert_columns(columns);
        let keys = keys.and_then(arrow::row::Rows::try_into_binary);
        let keys = keys.map_err(|source| self.arrange(source))?;
        let longest = keys.offsets().lengths().max().unwrap_or(0);
        if longest > ROW_KEY_BYTES_MAX {
            return Err(TableError::KeyTooLong {
                table: self.table.name.clone(),
                bytes: longest,
                limit: ROW_KEY_BYTES_MAX,
            });
        }
        Ok(RowKeys::new(keys, &self.hasher))
    }

    /// What the keys of all rows begin with whose first key columns have these values; the columns
    /// have one row.
    ///
    /// # Errors
    /// `Shape` when there are too many columns, or one has another type.
    pub fn key_prefix(&self, columns: &[ArrayRef]) -> Result<Vec<u8>, TableError> {
        let mut types = Vec::with_capacity(columns.len());
        for (number, column) in columns.iter().enumerate() {
            let place = self.key.get(number).copied();
            let place = place.ok_or_else(|| self.shape("too many key columns".to_owned()))?;
            self.check_column(place, column)?;
            types.push(SortField::new(column.data_type().clone()));
        }
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let rows = RowConverter::new(types).and_then(|all| all.convert_columns(columns));
        let rows = rows.map_err(|source| self.arrange(source))?;
        let first = rows.iter().next();
        Ok(first.map_or_else(Vec::new, |row| row.as_ref().to_vec()))
    }

    /// The values of rows: all columns but the key's, of the newest version.
    pub(crate) fn values(&self, rows: &RecordBatch) -> Result<BinaryArray, TableError> {
        self.check_batch(rows)?;
        let codec = self.version(self.table.version)?;
        codec.encode(rows).map_err(|source| self.arrange(source))
    }

    /// Rows as columns, in the order given. Columns that a row's version did not have are NULL.
    pub(crate) fn decode(&self, rows: &[RowRef<'_>]) -> Result<RecordBatch, TableError> {
        let keys = rows.iter().map(|row| self.key_parser.parse(row.key));
        let keys = self.key_converter.convert_rows(keys);
        let keys = keys.map_err(|source| self.arrange(source))?;
        let values = self.decode_values(rows)?;
        let newest = self.version(self.table.version)?;
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for place in newest.places() {
            let column = match place {
                Place::Key(at) => keys.get(*at),
                Place::Value(at) => values.get(*at),
                Place::Absent(_) => None,
            };
            let missing = || self.shape("a column is missing".to_owned());
            columns.push(Arc::clone(column.ok_or_else(missing)?));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|source| self.arrange(source))
    }

    /// Keys as columns, in the order of the key.
    pub(crate) fn decode_keys(&self, keys: &[&[u8]]) -> Result<RecordBatch, TableError> {
        let keys = keys.iter().map(|key| self.key_parser.parse(key));
        let columns = self.key_converter.convert_rows(keys);
        let fields = self
            .key
            .iter()
            .filter_map(|at| self.schema.fields().get(*at));
        let schema = Schema::new(fields.cloned().collect::<Fields>());
        columns
            .and_then(|columns| RecordBatch::try_new(Arc::new(schema), columns))
            .map_err(|source| self.arrange(source))
    }

    /// The columns behind the key's, of the newest version, whatever versions the rows have.
    fn decode_values(&self, rows: &[RowRef<'_>]) -> Result<Vec<ArrayRef>, TableError> {
        let first = rows.first().map_or(self.table.version, |row| row.version);
        if rows.iter().all(|row| row.version == first) {
            return self.decode_version(first, rows.iter().map(|row| row.value));
        }
        let mut pieces: BTreeMap<SchemaVersion, Vec<&[u8]>> = BTreeMap::new();
        for row in rows {
            pieces.entry(row.version).or_default().push(row.value);
        }
        let mut places = Vec::with_capacity(rows.len());
        let mut used: BTreeMap<SchemaVersion, usize> = BTreeMap::new();
        for row in rows {
            let at = used.entry(row.version).or_default();
            let piece = pieces.range(..row.version).count();
            places.push((piece, *at));
            *at += 1;
        }
        let pieces = pieces.into_iter();
        let decoded = pieces.map(|(version, values)| self.decode_version(version, values));
        let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
        let count = decoded.first().map_or(0, Vec::len);
        let column = |at: usize| {
            let arrays = decoded.iter().filter_map(|piece| piece.get(at));
            let arrays: Vec<&dyn Array> = arrays.map(AsRef::as_ref).collect();
            interleave(&arrays, &places).map_err(|source| self.arrange(source))
        };
        (0..count).map(column).collect()
    }

    fn decode_version<'a>(
        &self,
        version: SchemaVersion,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, TableError> {
        let codec = self.version(version)?;
        codec.decode(values).map_err(|source| self.arrange(source))
    }

    /// How keys are hashed.
    pub(crate) const fn hasher(&self) -> &RowHasher {
        &self.hasher
    }

    fn version(&self, version: SchemaVersion) -> Result<&VersionCodec, TableError> {
        let codec = self.versions.get(&version);
        codec.ok_or_else(|| TableError::Undeclared {
            table: self.table.name.clone(),
            version,
        })
    }

    fn check_batch(&self, rows: &RecordBatch) -> Result<(), TableError> {
        let (found, expected) = (rows.num_columns(), self.schema.fields().len());
        if found != expected {
            return Err(self.shape(format!("{found} columns, expected {expected}")));
        }
        let columns = rows.columns().iter().enumerate();
        columns
            .into_iter()
            .try_for_each(|(place, column)| self.check_column(place, column))
    }

    fn check_column(&self, place: usize, column: &ArrayRef) -> Result<(), TableError> {
        let field = self.schema.fields().get(place);
        let expected = field.map(|field| field.data_type());
        if expected.is_some_and(|ty| ty.equals_datatype(column.data_type())) {
            return Ok(());
        }
        let name = field.map_or("", |field| field.name());
        let found = column.data_type();
        let expected = expected.map_or_else(String::new, ToString::to_string);
        Err(self.shape(format!("column \"{name}\" is {found}, expected {expected}")))
    }

    pub(crate) fn shape(&self, reason: String) -> TableError {
        TableError::Shape {
            table: self.table.name.clone(),
            reason,
        }
    }

    pub(crate) fn arrange(&self, source: ArrowError) -> TableError {
        arrange_error(&self.table.name, source)
    }
}

/// Places of the key's columns in the newest columns.
fn key_places(table: &TableSchema) -> Result<Vec<usize>, TableError> {
    let fail = |reason: String| TableError::Shape {
        table: table.name.clone(),
        reason,
    };
    if table.key.is_empty() {
        return Err(fail("it has no key".to_owned()));
    }
    let place = |name| {
        let is_it = |column: &Column| &column.name == name;
        let place = table.columns.0.iter().position(is_it);
        place.ok_or_else(|| fail(format!("key column \"{name}\" is missing")))
    };
    table.key.iter().map(place).collect()
}

fn arrange_error(table: &StreamName, source: ArrowError) -> TableError {
    TableError::Arrange {
        table: table.clone(),
        source,
    }
}

/// What stands before the row key in the store.
pub(crate) fn table_prefix(table: StreamId) -> [u8; 4] {
    table.0.to_be_bytes()
}

/// What stands before the row value in the store.
pub(crate) fn stored_header(version: SchemaVersion, written: Seq) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (first, last) = header.split_at_mut(4);
    first.copy_from_slice(&version.0.to_be_bytes());
    last.copy_from_slice(&written.0.to_be_bytes());
    header
}

/// Takes a stored value apart; `None` if it is none.
pub(crate) fn parse_stored(stored: &[u8]) -> Option<(SchemaVersion, Seq, &[u8])> {
    let (version, rest) = stored.split_first_chunk::<4>()?;
    let (written, value) = rest.split_first_chunk::<8>()?;
    let version = SchemaVersion(u32::from_be_bytes(*version));
    Some((version, Seq(u64::from_be_bytes(*written)), value))
}

#[cfg(test)]
mod tests;
