//! Rows of a table as records of its topic, and back. Pure.
//!
//! # Format
//!
//! | part | holds |
//! |---|---|
//! | key | the primary key as canonical JSON: an object with the columns of the key, in the order of the key |
//! | value | the row as canonical JSON, all columns; none if the row is gone |
//! | header `mainstem-seq` | when it was written: a seq, decimal |
//! | header `mainstem-schema` | version of the columns, decimal; absent for version 1 |

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, new_null_array},
    datatypes::{DataType, Field, Schema},
};
use mainstem_admit::JsonRows;
use mainstem_catalog::DELETED_COLUMN;
use mainstem_kernel::{ByteSize, Columns, SchemaVersion, Seq};
use mainstem_sql::objects;
use mainstem_table::{Changed, RowCodec, TableSchema};

/// Largest row that is read.
const ROW_SIZE_MAX: ByteSize = ByteSize(64 << 20);

/// A row on its way into a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowRecord {
    pub(super) key: Vec<u8>,
    /// None if the row is gone.
    pub(super) value: Option<Vec<u8>>,
}

/// The records of some changes, in order.
///
/// # Errors
/// When a column has a type that has no JSON, which no declared one has.
pub(super) fn records(codec: &RowCodec, changed: &Changed) -> Result<Vec<RowRecord>, String> {
    let rows = &changed.rows;
    let key = rows.project(codec.key());
    let key = key.map_err(|error| error.to_string())?;
    let mut records: Vec<RowRecord> = Vec::with_capacity(rows.num_rows());
    let each_key = |_: usize, key: &[u8]| {
        records.push(RowRecord {
            key: key.to_vec(),
            value: None,
        });
    };
    objects(&key, each_key).map_err(|error| error.to_string())?;
    let each_row = |row: usize, value: &[u8]| {
        let is_there = !changed.deleted.value(row);
        if let Some(record) = records.get_mut(row).filter(|_| is_there) {
            record.value = Some(value.to_vec());
        }
    };
    objects(rows, each_row).map_err(|error| error.to_string())?;
    Ok(records)
}

/// Rows of a table as they are read back, in order.
#[derive(Debug)]
pub(crate) struct RowsRead {
    versions: BTreeMap<SchemaVersion, Arc<Columns>>,
    newest: Columns,
    /// What came last is gathered; another version begins a new part.
    open: Option<Part>,
    done: Vec<Part>,
}

/// Changes in order, of a key perhaps several.
#[derive(Debug)]
pub(crate) struct EveryChange {
    /// After images; of rows that are gone only the key's columns mean anything.
    pub(crate) rows: RecordBatch,
    /// Which are gone.
    pub(crate) deleted: BooleanArray,
    /// When each was written.
    pub(crate) written: Vec<Seq>,
}

#[derive(Debug)]
struct Part {
    columns: Arc<Columns>,
    version: SchemaVersion,
    rows: JsonRows,
    deleted: Vec<bool>,
    written: Vec<Seq>,
}

impl RowsRead {
    pub(crate) fn new(table: &TableSchema) -> Self {
        // Of a row that is gone only the key is there.
        let nullable = |columns: &Columns| {
            let columns = columns.0.iter().map(|column| {
                let mut column = column.clone();
                column.nullable |= !table.key.contains(&column.name);
                column
            });
            Arc::new(Columns(columns.collect()))
        };
        let versions = table.versions.iter();
        let versions = versions.map(|(version, columns)| (*version, nullable(columns)));
        Self {
            versions: versions.collect(),
            newest: table.columns.clone(),
            open: None,
            done: Vec::new(),
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// Why it is no row of this table.
    pub(crate) fn push(
        &mut self,
        (key, value): (&[u8], Option<&[u8]>),
        version: SchemaVersion,
        written: Seq,
    ) -> Result<(), String> {
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.version != version)
        {
            self.done.extend(self.open.take());
            let columns = self.versions.get(&version);
            let columns = columns.ok_or_else(|| format!("columns {version} are not declared"))?;
            self.open = Some(Part {
                rows: JsonRows::new(columns, ROW_SIZE_MAX),
                columns: Arc::clone(columns),
                version,
                deleted: Vec::new(),
                written: Vec::new(),
            });
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let pushed = open.rows.push(value.unwrap_or(key));
        pushed.map_err(|error| error.to_string())?;
        open.deleted.push(value.is_none());
        open.written.push(written);
        Ok(())
    }

    /// How many were taken.
    pub(crate) fn len(&self) -> usize {
        let parts = self.done.iter().chain(&self.open);
        parts.map(|part| part.written.len()).sum()
    }

    /// The rows so far in the newest columns, every change of a key; there are none afterwards.
    ///
    /// # Errors
    /// When they are no rows of the table.
    pub(crate) fn take_every(&mut self) -> Result<Vec<EveryChange>, String> {
        self.done.extend(self.open.take());
        let mut changes = Vec::with_capacity(self.done.len());
        for mut part in std::mem::take(&mut self.done) {
            let rows = part.rows.finish().map_err(|error| error.to_string())?;
            changes.push(EveryChange {
                rows: newest(&rows, &part, &self.newest)?,
                deleted: BooleanArray::from(part.deleted),
                written: part.written,
            });
        }
        Ok(changes)
    }

    /// What the rows so far come to, a step after the other; there are none afterwards.
    ///
    /// # Errors
    /// When they are no rows of the table.
    pub(crate) fn take(&mut self, codec: &RowCodec) -> Result<Vec<Changed>, String> {
        self.done.extend(self.open.take());
        let mut changes = Vec::with_capacity(self.done.len());
        for mut part in std::mem::take(&mut self.done) {
            let rows = part.rows.finish().map_err(|error| error.to_string())?;
            let rows = newest(&rows, &part, &self.newest)?;
            let changed = Changed::from_changes(codec, &rows, &part.written);
            changes.push(changed.map_err(|error| error.to_string())?);
        }
        Ok(changes)
    }
}

/// Rows of a version in the newest columns, and which of them are gone.
fn newest(rows: &RecordBatch, part: &Part, newest: &Columns) -> Result<RecordBatch, String> {
    let mut fields = Vec::with_capacity(newest.0.len() + 1);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(newest.0.len() + 1);
    for column in &newest.0 {
        let place = part.columns.0.iter().position(|own| own.id == column.id);
        let own = place.and_then(|place| rows.columns().get(place)).cloned();
        let ty = column.ty.arrow();
        columns.push(own.unwrap_or_else(|| new_null_array(&ty, rows.num_rows())));
        fields.push(Field::new(column.name.as_str(), ty, true));
    }
    columns.push(Arc::new(BooleanArray::from(part.deleted.clone())));
    fields.push(Field::new(DELETED_COLUMN, DataType::Boolean, false));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
