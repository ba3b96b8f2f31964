//! `Rows`: the columns of one stream while rows come in, from any format.
//!
//! It never keeps half a row: a row is either finished or taken back.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ColumnType, Columns, Timestamp, types::EXTRA_COLUMN};

use super::{
    column::{At, Column, Width},
    scan::{Piece, Scan, unescape},
    wrong::{Read, Wrong},
};

/// Rows that a batch has room for at most before the first one comes.
const ROWS_EXPECTED_MAX: usize = 1 << 16;

/// The columns of one stream while rows come in.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The fields that are not declared.
    extra: Column,
    /// `"name":` of each column.
    names: Vec<Box<[u8]>>,
    /// The column that followed each column in the last row; the last entry: the first one.
    follows: Vec<usize>,
    /// Columns that must have a value.
    required: Vec<usize>,
    /// Columns whose values may be much larger in memory than as text.
    nested: Vec<usize>,
    /// Column of the event time.
    watermark: Option<usize>,
    /// Bytes of a row whose values are all NULL or of fixed size.
    width: usize,
    rows: usize,
    event_size_max: usize,
    /// Bytes of payload that were announced for this batch.
    coming: usize,
    /// No event time may be after it.
    latest: Timestamp,
    /// Bytes of payload per row in the batch before.
    usual: usize,
}

impl Rows {
    /// No rows of a stream yet.
    pub(crate) fn new(stream: &StreamDef) -> Self {
        let spec = &stream.spec;
        let mut rows = Self::of(&spec.columns, spec.event_size_max.as_usize());
        rows.watermark = spec.watermark.as_ref().and_then(|watermark| {
            let mut columns = rows.columns.iter();
            columns.position(|column| *column.name == *watermark.column.as_str())
        });
        rows
    }

    /// No rows of these columns yet.
    pub(crate) fn of(declared: &Columns, event_size_max: usize) -> Self {
        let columns: Vec<Column> = declared
            .0
            .iter()
            .map(|c| Column::new(c.name.as_str(), &c.ty, !c.nullable))
            .collect();
        let count = columns.len();
        Self {
            schema: declared.body_schema(),
            names: columns
                .iter()
                .map(|c| format!("\"{}\":", c.name).into_bytes().into())
                .collect(),
            follows: (1..count).chain([0, 0]).collect(),
            required: places(&columns, |c| c.required),
            nested: places(&columns, Column::is_nested),
            watermark: None,
            width: columns.iter().map(|c| c.ty.width() + 1).sum::<usize>() + 4,
            extra: Column::new(EXTRA_COLUMN, &ColumnType::Json, false),
            columns,
            rows: 0,
            event_size_max,
            coming: 0,
            latest: Timestamp(i64::MAX),
            usual: usize::MAX,
        }
    }

    /// Gets ready for a batch from about `bytes` of payload. Event times after `latest` are a
    /// mistake from now on.
    pub(crate) fn begin(&mut self, latest: Timestamp, bytes: usize) {
        if let Some(column) = self.watermark.and_then(|i| self.columns.get_mut(i)) {
            column.limit(latest);
        }
        let expected = (bytes / self.usual.max(1)).min(ROWS_EXPECTED_MAX);
        for column in &mut self.columns {
            column.reserve(expected);
        }
        self.coming = bytes;
        self.latest = latest;
    }

    /// The columns as a frame's body holds them.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The latest event time that a column may hold, if it is the one of event time.
    pub(crate) fn latest_of(&self, at: usize) -> Option<Timestamp> {
        (self.watermark == Some(at)).then_some(self.latest)
    }

    /// Finished rows.
    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// Bytes of a row whose values are all NULL or of fixed size.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Largest row in bytes as it is sent.
    pub(crate) const fn event_size_max(&self) -> usize {
        self.event_size_max
    }

    /// Bytes that nested values take, which a small text may make large.
    pub(crate) fn nested_size(&self) -> usize {
        self.nested
            .iter()
            .filter_map(|i| self.columns.get(*i))
            .map(Column::size)
            .sum()
    }

    /// Bytes that a byte of text may become in nested values, at most.
    pub(crate) fn growth(&self) -> usize {
        self.nested
            .iter()
            .filter_map(|at| self.columns.get(*at))
            .map(Column::growth)
            .sum()
    }

