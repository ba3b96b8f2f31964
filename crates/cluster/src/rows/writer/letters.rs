//! Rows that cannot be kept: in the dead letters of their view, and in the node's log.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use mainstem_kernel::{Fault, PartitionId, SchemaVersion, StreamId};
use mainstem_log::{Append, Draft, DraftEntry, Refusal};
use tokio::sync::oneshot;

use super::Writing;
use crate::{
    kafka::Message,
    rows::{Relation, RowsError},
};

/// Letters of a round that are named in the log.
const NAMED_MAX: usize = 10;
/// Longest row that a letter holds, in bytes.
const PAYLOAD_MAX: usize = 64 << 10;

/// A row that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    topic: Arc<str>,
    partition: u16,
    offset: u64,
    reason: String,
    payload: Vec<u8>,
}

impl Letter {
    pub(super) fn of(message: &Message, reason: String) -> Self {
        let payload = message.value.as_deref().or(message.key.as_deref());
        let payload = payload.unwrap_or_default();
        Self {
            topic: Arc::clone(&message.place.topic),
            partition: message.place.partition.0,
            offset: message.offset.0,
            reason,
            payload: payload.get(..PAYLOAD_MAX).unwrap_or(payload).to_vec(),
        }
    }

    fn error(&self, relation: &Relation) -> RowsError {
        RowsError::Misfit {
            label: relation.label(),
            topic: self.topic.to_string(),
            partition: self.partition,
            offset: self.offset,
            reason: self.reason.clone(),
        }
    }
}

impl Writing {
    /// Names letters in the log, and keeps them if the relation has a stream of them.
    pub(super) fn keep(&self, relation: &Relation, letters: Vec<Letter>) -> Result<(), RowsError> {
        for letter in letters.iter().take(NAMED_MAX) {
            tracing::warn!(error = %letter.error(relation), "a row is set aside");
        }
        if letters.len() > NAMED_MAX {
            tracing::warn!(rows = letters.len(), "rows are set aside");
        }
        let Some(stream) = relation.letters else {
            return Ok(());
        };
        let draft = draft(stream, relation, &letters).map_err(|error| RowsError::Broken {
            label: relation.label(),
            reason: error.to_string(),
        })?;
        let append = Append {
            frames: vec![draft],
        };
        let (told, answer) = oneshot::channel();
        let landing = Box::new(move |result: Result<_, Refusal>| {
            let _nobody_waits = told.send(result.map(drop)).is_err();
        });
        self.parts.letters.append(append, landing);
        let reason = match self.parts.runtime.block_on(answer) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => format!("{refusal:?}"),
            Err(gone) => gone.to_string(),
        };
        Err(RowsError::Letters {
            label: relation.label(),
            reason,
        })
    }
}

fn draft(
    stream: StreamId,
    relation: &Relation,
    letters: &[Letter],
) -> Result<Draft, arrow::error::ArrowError> {
    let numbers = letters
        .iter()
        .map(|letter| i64::try_from(letter.offset).ok());
    let code = letters
        .first()
        .map(|letter| letter.error(relation).answer().code);
    let codes = letters
        .iter()
        .map(|_| code.map_or("", |code| code.as_str()));
    let reasons = letters.iter().map(|letter| letter.reason.as_str());
    let texts = letters
        .iter()
        .map(|letter| std::str::from_utf8(&letter.payload).ok());
    let bytes = letters.iter().map(|letter| {
        let payload = letter.payload.as_slice();
        std::str::from_utf8(payload).is_err().then_some(payload)
    });
    let columns: [(&str, ArrayRef); 5] = [
        ("row_number", Arc::new(numbers.collect::<Int64Array>())),
        ("code", Arc::new(StringArray::from_iter_values(codes))),
        ("reason", Arc::new(StringArray::from_iter_values(reasons))),
        ("payload", Arc::new(texts.collect::<StringArray>())),
        ("payload_bytes", Arc::new(bytes.collect::<BinaryArray>())),
    ];
    let entry = DraftEntry {
        partition: PartitionId(0),
        rows: u32::try_from(letters.len()).unwrap_or(u32::MAX),
        stamp: None,
    };
    let batch = RecordBatch::try_from_iter(columns)?;
    Draft::encode(stream, SchemaVersion(1), vec![entry], batch)
}
