//! Rows that a view set aside, on their way to its dead letters.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray},
    datatypes::SchemaRef,
    error::ArrowError,
};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{Code, types::EXTRA_COLUMN};
use mainstem_sql::objects;

use super::WorkerError;
use crate::kafka::{Message, NewMessage, Transaction};

/// The dead letters of a view.
#[derive(Debug)]
pub(super) struct Letters {
    pub(super) stream: Arc<StreamDef>,
    pub(super) topic: String,
}

impl Letters {
    /// The columns of its rows.
    pub(super) fn schema(&self) -> SchemaRef {
        self.stream.spec.columns.body_schema()
    }

    /// Records that are no rows of their stream.
    pub(super) fn of_refused(
        &self,
        refused: &[(&Message, &str)],
    ) -> Result<RecordBatch, ArrowError> {
        let rows = refused.len();
        let text = |(message, _): &(&Message, &str)| {
            let text = std::str::from_utf8(message.value.as_deref().unwrap_or_default());
            text.ok().map(str::to_owned)
        };
        let texts: StringArray = refused.iter().map(text).collect();
        let bytes = refused.iter().map(|(message, _)| {
            let payload = message.value.as_deref().unwrap_or_default();
            std::str::from_utf8(payload).is_err().then_some(payload)
        });
        let code = Code::Clus009.as_str();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::new_null(rows)),
            Arc::new(StringArray::from(vec![code; rows])),
            Arc::new(
                refused
                    .iter()
                    .map(|(_, reason)| Some(*reason))
                    .collect::<StringArray>(),
            ),
            Arc::new(texts),
            Arc::new(bytes.collect::<BinaryArray>()),
            arrow::array::new_null_array(&arrow::datatypes::DataType::Utf8, rows),
        ];
        RecordBatch::try_new(self.schema(), columns)
    }

    /// Writes rows of dead letters.
    pub(super) fn send(
        &self,
        letters: &RecordBatch,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), WorkerError> {
        let defect = |source| WorkerError::Plan {
            object: self.stream.id,
            source,
        };
        let declared: Vec<usize> = letters
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field.name() != EXTRA_COLUMN)
            .map(|(at, _)| at)
            .collect();
        let letters = letters.project(&declared);
        let letters = letters.map_err(|error| defect(Box::new(error)))?;
        let mut failed = None;
        let each = |_: usize, value: &[u8]| {
            if failed.is_none() {
                let message = NewMessage {
                    topic: &self.topic,
                    partition: Some(0),
                    key: None,
                    value: Some(value),
                    headers: &[],
                };
                failed = transaction.send(&message).err();
            }
        };
        objects(&letters, each).map_err(|error| defect(Box::new(error)))?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
