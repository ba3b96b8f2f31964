//! A stream's columns as questions see them, and where each is found in a frame or in a file.
//!
//! It never reads anything: it maps what was read with older columns to the newest ones.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{Field, Fields, Schema, SchemaRef},
    error::ArrowError,
};
use mainstem_catalog::{StreamDef, ViewDef};
use mainstem_history::Pinned;
use mainstem_kernel::types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN};
use mainstem_log::Frame;

/// Columns that `SELECT *` does not show.
pub(crate) const HIDDEN: [&str; 4] = [EXTRA_COLUMN, SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];

/// Where a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The declared column of that id.
    Declared(u32),
    Extra,
    Seq,
    Partition,
    Offset,
}

/// The columns of one stream: declared ones, then `_extra`, `_seq`, `_partition`, `_offset`.
#[derive(Debug)]
pub(crate) struct StreamColumns {
    pub(crate) def: Arc<StreamDef>,
    /// Names that `SELECT *` leaves out.
    pub(crate) hidden: Vec<String>,
    /// Declared columns may be NULL here whatever they say: their files are older.
    pub(crate) schema: SchemaRef,
    sources: Vec<Source>,
}

impl StreamColumns {
    pub(crate) fn new(def: &Arc<StreamDef>) -> Self {
        let columns = newest(def);
        let body = columns.body_schema();
        let nullable = |field: &Arc<Field>| match HIDDEN.contains(&field.name().as_str()) {
            true => Arc::clone(field),
            false => Arc::new(field.as_ref().clone().with_nullable(true)),
        };
        let row = mainstem_kernel::types::row_schema(&body);
        let schema = Arc::new(Schema::new(
            row.fields().iter().map(nullable).collect::<Fields>(),
        ));
        let declared = columns.0.iter().map(|column| Source::Declared(column.id));
        let system = [
            Source::Extra,
            Source::Seq,
            Source::Partition,
            Source::Offset,
        ];
        Self {
            def: Arc::clone(def),
            hidden: HIDDEN.map(str::to_owned).to_vec(),
            schema,
            sources: declared.chain(system).collect(),
        }
    }

    /// Those of a view whose rows are a stream; `None` if they are not. Rows that are not in the
    /// log yet have no seq and no offset, so these may be NULL.
    pub(crate) fn of_view(def: &ViewDef) -> Option<Self> {
        let mut columns = Self::new(&Arc::new(def.stream()?));
        let names = def.spec.hidden.iter().map(|name| name.as_str().to_owned());
        columns.hidden.extend(names);
        let fields = columns.schema.fields().iter();
        let fields = fields.map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
        columns.schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        Some(columns)
    }

    /// Names that `SELECT *` shows.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &str> {
        let names = self.schema.fields().iter().map(|field| field.name());
        names
            .filter(|name| !self.hidden.contains(name))
            .map(String::as_str)
    }

    /// The names of all columns in the files of a pinned history. A column that no file has gets
    /// a name that no file uses.
    pub(crate) fn physical(&self, pin: &Pinned) -> Vec<String> {
        let names = self.schema.fields().iter().zip(&self.sources);
        names
            .map(|(field, source)| match source {
                Source::Declared(id) => self
                    .physical_of(*id, field.name(), pin)
                    .unwrap_or_else(|| format!("__absent_{id}")),
                _ => field.name().clone(),
            })
            .collect()
    }

    /// History may lag behind a rename, or be ahead of it: try all names that the column had.
    fn physical_of(&self, id: u32, name: &str, pin: &Pinned) -> Option<String> {
        let had = self
            .def
            .schemas
            .iter()
            .rev()
            .flat_map(|entry| &entry.columns.0);
        let names = had
            .filter(|column| column.id == id)
            .map(|column| column.name.as_str());
        [name].into_iter().chain(names).find_map(|name| {
            let index = pin.schema.index_of(name).ok()?;
            pin.physical.get(index).cloned()
        })
    }

    /// The projected columns of a frame that may have been written with older ones.
    ///
    /// # Errors
    /// When the frame does not have the shape that it promises.
    pub(crate) fn batch(
        &self,
        frame: &Frame,
        projection: &[usize],
        schema: &SchemaRef,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = frame.batch.num_rows();
        let columns: Vec<ArrayRef> = projection
            .iter()
            .zip(schema.fields())
            .map(|(index, field)| {
                let source = self.sources.get(*index).copied().unwrap_or(Source::Extra);
                self.column(frame, source, field)
                    .unwrap_or_else(|| new_null_array(field.data_type(), rows))
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
    }

    fn column(&self, frame: &Frame, source: Source, field: &Field) -> Option<ArrayRef> {
        let rows = frame.batch.num_rows();
        let of_type = |column: &ArrayRef| {
            (column.data_type() == field.data_type()).then(|| Arc::clone(column))
        };
        match source {
            Source::Declared(id) => {
                let name = self.name_in(frame, id).unwrap_or_else(|| field.name());
                frame.batch.column_by_name(name).and_then(of_type)
            }
            Source::Extra => frame.batch.column_by_name(EXTRA_COLUMN).and_then(of_type),
            Source::Seq => {
                Some(Arc::new(Int64Array::from_value(frame.seq.to_i64(), rows)) as ArrayRef)
            }
            Source::Partition => {
                let runs = frame.entries.iter();
                let values = runs.flat_map(|entry| {
                    std::iter::repeat_n(i32::from(entry.partition.0), count(entry.rows))
                });
                Some(Arc::new(Int32Array::from_iter_values(values)) as ArrayRef)
            }
            Source::Offset => {
                let values = frame.entries.iter().flat_map(|entry| {
                    let first = i64::try_from(entry.first_offset.0).unwrap_or(i64::MAX);
                    (0..i64::from(entry.rows)).map(move |row| first.saturating_add(row))
                });
                Some(Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
            }
        }
    }

    /// The name that a column had when the frame was written.
    fn name_in(&self, frame: &Frame, id: u32) -> Option<&str> {
        let entry = self
            .def
            .schemas
            .iter()
            .find(|entry| entry.version == frame.schema)?;
        let column = entry.columns.0.iter().find(|column| column.id == id);
        Some(column.map_or("", |column| column.name.as_str()))
    }
}

fn count(rows: u32) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// The newest columns of a stream, with their ids.
fn newest(def: &StreamDef) -> &mainstem_kernel::Columns {
    def.schemas
        .last()
        .map_or(&def.spec.columns, |entry| &entry.columns)
}
