//! `Records`: rows that others have written one by one as JSON, such as records of a topic of
//! Kafka, judged as the doors judge what they are sent.
//!
//! It never writes anything, and never loses a record: each becomes a row or a dead letter.

use std::fmt;

use arrow::{array::RecordBatch, error::ArrowError};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ByteSize, Code, Timestamp};

use crate::{
    decode::{Rows, Wrong},
    json_rows::read_row,
    letters::Letters,
};

/// So much of a record that is no row is kept: the whole is where it was read.
const LETTER_SIZE_MAX: ByteSize = ByteSize::kib(128);

/// A record as it was read.
#[derive(Clone, Copy, Debug)]
pub struct ForeignRecord<'a> {
    /// Its place, in words, for whoever looks for it.
    pub place: fmt::Arguments<'a>,
    /// Its number there.
    pub number: u64,
    /// What it holds; none where its writer says that its key is gone.
    pub value: Option<&'a [u8]>,
}

/// Records of one stream on their way in.
#[derive(Debug)]
pub struct Records {
    rows: Rows,
    letters: Letters,
}

/// What records came to.
#[derive(Debug)]
pub struct Admitted {
    /// Rows, in the order of their records; undeclared fields are in `_extra`.
    pub rows: RecordBatch,
    /// Rows of the stream's dead letters, if there are any.
    pub letters: Option<RecordBatch>,
}

impl Records {
    /// No records of a stream yet.
    #[must_use]
    pub fn new(stream: &StreamDef) -> Self {
        Self {
            rows: Rows::new(stream),
            letters: Letters::default(),
        }
    }

    /// Gets ready for about `bytes` of records. Event times after `latest` do not fit from now on.
    pub fn begin(&mut self, latest: Timestamp, bytes: usize) {
        self.rows.begin(latest, bytes);
    }

    /// Takes a record; whether it became a row.
    pub fn push(&mut self, record: &ForeignRecord<'_>) -> bool {
        let before = self.rows.len();
        let read = match record.value {
            Some(value) => read_row(&mut self.rows, value),
            None => Err(Wrong::new(
                Code::Admit020,
                "expected a JSON object, found a record without a value",
            )),
        };
        let Err(wrong) = read else {
            return true;
        };
        self.rows.rollback(before);
        self.refuse(record, *wrong);
        false
    }

    fn refuse(&mut self, record: &ForeignRecord<'_>, wrong: Wrong) {
        let whole = record.value.unwrap_or_default();
        let kept = beginning(whole, LETTER_SIZE_MAX.as_usize());
        let cut = match kept.len() < whole.len() {
            true => format!(
                "; {} of its {} bytes are kept here",
                kept.len(),
                whole.len()
            ),
            false => String::new(),
        };
        let wrong = Wrong {
            code: wrong.code,
            reason: format!("{}: {}{cut}", record.place, wrong.reason),
        };
        self.letters.push(record.number, wrong, kept);
    }

    /// Takes a record back that was a row, and would be one of `size` bytes where at most `limit`
    /// are kept.
    pub fn refuse_large(&mut self, record: &ForeignRecord<'_>, size: usize, limit: usize) {
        self.refuse(record, *Wrong::too_large(size, limit));
    }

    /// All that came; nothing is left here. `letters` is the stream of dead letters.
    ///
    /// # Errors
    /// When Arrow refuses the values, which checks before should have excluded.
    pub fn finish(&mut self, letters: &StreamDef) -> Result<Admitted, ArrowError> {
        drop(self.letters.take_named());
        Ok(Admitted {
            rows: self.rows.finish()?,
            letters: match self.letters.len() {
                0 => None,
                _ => Some(self.letters.finish(letters)?),
            },
        })
    }
}

/// So many bytes at most, and no half a character.
fn beginning(whole: &[u8], bytes_max: usize) -> &[u8] {
    let Some(cut) = whole.get(..bytes_max) else {
        return whole;
    };
    match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()).unwrap_or(cut),
        _ => cut,
    }
}

#[cfg(test)]
mod tests;
