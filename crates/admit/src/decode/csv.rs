//! CSV bodies (RFC 4180): a header, then a row per record.
//!
//! Headers match columns ignoring case, blanks and underscores. What they do not declare goes to
//! `_extra`, as text. An empty cell is NULL. It never guesses an encoding: what is not UTF-8 is a
//! dead letter.

use std::io::Cursor;

use bytes::Bytes;
use csv::{ByteRecord, Reader, ReaderBuilder};
use mainstem_kernel::Code;

use super::{
    PartLimit, Progress, is_text,
    rows::Rows,
    without_mark,
    wrong::{Read, Wrong},
};
use crate::{AdmitError, letters::Letters};

/// A CSV body that is being decoded.
#[derive(Debug)]
pub(crate) struct CsvBody {
    reader: Reader<Cursor<Bytes>>,
    body: Bytes,
    fields: Vec<Field>,
    record: ByteRecord,
    row: u64,
    /// Whether all of it is UTF-8.
    is_text: bool,
}

/// What a field of the header stands for.
#[derive(Debug)]
enum Field {
    /// A declared column.
    Column(usize),
    /// Anything else: its name in JSON, with quotes.
    Extra(Vec<u8>),
}

impl CsvBody {
    /// Reads the header.
    ///
    /// # Errors
    /// When it does not name the columns that must have a value.
    pub(crate) fn open(body: Bytes, rows: &Rows) -> Result<Self, AdmitError> {
        let body = without_mark(body);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Cursor::new(body.clone()));
        let mut record = ByteRecord::new();
        read(&mut reader, &mut record)?;
        let fields = match_header(&record, rows)?;
        let is_text = is_text(&body);
        Ok(Self {
            reader,
            body,
            fields,
            record,
            row: 0,
            is_text,
        })
    }

    /// Number of the next row.
    pub(crate) const fn row(&self) -> u64 {
        self.row
    }

    /// Decodes the next rows.
    ///
    /// # Errors
    /// When the reader fails, which it does not on memory.
    pub(crate) fn part(
        &mut self,
        rows: &mut Rows,
        letters: &mut Letters,
        limit: PartLimit,
    ) -> Result<Progress, AdmitError> {
        let last = self.row + limit.rows_max as u64;
        let nested_max = rows.nested_size() + limit.bytes_max;
        while self.row < last {
            if !read(&mut self.reader, &mut self.record)? {
                return Ok(Progress::Finished);
            }
            let before = rows.len();
            if let Err(wrong) = self.take(rows) {
                rows.rollback(before);
                letters.push(self.row, *wrong, self.payload());
            }
            self.row += 1;
            if rows.nested_size() > nested_max {
                break;
            }
        }
        Ok(Progress::More)
    }

    /// Takes the record at hand as a row.
    fn take(&self, rows: &mut Rows) -> Read<()> {
        let size = self.record.as_slice().len() + self.record.len();
        if size > rows.event_size_max() {
            return Err(Wrong::too_large(
                self.payload().len(),
                rows.event_size_max(),
            ));
        }
        if !self.is_text && std::str::from_utf8(self.payload()).is_err() {
            return Err(Wrong::not_utf8());
        }
        if self.record.len() != self.fields.len() {
            let (expected, found) = (self.fields.len(), self.record.len());
            let reason = format!("expected {expected} fields as in the header, found {found}");
            return Err(Wrong::new(Code::Admit027, reason));
        }
        let row = rows.len();
        for (field, cell) in self.fields.iter().zip(&self.record) {
            match field {
                Field::Column(at) => {
                    if let Some(column) = rows.column_mut(*at) {
                        column.cell(cell, row)?;
                    }
                }
                Field::Extra(_) if cell.is_empty() => {}
                Field::Extra(name) => rows.extra_field(name, &quoted(cell))?,
            }
        }
        rows.end_row()
    }

    /// The record at hand as it was sent.
    fn payload(&self) -> &[u8] {
        let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
        let start = self
            .record
            .position()
            .map_or(0, |position| at(position.byte()));
        let end = at(self.reader.position().byte());
        self.body.get(start..end).unwrap_or_default().trim_ascii()
    }
}

/// Reads the next record; whether there was one.
fn read(reader: &mut Reader<Cursor<Bytes>>, record: &mut ByteRecord) -> Result<bool, AdmitError> {
    reader
        .read_byte_record(record)
        .map_err(|source| AdmitError::Csv { source })
}

/// A text as a JSON string.
fn quoted(text: &[u8]) -> Vec<u8> {
    // A string always has a JSON form.
    serde_json::to_vec(&String::from_utf8_lossy(text)).unwrap_or_default()
}

/// Finds the column of each field.
fn match_header(header: &ByteRecord, rows: &Rows) -> Result<Vec<Field>, AdmitError> {
    let columns = rows.columns();
    let mut taken = vec![false; columns.len()];
    let mut fields = Vec::with_capacity(header.len());
    for name in header {
        let name = std::str::from_utf8(name)
            .map_err(|_source| AdmitError::HeaderText)?
            .trim();
        let exact = columns.iter().position(|c| *c.name == *name);
        let found = exact.or_else(|| columns.iter().position(|c| plain(&c.name) == plain(name)));
        fields.push(match found {
            None => Field::Extra(quoted(name.as_bytes())),
            Some(at) => {
                if std::mem::replace(&mut taken[at], true) {
                    return Err(AdmitError::HeaderTwice {
                        column: columns[at].name.to_string(),
                    });
                }
                Field::Column(at)
            }
        });
    }
    let missing = columns
        .iter()
        .zip(&taken)
        .find(|(column, taken)| column.required && !**taken);
    let is_header = header.is_empty() || taken.contains(&true);
    if let Some((column, _)) = missing.filter(|_| !header.is_empty()) {
        return Err(AdmitError::HeaderMissing {
            column: column.name.to_string(),
        });
    }
    if !is_header {
        let expected = columns
            .iter()
            .map(|c| &*c.name)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(AdmitError::HeaderUnknown { expected });
    }
    Ok(fields)
}

/// A name without what a header may do as it likes.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}
