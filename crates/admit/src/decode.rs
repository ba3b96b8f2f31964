//! From a request's body to columns. It never touches the log, and never fails for a wrong row:
//! that becomes a dead letter, and the rows around it are kept.
//!
//! JSON is read in one pass from its bytes into Arrow's buffers, without a tape or a tree: at
//! this door that is most of the work, and it costs about a third of `arrow_json` (measure with
//! `cargo run --release -p mainstem-admit --example decode`). It also means that undeclared
//! fields, JSON columns and refused rows need no second, slower way.
//!
//! # What is bounded
//!
//! A body is decoded in parts. A part ends at `rows_max` rows, or when what it takes in memory
//! has reached `bytes_max` though its text is small (`{}` for a wide stream, nested lists). A row
//! is never read beyond the stream's `event_size_max`, and nesting ends at 64 levels.

mod arrow;
mod column;
mod csv;
mod json;
mod number;
mod rows;
mod scan;
mod time;
mod wrong;

use ::arrow::array::RecordBatch;
use bytes::Bytes;

use crate::{AdmitError, Format, letters::Letters};

pub(crate) use rows::Rows;
pub(crate) use scan::Scan;
pub(crate) use wrong::Wrong;

/// A body that is being decoded.
#[derive(Debug)]
pub(crate) enum Source {
    Json(json::JsonBody),
    Csv(Box<csv::CsvBody>),
    Arrow(arrow::ArrowBody),
}

/// How much is decoded at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartLimit {
    /// Rows, refused ones included.
    pub(crate) rows_max: usize,
    /// Bytes that the rows take in memory, beyond those of their texts.
    pub(crate) bytes_max: usize,
}

impl PartLimit {
    /// The same limit, with rows of at least `width` bytes taken into account.
    pub(crate) fn for_width(self, width: usize) -> Self {
        let fitting = (self.bytes_max / width.max(1)).max(1);
        Self {
            rows_max: self.rows_max.min(fitting),
            ..self
        }
    }
}

/// Whether a body has more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There may be more.
    More,
    /// That was all.
    Finished,
}

impl Source {
    /// Looks at a body's beginning.
    ///
    /// # Errors
    /// When the body as a whole cannot be read: the header of CSV.
    pub(crate) fn open(format: Format, body: Bytes, rows: &Rows) -> Result<Self, AdmitError> {
        match format {
            Format::Ndjson => Ok(Self::Json(json::JsonBody::lines(body))),
            Format::Json => Ok(Self::Json(json::JsonBody::document(body))),
            Format::Arrow => Ok(Self::Arrow(arrow::ArrowBody::open(body, rows)?)),
            Format::Csv => Ok(Self::Csv(Box::new(csv::CsvBody::open(body, rows)?))),
        }
    }

    /// Number of the next row of the request.
    pub(crate) fn row(&self) -> u64 {
        match self {
            Self::Json(body) => body.row(),
            Self::Csv(body) => body.row(),
            Self::Arrow(body) => body.row(),
        }
    }

    /// Rows of the last part that came as columns.
    pub(crate) fn take_piece(&mut self) -> Option<RecordBatch> {
        match self {
            Self::Arrow(body) => body.take_piece(),
            Self::Json(_) | Self::Csv(_) => None,
        }
    }

    /// Decodes the next part of the rows; refused ones go to `letters`.
    ///
    /// # Errors
    /// When the body cannot be read any further.
    pub(crate) fn part(
        &mut self,
        rows: &mut Rows,
        letters: &mut Letters,
        limit: PartLimit,
    ) -> Result<Progress, AdmitError> {
        match self {
            Self::Json(body) => Ok(body.part(rows, letters, limit)),
            Self::Csv(body) => body.part(rows, letters, limit),
            Self::Arrow(body) => body.part(rows, letters, limit),
        }
    }
}

/// Whether the text is UTF-8; then no row has to be looked at alone.
fn is_text(body: &[u8]) -> bool {
    simdutf8::basic::from_utf8(body).is_ok()
}

/// A body without the mark that some programs put before UTF-8.
fn without_mark(mut body: Bytes) -> Bytes {
    if body.starts_with(b"\xef\xbb\xbf") {
        let _mark = body.split_to(3);
    }
    body
}

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod tests;
