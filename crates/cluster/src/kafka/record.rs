//! Rows as records. It never sends them.

mod json;

use arrow::array::{Array, RecordBatch};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    PartitionId, ProducerId, SchemaVersion, key::write_key, types::EXTRA_COLUMN,
};
use mainstem_log::{Draft, Stamp};

use crate::ClusterError;
pub(crate) use json::JsonColumns;

/// Header of the version of a record's columns.
pub const SCHEMA_HEADER: &str = "mainstem-schema";
/// Header of who sent a record.
pub const KEY_HEADER: &str = "mainstem-key";
/// Header of a record's number among those of its sender in its partition.
pub const ROW_HEADER: &str = "mainstem-row";

/// Header of the texts of JSON columns that other readers would spell otherwise.
pub const JSON_HEADER: &str = "mainstem-json";

/// A row on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) partition: PartitionId,
    /// None if the stream has no PARTITION BY.
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
    pub(crate) schema: SchemaVersion,
    /// Who sent it, and its number among theirs in this partition.
    pub(crate) sender: Option<(ProducerId, u64)>,
    /// Texts of JSON columns that other readers would spell otherwise, as JSON.
    pub(crate) json: Option<String>,
}

/// Gives each row of a draft to `each`, in order.
///
/// # Errors
/// When the draft does not have the columns of its schema.
pub(crate) fn records(
    draft: &Draft,
    stream: &StreamDef,
    mut each: impl FnMut(usize, Record<'_>),
) -> Result<(), ClusterError> {
    let shape = |reason: String| ClusterError::Shape {
        stream: draft.stream,
        reason,
    };
    let rows: u64 = draft
        .entries
        .iter()
        .map(|entry| u64::from(entry.rows))
        .sum();
    if rows != draft.batch.num_rows() as u64 {
        return Err(shape(format!("entries name {rows} rows")));
    }
    let keys = key_columns(draft, stream).map_err(shape)?;
    let columns: Vec<&dyn Array> = keys
        .iter()
        .filter_map(|at| draft.batch.columns().get(*at))
        .map(|column| &**column)
        .collect();
    let mut runs = Runs::new(draft);
    let mut key = Vec::new();
    let batch = without_empty_extra(&draft.batch).map_err(|error| shape(error.to_string()))?;
    let beside = JsonColumns::of(&batch);
    let write = |row: usize, value: &[u8]| {
        let Some((entry, partition, sender)) = runs.next() else {
            return;
        };
        key.clear();
        write_key(&columns, row, &mut key);
        let record = Record {
            partition,
            key: (!columns.is_empty()).then_some(key.as_slice()),
            value,
            schema: draft.schema,
            sender,
            json: beside.beside(row),
        };
        each(entry, record);
    };
    mainstem_sql::objects(&batch, write).map_err(|error| shape(error.to_string()))
}

/// Where the PARTITION BY columns are in a draft's batch.
fn key_columns(draft: &Draft, stream: &StreamDef) -> Result<Vec<usize>, String> {
    let columns = stream
        .columns_of(draft.schema)
        .ok_or_else(|| format!("there is no version {} of its columns", draft.schema.0))?;
    let place = |id: u32| columns.0.iter().position(|column| column.id == id);
    let ids = stream.spec.partition_ids();
    let found: Vec<usize> = ids.iter().filter_map(|id| place(*id)).collect();
    if found.len() == ids.len() {
        Ok(found)
    } else {
        Err("a column of PARTITION BY is missing".to_owned())
    }
}

/// Rows hardly ever have undeclared fields: then the column is left out.
pub(crate) fn without_empty_extra(
    batch: &RecordBatch,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let schema = batch.schema();
    let fields = schema.fields().iter().enumerate();
    let kept: Vec<usize> = fields
        .filter(|(at, field)| {
            let column = batch.columns().get(*at);
            let is_empty = column.is_some_and(|column| column.null_count() == column.len());
            field.name() != EXTRA_COLUMN || !is_empty
        })
        .map(|(at, _)| at)
        .collect();
    batch.project(&kept)
}

/// Walks along the entries of a draft, row by row.
struct Runs<'a> {
    draft: &'a Draft,
    entry: usize,
    row: u32,
}

impl<'a> Runs<'a> {
    const fn new(draft: &'a Draft) -> Self {
        Self {
            draft,
            entry: 0,
            row: 0,
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = (usize, PartitionId, Option<(ProducerId, u64)>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = self.draft.entries.get(self.entry)?;
        while self.row == entry.rows {
            self.entry += 1;
            self.row = 0;
            entry = self.draft.entries.get(self.entry)?;
        }
        let row = u64::from(self.row);
        let sender = entry.stamp.map(|stamp| match stamp {
            Stamp::Producer {
                producer,
                first_sequence,
                ..
            } => (producer, u64::from(first_sequence) + row),
            Stamp::Request { producer, .. } => (producer, row),
            Stamp::Load {
                producer, first, ..
            } => (producer, first + row),
        });
        self.row += 1;
        Some((self.entry, entry.partition, sender))
    }
}

#[cfg(test)]
mod tests;
