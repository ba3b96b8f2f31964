//! `LookupWork`: filters and lookups of a version of a view.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use mainstem_flow::Apart;
use mainstem_kernel::{ColumnType, Offset, SchemaVersion, Seq, StreamId, Timestamp};
use mainstem_sql::objects;

use super::{
    WorkerError,
    copies::{Copies, seen_at},
    letters::Letters,
    member::{Counted, Work},
    source::SourceRows,
};
use crate::kafka::{Message, NewMessage, Place, SCHEMA_HEADER, Transaction};

/// Filters and lookups of a version of a view.
#[derive(Debug)]
pub(super) struct LookupWork {
    pub(super) view: StreamId,
    pub(super) apart: Apart,
    pub(super) source: SourceRows,
    pub(super) copies: Copies,
    /// The partitions that are ours, and when the last row of each was appended that was looked up.
    pub(super) reached: BTreeMap<Place, Timestamp>,
    pub(super) letters: Option<Letters>,
    /// The topic that is written.
    pub(super) input: String,
    /// The names of its columns: no two are the same.
    pub(super) names: Vec<String>,
}

/// The version of the columns that a record names.
pub(super) fn schema_of(message: &Message) -> SchemaVersion {
    let named = message.header(SCHEMA_HEADER);
    SchemaVersion(named.and_then(|text| text.parse().ok()).unwrap_or(1))
}

impl LookupWork {
    fn defect(&self, error: impl std::error::Error + Send + Sync + 'static) -> WorkerError {
        WorkerError::Plan {
            object: self.view,
            source: Box::new(error),
        }
    }

    /// The rows of one partition.
    fn partition(
        &self,
        messages: &[&Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError> {
        let records = messages.iter().map(|message| {
            let value = message.value.as_deref().unwrap_or_default();
            (schema_of(message), value)
        });
        let read = self
            .source
            .read(records)
            .map_err(|error| self.defect(error))?;
        let mut counted = Counted {
            rows: messages.len() as u64,
            ..Counted::default()
        };
        if !read.refused.is_empty() {
            let refused = read.refused.iter();
            let refused: Vec<(&Message, &str)> = refused
                .filter_map(|(number, reason)| Some((*messages.get(*number)?, reason.as_str())))
                .collect();
            counted.letters += refused.len() as u64;
            if let Some(letters) = &self.letters {
                let rows = letters
                    .of_refused(&refused)
                    .map_err(|error| self.defect(error))?;
                letters.send(&rows, transaction)?;
            }
        }
        let schema = match &self.letters {
            Some(letters) => letters.schema(),
            None => Arc::new(Schema::empty()),
        };
        let seen = read.records.iter().map(|number| {
            let message = messages.get(*number);
            message.map_or(Seq::MAX, |message| seen_at(message.at))
        });
        let seen: Vec<Seq> = seen.collect();
        let ran = self
            .apart
            .run((read.rows, &seen), &self.copies.rows, &schema);
        let ran = ran.map_err(|error| self.defect(error))?;
        if let (Some(rows), Some(letters)) = (&ran.letters, &self.letters) {
            counted.letters += rows.num_rows() as u64;
            letters.send(rows, transaction)?;
        }
        counted.out += ran.rows.num_rows() as u64;
        let partition = messages.first().map(|message| message.place.partition.0);
        self.send(&ran.rows, partition, transaction)?;
        Ok(counted)
    }

    fn send(
        &self,
        rows: &RecordBatch,
        partition: Option<u16>,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), WorkerError> {
        // Not `with_schema`, which takes no other names: a table's column may be called as one of the
        // stream's.
        let named = self.named(&rows.schema());
        let rows = RecordBatch::try_new(named, rows.columns().to_vec());
        let rows = rows.map_err(|error| self.defect(error))?;
        let mut failed = None;
        let each = |_: usize, value: &[u8]| {
            if failed.is_none() {
                let message = NewMessage {
                    topic: &self.input,
                    partition,
                    key: None,
                    value: Some(value),
                    headers: &[],
                };
                failed = transaction.send(&message).err();
            }
        };
        objects(&rows, each).map_err(|error| self.defect(error))?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The columns under the names that the topic's reader knows them by.
    fn named(&self, schema: &SchemaRef) -> SchemaRef {
        let fields = schema.fields().iter().zip(&self.names);
        let fields: Vec<Field> = fields
            .map(|(field, name)| {
                // JSON goes as the text that it is: Spark would spell a value otherwise.
                let mut field = field.as_ref().clone();
                let metadata = field.metadata_mut();
                metadata.retain(|_, ty| *ty != ColumnType::Json.to_string());
                field.with_name(name)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }
}

impl Work for LookupWork {
    fn taken(&mut self, place: &Place, _next: Offset) -> Result<(), WorkerError> {
        // Its next row may be from any time.
        self.reached.insert(place.clone(), Timestamp(0));
        self.copies.catch_up()
    }

    fn lost(&mut self, place: &Place) {
        self.reached.remove(place);
    }

    fn work(
        &mut self,
        messages: &[Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError> {
        // After the rows were fetched: they see what was acknowledged before they were sent.
        self.copies.catch_up()?;
        let mut places: BTreeMap<&Place, Vec<&Message>> = BTreeMap::new();
        for message in messages {
            places.entry(&message.place).or_default().push(message);
        }
        let mut all = Counted::default();
        for messages in places.values() {
            all.add(self.partition(messages, transaction)?);
        }
        Ok(all)
    }

    fn committed(&mut self, messages: &[Message]) -> Result<(), WorkerError> {
        for message in messages {
            if let Some(reached) = self.reached.get_mut(&message.place) {
                *reached = message.at.max(*reached);
            }
        }
        let slowest = self.reached.values().min().copied();
        self.copies.settle(seen_at(slowest.unwrap_or(Timestamp(0))))
    }

    fn aborted(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }
}