    /// The declared columns.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The declared column of that place.
    #[inline]
    pub(crate) fn column_mut(&mut self, at: usize) -> Option<&mut Column> {
        self.columns.get_mut(at)
    }

    /// Takes one JSON object that `scan` stands on.
    #[inline]
    pub(crate) fn object(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        scan.expect(b'{', "an object")?;
        scan.blank();
        let at = At {
            row: self.rows,
            depth: 1,
        };
        let mut last = self.columns.len();
        if !scan.eat(b"}") {
            loop {
                let guess = self.follows.get(last).copied().unwrap_or(0);
                let name = self
                    .names
                    .get(guess)
                    .map(|name| &**name)
                    .unwrap_or_default();
                let found = if !name.is_empty() && scan.eat(name) {
                    Some(guess)
                } else {
                    self.name(scan, &mut last, at.row)?
                };
                scan.blank();
                match found.and_then(|i| Some((i, self.columns.get_mut(i)?))) {
                    Some((i, column)) => {
                        column.json(scan, at)?;
                        last = i;
                    }
                    None => self.extra.write_text(scan.value(1)?, at.row)?,
                }
                if !scan.more(b'}', "',' or '}'")? {
                    break;
                }
            }
        }
        self.end_row()
    }

    /// Reads a name that was not expected here; if it is not declared, begins a field of
    /// `_extra`.
    #[inline(never)]
    fn name(&mut self, scan: &mut Scan<'_>, last: &mut usize, row: usize) -> Read<Option<usize>> {
        let start = scan.pos();
        scan.expect(b'"', "a name in quotes")?;
        let piece = scan.string()?;
        let text = scan.since(start);
        scan.blank();
        scan.expect(b':', "':'")?;
        let mut resolved = Vec::new();
        let name = match piece {
            Piece::Plain(name) => name,
            Piece::Escaped(name) => {
                unescape(name, &mut resolved);
                &resolved
            }
        };
        if let Some(found) = self.columns.iter().position(|c| c.name.as_bytes() == name) {
            if let Some(follows) = self.follows.get_mut(*last) {
                *follows = found;
            }
            return Ok(Some(found));
        }
        self.extra_name(text, row)?;
        Ok(None)
    }

    /// Begins a field of `_extra` whose name, in quotes, is `text`.
    fn extra_name(&mut self, text: &[u8], row: usize) -> Read<()> {
        let open: &[u8] = if self.extra.is_open(row) { b"," } else { b"{" };
        for piece in [open, text, b":"] {
            self.extra.write_text(piece, row)?;
        }
        Ok(())
    }

    /// Keeps a field that is not declared; both are JSON.
    pub(crate) fn extra_field(&mut self, name: &[u8], value: &[u8]) -> Read<()> {
        self.extra_name(name, self.rows)?;
        self.extra.write_text(value, self.rows)
    }

    /// Finishes a row once all of its values are in.
    #[inline]
    pub(crate) fn end_row(&mut self) -> Read<()> {
        let row = self.rows;
        for at in &self.required {
            if let Some(column) = self.columns.get(*at)
                && !column.has(row)
            {
                return Err(Wrong::missing(&column.name));
            }
        }
        if self.extra.is_open(row) {
            self.extra.write_text(b"}", row)?;
            self.extra.finish_text();
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes back the row that was begun, and all after row `rows`.
    pub(crate) fn rollback(&mut self, rows: usize) {
        self.rows = rows;
        self.columns
            .iter_mut()
            .for_each(|column| column.rollback(rows));
        self.extra.rollback(rows);
    }

    /// All rows; there are none afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the values, which checks before should have excluded.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        if rows > 0 && self.coming > 0 {
            self.usual = self.coming / rows;
        }
        self.coming = 0;
        let columns = self.columns.iter_mut().chain([&mut self.extra]);
        let arrays: Result<Vec<_>, _> = columns.map(|column| column.finish(rows)).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays?)
    }
}

/// Where the columns are that `is` holds for.
fn places(columns: &[Column], is: impl Fn(&Column) -> bool) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .filter(|(_, column)| is(column))
        .map(|(at, _)| at)
        .collect()
}
