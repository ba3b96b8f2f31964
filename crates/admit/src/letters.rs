//! `Letters`: the rows that were refused, as rows of the stream's dead letters. It never judges.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryBuilder, Int64Array, RecordBatch, StringBuilder, new_null_array},
    error::ArrowError,
};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    Code,
    metrics::{Metrics, ReasonLabel},
};

use crate::{REJECTS_NAMED_MAX, Reject, decode::Wrong};

/// Refused rows of one frame, and the first ones of one request in words.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    row_numbers: Vec<i64>,
    codes: StringBuilder,
    reasons: StringBuilder,
    texts: StringBuilder,
    bytes: BinaryBuilder,
    /// Rows by code that are not counted yet.
    counts: Vec<(Code, u64)>,
    /// The first of the request at hand.
    named: Vec<Reject>,
}

impl Letters {
    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.row_numbers.len()
    }

    /// Keeps a row as it was sent, with its number in the request, and why it was refused.
    #[cold]
    pub(crate) fn push(&mut self, row: u64, wrong: Wrong, payload: &[u8]) {
        match self.counts.iter_mut().find(|(code, _)| *code == wrong.code) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((wrong.code, 1)),
        }
        self.row_numbers
            .push(i64::try_from(row).unwrap_or(i64::MAX));
        self.codes.append_value(wrong.code.as_str());
        self.reasons.append_value(&wrong.reason);
        match std::str::from_utf8(payload) {
            Ok(text) => {
                self.texts.append_value(text);
                self.bytes.append_null();
            }
            Err(_) => {
                self.texts.append_null();
                self.bytes.append_value(payload);
            }
        }
        if self.named.len() < REJECTS_NAMED_MAX {
            self.named.push(Reject {
                row,
                code: wrong.code,
                reason: wrong.reason,
            });
        }
    }

    /// Counts the rows since this was last asked.
    pub(crate) fn count(&mut self, metrics: &Metrics) {
        for (code, count) in self.counts.drain(..) {
            let label = ReasonLabel {
                reason: code.as_str().to_owned(),
            };
            metrics.rejected_rows.get_or_create(&label).inc_by(count);
        }
    }

    /// The first rows that were refused since this was last asked.
    pub(crate) fn take_named(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.named)
    }

    /// All rows, in the columns of the stream of dead letters; there are none afterwards.
    ///
    /// # Errors
    /// When the stream's columns are not those of dead letters.
    pub(crate) fn finish(&mut self, stream: &StreamDef) -> Result<RecordBatch, ArrowError> {
        let schema = stream.spec.columns.body_schema();
        let rows = self.len();
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.row_numbers))),
            Arc::new(self.codes.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.texts.finish()),
            Arc::new(self.bytes.finish()),
        ];
        arrays.extend(
            schema
                .fields()
                .iter()
                .skip(arrays.len())
                .map(|f| new_null_array(f.data_type(), rows)),
        );
        RecordBatch::try_new(schema, arrays)
    }
}
