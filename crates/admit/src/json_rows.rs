//! `JsonRows`: rows that come one by one as JSON objects, such as records of Kafka, in columns.
//! Read by the decoder of the doors, so whatever is fine there is fine here.
//!
//! It never keeps a part of a row, and never a field that is not one of its columns.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::{ByteSize, Columns};

use crate::decode::{Rows, Scan, Wrong};

/// Why a row was not taken, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRow(String);

/// Rows in columns while they come in.
#[derive(Debug)]
pub struct JsonRows {
    schema: SchemaRef,
    rows: Rows,
}

impl JsonRows {
    /// No rows yet. A row that is longer than `size_max` is not read.
    #[must_use]
    pub fn new(columns: &Columns, size_max: ByteSize) -> Self {
        let fields = columns.0.iter();
        let fields: Vec<_> = fields
            .map(|column| column.ty.field(column.name.as_str(), column.nullable))
            .collect();
        Self {
            schema: Schema::new(fields).into(),
            rows: Rows::of(columns, size_max.as_usize()),
        }
    }

    /// Takes one row: a JSON object. A column that it does not have is NULL.
    ///
    /// # Errors
    /// What was expected and what was found. The rows before stay as they are.
    pub fn push(&mut self, json: &[u8]) -> Result<(), NoRow> {
        let before = self.rows.len();
        let read = read_row(&mut self.rows, json);
        read.map_err(|wrong| {
            self.rows.rollback(before);
            NoRow(wrong.reason)
        })
    }

    /// Rows so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// All rows, in the columns that were given; there are none afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the values, which checks before should have excluded.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let batch = self.rows.finish()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().iter().take(self.schema.fields().len());
        let schema = SchemaRef::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, columns.cloned().collect(), &options)
    }
}

/// Takes one row: a JSON object and nothing else. What is wrong leaves half a row behind.
pub(crate) fn read_row(rows: &mut Rows, json: &[u8]) -> Result<(), Box<Wrong>> {
    if json.len() > rows.event_size_max() {
        return Err(Wrong::too_large(json.len(), rows.event_size_max()));
    }
    if std::str::from_utf8(json).is_err() {
        return Err(Wrong::not_utf8());
    }
    let mut scan = Scan::new(json, 0);
    scan.blank();
    rows.object(&mut scan)?;
    scan.blank();
    match scan.is_end() {
        true => Ok(()),
        false => Err(scan.wrong("the end")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use mainstem_kernel::{Column, ColumnName, ColumnType};

    use super::*;

    fn rows() -> JsonRows {
        let column = |id, name: &str, ty| Column {
            id,
            name: ColumnName::new(name).unwrap(),
            ty,
            nullable: id > 1,
        };
        let columns = vec![
            column(1, "k", ColumnType::Text),
            column(2, "j", ColumnType::Json),
        ];
        JsonRows::new(&Columns(columns), ByteSize::kib(1))
    }

    #[test]
    fn rows_around_a_wrong_one_are_kept() {
        let mut rows = rows();
        rows.push(br#" {"k":"a","j":{"x":[1]},"other":1} "#)
            .unwrap();
        let long = format!(r#"{{"k":"{}"}}"#, "k".repeat(2_000));
        for (json, reason) in [
            (&b""[..], "expected an object at byte 0, found the end"),
            (br#"{"j":1}"#, "column \"k\" is NOT NULL and has no value"),
            (br#"{"k":"b"} 7"#, "expected the end at byte 10, found '7'"),
            (b"{\"k\":\"\xff\"}", "expected UTF-8, found other bytes"),
            (
                long.as_bytes(),
                "event has 2008 bytes, the stream takes at most 1024",
            ),
        ] {
            assert_eq!(rows.push(json).unwrap_err().to_string(), reason);
        }
        rows.push(br#"{"j":null,"k":"c"}"#).unwrap();
        let batch = rows.finish().unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 2));
        let keys: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
        assert_eq!(keys, [Some("a"), Some("c")]);
        let jsons: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
        assert_eq!(jsons, [Some(r#"{"x":[1]}"#), None]);
        assert!(rows.is_empty());
    }
}
