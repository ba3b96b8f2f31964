//! Cuts a file into request bodies of whole rows.

use std::path::PathBuf;

use bytes::Bytes;
use mainstem_kernel::ByteSize;

use super::{
    rows::{Cut, cut},
    source::Source,
};
use crate::{args::RowFormat, errors::CliError};

/// Rows of one request.
const BATCH_ROWS_MAX: u32 = 20_000;
/// Bytes of one request, unless a single row is longer.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Longest row.
const ROW_BYTES_MAX: ByteSize = ByteSize::mib(8);

const _: () = assert!(BATCH_BYTES_MAX as u64 <= ROW_BYTES_MAX.0);

/// The rows of one request.
#[derive(Clone, Debug)]
pub(in crate::command) struct Batch {
    /// Number of its first row in the file, from 0, without the header.
    pub(in crate::command) first: u64,
    /// How many.
    pub(in crate::command) rows: u32,
    /// As it is sent.
    pub(in crate::command) body: Bytes,
}

/// A file, cut.
#[derive(Debug)]
pub(super) struct Batches {
    source: Source,
    format: RowFormat,
    path: PathBuf,
    /// What every body begins with: the header of a CSV file, the bracket of a JSON array.
    head: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    done: usize,
    is_end: bool,
    /// Number of the next row.
    next: u64,
    /// Rows before this one have arrived earlier.
    skip: u64,
    needs_header: bool,
}

impl Batches {
    /// Cuts `source`, beginning at row `skip`.
    pub(super) fn new(source: Source, format: RowFormat, path: PathBuf, skip: u64) -> Self {
        let head = if format == RowFormat::Json {
            b"[".to_vec()
        } else {
            Vec::new()
        };
        let needs_header = format == RowFormat::Csv;
        let (buffer, done, is_end, next) = (Vec::new(), 0, false, 0);
        Self {
            source,
            format,
            path,
            head,
            buffer,
            done,
            is_end,
            next,
            skip,
            needs_header,
        }
    }

    /// The next body; `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, CliError> {
        let mut body = Vec::new();
        let (mut rows, mut first) = (0_u32, self.skip);
        while rows < BATCH_ROWS_MAX && body.len() < BATCH_BYTES_MAX {
            let Some((from, to)) = self.next_row()? else {
                break;
            };
            let row = self.buffer.get(from..to).unwrap_or_default();
            if self.needs_header {
                self.needs_header = false;
                self.head = row.strip_prefix(b"\xef\xbb\xbf").unwrap_or(row).to_vec();
                end_line(&mut self.head);
                continue;
            }
            let number = self.next;
            self.next += 1;
            if number < self.skip {
                continue;
            }
            if rows == 0 {
                first = number;
                body.reserve(self.head.len() + BATCH_BYTES_MAX + (BATCH_BYTES_MAX >> 4));
                body.extend_from_slice(&self.head);
            } else if self.format == RowFormat::Json {
                body.push(b',');
            }
            body.extend_from_slice(row);
            rows += 1;
            if self.format != RowFormat::Json {
                end_line(&mut body);
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        if self.format == RowFormat::Json {
            body.push(b']');
        }
        Ok(Some(Batch {
            first,
            rows,
            body: body.into(),
        }))
    }

    /// Bounds of the next row in `buffer`; `None` at the end.
    fn next_row(&mut self) -> Result<Option<(usize, usize)>, CliError> {
        loop {
            let rest = self.buffer.get(self.done..).unwrap_or_default();
            match cut(self.format, rest, self.is_end) {
                Cut::Row { from, to } => {
                    let bounds = (self.done + from, self.done + to);
                    self.done += to;
                    return Ok(Some(bounds));
                }
                Cut::Blank { to } => self.done += to,
                Cut::More if self.is_end => return Ok(None),
                Cut::More => self.refill()?,
            }
        }
    }

    fn refill(&mut self) -> Result<(), CliError> {
        drop(self.buffer.drain(..self.done));
        self.done = 0;
        if self.buffer.len() > ROW_BYTES_MAX.as_usize() {
            let (path, row, limit) = (self.path.clone(), self.next, ROW_BYTES_MAX);
            return Err(CliError::RowTooLong { path, row, limit });
        }
        let filled = self.source.fill(&mut self.buffer).map_err(|source| {
            let (path, rows) = (self.path.clone(), self.next);
            CliError::Damaged { path, rows, source }
        })?;
        self.is_end = filled == 0;
        Ok(())
    }
}

/// The last row of a file may lack its line break.
fn end_line(text: &mut Vec<u8>) {
    if !matches!(text.last(), Some(b'\n' | b'\r')) {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn batches(name: &str, bytes: &[u8], format: RowFormat, skip: u64) -> Batches {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::File::create_new(&path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
        Batches::new(Source::open(&path).unwrap(), format, path, skip)
    }

    fn all(mut batches: Batches) -> Vec<(u64, u32, String)> {
        let mut all = Vec::new();
        while let Some(batch) = batches.next_batch().unwrap() {
            all.push((
                batch.first,
                batch.rows,
                String::from_utf8(batch.body.to_vec()).unwrap(),
            ));
        }
        all
    }

    #[test]
    fn every_body_has_the_header_and_every_row_is_in_one_body() {
        let rows = 45_001;
        let text: String = (0..rows).map(|i| format!("{i},\"line\n{i}\"\n")).collect();
        let text = format!("\u{feff}n,t\n{}", text.trim_end());
        let found = all(batches("a.csv", text.as_bytes(), RowFormat::Csv, 0));
        let counts: Vec<_> = found
            .iter()
            .map(|(first, rows, _)| (*first, *rows))
            .collect();
        assert_eq!(counts, [(0, 20_000), (20_000, 20_000), (40_000, 5_001)]);
        let whole: String = found
            .iter()
            .map(|(_, _, body)| body.strip_prefix("n,t\n").unwrap())
            .collect();
        assert_eq!(format!("\u{feff}n,t\n{whole}"), format!("{text}\n"));
    }

    #[test]
    fn what_arrived_is_skipped_without_changing_numbers() {
        let found = all(batches("a.csv", b"n\n1\n2\n3\n", RowFormat::Csv, 2));
        assert_eq!(found, [(2, 1, "n\n3\n".to_owned())]);
        assert!(all(batches("a.csv", b"n\n1\n2\n3\n", RowFormat::Csv, 3)).is_empty());
    }

    #[test]
    fn a_json_array_is_sent_as_arrays() {
        let found = all(batches(
            "a.json",
            b"[{\"a\":1},\n{\"a\":2}]",
            RowFormat::Json,
            0,
        ));
        assert_eq!(found, [(0, 2, "[{\"a\":1},{\"a\":2}]".to_owned())]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named_by_its_row() {
        let mut text = b"n,t\n1,a\n2,\"".to_vec();
        text.resize(10 << 20, b'x');
        let mut batches = batches("a.csv", &text, RowFormat::Csv, 0);
        let error = batches.next_batch().unwrap_err();
        assert!(
            matches!(error, CliError::RowTooLong { row: 1, .. }),
            "{error:?}"
        );
    }

    #[test]
    fn a_damaged_archive_names_how_far_it_was_good() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"n\n1\n2\n").unwrap();
        let mut packed = packed.finish().unwrap();
        let middle = packed.len() - 6;
        packed[middle] ^= 0xff;
        let mut batches = batches("a.csv.gz", &packed, RowFormat::Csv, 0);
        let error = loop {
            match batches.next_batch() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the damage went unseen"),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, CliError::Damaged { rows: 2, .. }),
            "{error:?}"
        );
    }
}
