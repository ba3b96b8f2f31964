//! `SourceRows`: records of a stream as rows with the columns that are read of it. Pure.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::concat_batches,
    datatypes::SchemaRef,
    error::ArrowError,
};
use mainstem_admit::JsonRows;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ByteSize, Columns, SchemaVersion};

/// Largest record that is read.
const RECORD_SIZE_MAX: ByteSize = ByteSize(64 << 20);

/// Reads records of a stream.
#[derive(Debug)]
pub(super) struct SourceRows {
    /// The columns that are read, as each version of the stream has them.
    versions: BTreeMap<SchemaVersion, Columns>,
    /// Their ids, in order.
    ids: Vec<u32>,
    schema: SchemaRef,
}

/// Rows of records.
#[derive(Debug)]
pub(super) struct SourceBatch {
    /// In the order of the records.
    pub(super) rows: RecordBatch,
    /// Of each row the number of its record.
    pub(super) records: Vec<usize>,
    /// Records that are no rows, by number, and why.
    pub(super) refused: Vec<(usize, String)>,
}

impl SourceRows {
    /// Reads the columns of these names, as the newest version has them, as `schema`; the name of
    /// the first that the stream does not have is the error.
    pub(super) fn new(
        stream: &StreamDef,
        columns: &[String],
        schema: &SchemaRef,
    ) -> Result<Self, String> {
        let newest = &stream.spec.columns;
        let id = |name: &String| {
            let column = newest.get(name);
            column.map(|column| column.id).ok_or_else(|| name.clone())
        };
        let ids = columns.iter().map(id).collect::<Result<Vec<u32>, _>>()?;
        let read = |columns: &Columns| {
            let read = columns.0.iter().filter(|column| ids.contains(&column.id));
            Columns(read.cloned().collect())
        };
        let versions = stream.schemas.iter();
        let versions = versions.map(|entry| (entry.version, read(&entry.columns)));
        Ok(Self {
            versions: versions.collect(),
            schema: Arc::clone(schema),
            ids,
        })
    }

    /// Reads records, each with the version of its columns.
    ///
    /// # Errors
    /// When Arrow refuses the values, which is a defect.
    pub(super) fn read<'a>(
        &self,
        records: impl Iterator<Item = (SchemaVersion, &'a [u8])>,
    ) -> Result<SourceBatch, ArrowError> {
        let mut reading: Option<(SchemaVersion, JsonRows)> = None;
        let mut parts = Vec::new();
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (number, (version, value)) in records.enumerate() {
            if reading.as_ref().is_none_or(|(open, _)| *open != version) {
                self.finish(reading.take(), &mut parts)?;
                let Some(columns) = self.versions.get(&version) else {
                    refused.push((number, format!("columns {version} are not declared")));
                    continue;
                };
                reading = Some((version, JsonRows::new(columns, RECORD_SIZE_MAX)));
            }
            let Some((_, rows)) = &mut reading else {
                continue;
            };
            match rows.push(value) {
                Ok(()) => taken.push(number),
                Err(reason) => refused.push((number, reason.to_string())),
            }
        }
        self.finish(reading, &mut parts)?;
        Ok(SourceBatch {
            rows: concat_batches(&self.schema, &parts)?,
            records: taken,
            refused,
        })
    }

    /// Rows of one version with the columns of the newest.
    fn finish(
        &self,
        read: Option<(SchemaVersion, JsonRows)>,
        parts: &mut Vec<RecordBatch>,
    ) -> Result<(), ArrowError> {
        let Some((version, mut rows)) = read else {
            return Ok(());
        };
        let (Some(columns), rows) = (self.versions.get(&version), rows.finish()?) else {
            return Ok(());
        };
        let mut values: Vec<ArrayRef> = Vec::with_capacity(self.ids.len());
        for (id, field) in self.ids.iter().zip(self.schema.fields()) {
            let place = columns.0.iter().position(|column| column.id == *id);
            let own = place.and_then(|place| rows.columns().get(place)).cloned();
            let none = || new_null_array(field.data_type(), rows.num_rows());
            values.push(own.unwrap_or_else(none));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let schema = Arc::clone(&self.schema);
        parts.push(RecordBatch::try_new_with_options(schema, values, &options)?);
        Ok(())
    }
}
