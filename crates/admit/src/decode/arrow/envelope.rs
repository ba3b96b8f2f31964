//! Checks the envelope of an Arrow IPC stream before anything is allocated for it: every length
//! that it states must lie within the body.
//!
//! Source: Arrow columnar format, "IPC Streaming Format": each message is `0xFFFFFFFF`, the size
//! of its metadata as 4 bytes little endian, the metadata as a flatbuffer, and its body.

use arrow::ipc::{Message, MessageHeader, RecordBatch, root_as_message};

use crate::AdmitError;

/// Rows are at least one bit each in some buffer.
const ROWS_PER_BYTE_MAX: u64 = 8;

/// Checks the messages of a body.
///
/// # Errors
/// When a length does not lie within the body, or it holds what is not taken.
pub(super) fn check(body: &[u8]) -> Result<(), AdmitError> {
    let mut rest = body;
    let mut rows = 0_u64;
    while let Some((metadata, after)) = metadata(rest)? {
        let message = root_as_message(metadata).map_err(|error| fail(&error.to_string()))?;
        let size = usize::try_from(message.bodyLength()).ok();
        let split = size.and_then(|size| after.split_at_checked(size));
        let Some((content, next)) = split else {
            return Err(fail("it ends in the middle"));
        };
        rows = rows.saturating_add(check_message(&message, content.len())?);
        rest = next;
    }
    let limit = (body.len() as u64).saturating_mul(ROWS_PER_BYTE_MAX);
    if rows > limit {
        Err(fail("it states more rows than it can hold"))
    } else {
        Ok(())
    }
}

/// Some bytes, and those behind them.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The metadata of the next message, and what follows it; `None` at the end.
fn metadata(bytes: &[u8]) -> Result<Option<Split<'_>>, AdmitError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let short = || fail("it ends in the middle");
    let (mut size, mut rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    if size == &[0xff; 4] {
        (size, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    }
    match u32::from_le_bytes(*size) as usize {
        0 if rest.is_empty() => Ok(None),
        0 => Err(fail("bytes follow its end")),
        size => rest.split_at_checked(size).map(Some).ok_or_else(short),
    }
}

/// Checks one message; gives the rows that it states.
fn check_message(message: &Message<'_>, size: usize) -> Result<u64, AdmitError> {
    match message.header_type() {
        MessageHeader::Schema => Ok(0),
        MessageHeader::RecordBatch => {
            let batch = message.header_as_record_batch();
            check_batch(&batch.ok_or_else(|| fail("a batch is missing"))?, size)
        }
        MessageHeader::DictionaryBatch => Err(fail("it holds dictionaries")),
        _ => Err(fail("it holds a message that is no batch")),
    }
}

fn check_batch(batch: &RecordBatch<'_>, size: usize) -> Result<u64, AdmitError> {
    if batch.compression().is_some() {
        return Err(fail("its buffers are compressed"));
    }
    for buffer in batch.buffers().iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let end = end.and_then(|end| usize::try_from(end).ok());
        let is_inside = end.is_some_and(|end| end <= size);
        if buffer.offset() < 0 || buffer.length() < 0 || !is_inside {
            return Err(fail("a buffer lies outside of its message"));
        }
    }
    let rows = batch.length();
    for node in batch.nodes().iter().flatten() {
        // Items of lists are bounded by the buffers that hold them.
        if node.length() < 0 || node.null_count() < 0 {
            return Err(fail("it states a negative length"));
        }
    }
    u64::try_from(rows).map_err(|_source| fail("it states a negative number of rows"))
}

fn fail(reason: &str) -> AdmitError {
    AdmitError::ArrowBody {
        reason: reason.to_owned(),
    }
}
