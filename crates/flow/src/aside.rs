//! Rows that a view sets aside: those on which it fails, with the reason, and those that come too
//! late. It never decides which; it makes the rows of dead letters and late streams of them.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    compute::filter_record_batch,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::Code;
use mainstem_sql::objects;

/// A row on which the view failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// What kind of failure.
    pub(crate) code: Code,
    /// What failed, for people.
    pub(crate) reason: String,
    /// The row as JSON.
    pub(crate) payload: String,
}

/// A row all of whose windows were closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    /// Its event time, in µs.
    pub(crate) event_time: i64,
    /// The watermark that had passed it, in µs.
    pub(crate) watermark: i64,
    /// The row as JSON.
    pub(crate) payload: String,
}

/// Rows that were set aside, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aside {
    /// Failed.
    pub(crate) letters: Vec<Letter>,
    /// Late.
    pub(crate) late: Vec<Late>,
}

impl Aside {
    /// Takes all of another one.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.letters.append(&mut other.letters);
        self.late.append(&mut other.late);
    }

    /// Sets rows of a batch aside as failed: pairs of row and reason.
    pub(crate) fn fail(
        &mut self,
        batch: &RecordBatch,
        code: Code,
        failed: Vec<(usize, String)>,
    ) -> Result<(), ArrowError> {
        let payloads = payloads(batch, failed.iter().map(|(row, _)| *row))?;
        let letters = failed.into_iter().zip(payloads);
        self.letters
            .extend(letters.map(|((_, reason), payload)| Letter {
                code,
                reason,
                payload,
            }));
        Ok(())
    }

    /// Sets rows of a batch aside as late: row, event time, watermark.
    pub(crate) fn late(
        &mut self,
        batch: &RecordBatch,
        late: &[(usize, i64, i64)],
    ) -> Result<(), ArrowError> {
        let payloads = payloads(batch, late.iter().map(|(row, ..)| *row))?;
        let rows = late.iter().zip(payloads);
        self.late
            .extend(rows.map(|((_, event_time, watermark), payload)| Late {
                event_time: *event_time,
                watermark: *watermark,
                payload,
            }));
        Ok(())
    }
}

/// Some rows of a batch as JSON; rows ascend.
fn payloads(
    batch: &RecordBatch,
    rows: impl Iterator<Item = usize>,
) -> Result<Vec<String>, ArrowError> {
    let mut wanted = vec![false; batch.num_rows()];
    for row in rows {
        wanted[row] = true;
    }
    let chosen = filter_record_batch(batch, &BooleanArray::from(wanted))?;
    let mut texts = Vec::with_capacity(chosen.num_rows());
    objects(&chosen, |_, object| {
        texts.push(String::from_utf8_lossy(object).into_owned())
    })
    .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    Ok(texts)
}

/// Letters as rows of a stream of dead letters: `row_number`, `code`, `reason`, `payload`,
/// `payload_bytes`, `_extra`.
///
/// # Errors
/// When the schema is another.
pub(crate) fn letter_rows(
    letters: &[Letter],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&Letter) -> &str| -> ArrayRef {
        Arc::new(
            letters
                .iter()
                .map(|letter| Some(of(letter)))
                .collect::<StringArray>(),
        )
    };
    let rows = letters.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::new_null(rows)),
        text(|letter| letter.code.as_str()),
        text(|letter| &letter.reason),
        text(|letter| &letter.payload),
        Arc::new(BinaryArray::new_null(rows)),
        new_null_array(&DataType::Utf8, rows),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// Late rows as rows of a late stream: `event_time`, `watermark`, `payload`, `_extra`.
///
/// # Errors
/// When the schema is another.
pub(crate) fn late_rows(late: &[Late], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let time = |of: fn(&Late) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(late.iter().map(of));
        Arc::new(times.with_timezone("UTC"))
    };
    let payloads: StringArray = late
        .iter()
        .map(|late| Some(late.payload.as_str()))
        .collect();
    debug_assert_eq!(payloads.len(), late.len());
    let columns: Vec<ArrayRef> = vec![
        time(|late| late.event_time),
        time(|late| late.watermark),
        Arc::new(payloads),
        new_null_array(&DataType::Utf8, late.len()),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}
