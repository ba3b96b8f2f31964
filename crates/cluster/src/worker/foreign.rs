//! `ForeignWork`: records of a topic that others write become rows of a stream, each once: the rows
//! and the place up to which the topic was read become visible together.
//!
//! A record is judged as the doors judge a row. One that does not fit becomes a dead letter that
//! names its place; none holds up those behind it. Rows carry their place as headers: the sender is
//! the partition that they come from, and their number is their offset in it. With PARTITION BY rows
//! find their partition as at the doors; without, those of one partition stay together, in order.

#[cfg(test)]
mod contract;
mod source;

use std::{sync::Arc, time::Duration};

use arrow::array::{Array, RecordBatch};
use mainstem_admit::{ForeignRecord, Records};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    Offset, Problem, SchemaVersion,
    clock::SharedClock,
    key::{partition_of, write_key},
};

use super::{
    WorkerError,
    letters::Letters,
    member::{Counted, Work},
    tasks::Bench,
};
use crate::kafka::{
    JSON_HEADER, JsonColumns, KEY_HEADER, Message, NewMessage, Place, ROW_HEADER, SCHEMA_HEADER,
    Transaction, topic::Wanted, without_empty_extra,
};

pub(super) use source::ForeignTopic;

/// How often it is looked whether the topic is still what it was.
const LOOK: Duration = Duration::from_secs(5);
/// What is around a row in a record.
const AROUND_BYTES: usize = 4 << 10;
/// No client takes a larger record.
const RECORD_BYTES_MAX: u64 = 16 << 20;

/// What `ForeignWork` writes to.
#[derive(Debug)]
pub(super) struct ForeignTopics {
    /// The stream's own topic.
    pub(super) rows: String,
    /// Its dead letters.
    pub(super) letters: Letters,
}

/// Records of others on their way into a stream.
#[derive(Debug)]
pub(super) struct ForeignWork {
    stream: Arc<StreamDef>,
    topics: ForeignTopics,
    source: ForeignTopic,
    records: Records,
    /// Columns that choose the partition.
    keys: Vec<usize>,
    row_bytes_max: usize,
    clock: SharedClock,
    ahead_max: Duration,
    /// When it was looked last, and what was found.
    looked: Duration,
    notice: Option<Problem>,
}

impl ForeignWork {
    /// Has read nothing yet.
    pub(super) fn new(
        bench: &Bench,
        stream: &Arc<StreamDef>,
        (topics, source): (ForeignTopics, ForeignTopic),
    ) -> Self {
        let spec = &stream.spec;
        let columns = &spec.columns.0;
        let place = |name: &_| columns.iter().position(|column| column.name == *name);
        let largest = Wanted::of(stream, &bench.config.kafka).record_bytes_max;
        let largest = usize::try_from(largest.min(RECORD_BYTES_MAX)).unwrap_or(usize::MAX);
        Self {
            records: Records::new(stream),
            keys: spec.partition_by.iter().filter_map(place).collect(),
            row_bytes_max: largest.saturating_sub(AROUND_BYTES),
            stream: Arc::clone(stream),
            clock: Arc::clone(&bench.clock),
            ahead_max: bench.config.ahead_max,
            looked: bench.clock.monotonic(),
            notice: None,
            topics,
            source,
        }
    }

    /// Judges records: gives their rows, and the record of each.
    fn admit<'m>(
        &mut self,
        messages: &'m [Message],
    ) -> Result<(RecordBatch, Vec<&'m Message>, Option<RecordBatch>), WorkerError> {
        let values = messages.iter().filter_map(|message| message.value.as_ref());
        let bytes = values.map(Vec::len).sum();
        let latest = self.clock.now().plus(self.ahead_max);
        self.records.begin(latest, bytes);
        let mut taken = Vec::with_capacity(messages.len());
        for message in messages {
            let records = &mut self.records;
            if told(message, |record| records.push(record)) {
                taken.push(message);
            }
        }
        let (rows, letters) = self.finish()?;
        Ok((rows, taken, letters))
    }

    fn finish(&mut self) -> Result<(RecordBatch, Option<RecordBatch>), WorkerError> {
        let admitted = self.records.finish(&self.topics.letters.stream);
        let admitted = admitted.map_err(|error| self.defect(error))?;
        let rows = without_empty_extra(&admitted.rows);
        Ok((rows.map_err(|error| self.defect(error))?, admitted.letters))
    }

    /// Writes rows; gives the records whose rows are too large for the topic, with their size.
    fn send<'m>(
        &self,
        rows: &RecordBatch,
        taken: &[&'m Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Vec<(&'m Message, usize)>, WorkerError> {
        let columns = self.keys.iter().filter_map(|at| rows.columns().get(*at));
        let columns: Vec<&dyn Array> = columns.map(|column| &**column).collect();
        let version = self.stream.schema_version();
        let schema = (version > SchemaVersion(1)).then(|| version.0.to_string());
        let beside = JsonColumns::of(rows);
        let (mut large, mut failed, mut key) = (Vec::new(), None, Vec::new());
        let each = |row: usize, value: &[u8]| {
            let Some(message) = taken.get(row).filter(|_| failed.is_none()) else {
                return;
            };
            if value.len() > self.row_bytes_max {
                large.push((*message, value.len()));
                return;
            }
            key.clear();
            write_key(&columns, row, &mut key);
            let sender = self.source.sender(message.place.partition);
            let offset = message.offset.0.to_string();
            let mut headers: Vec<(&str, &[u8])> = vec![
                (KEY_HEADER, sender.as_bytes()),
                (ROW_HEADER, offset.as_bytes()),
            ];
            headers.extend(schema.as_ref().map(|text| (SCHEMA_HEADER, text.as_bytes())));
            let json = beside.beside(row);
            headers.extend(json.as_ref().map(|text| (JSON_HEADER, text.as_bytes())));
            let partitions = self.stream.spec.partitions;
            let sent = transaction.send(&NewMessage {
                topic: &self.topics.rows,
                partition: Some(match columns.is_empty() {
                    true => message.place.partition.0 % partitions.max(1),
                    false => partition_of(&key, partitions),
                }),
                key: (!columns.is_empty()).then_some(key.as_slice()),
                value: Some(value),
                headers: &headers,
            });
            failed = sent.err();
        };
        mainstem_sql::objects(rows, each).map_err(|error| self.defect(error))?;
        failed.map_or(Ok(large), |error| Err(error.into()))
    }

    fn defect(&self, error: impl std::error::Error + Send + Sync + 'static) -> WorkerError {
        WorkerError::Plan {
            object: self.stream.id,
            source: Box::new(error),
        }
    }
}

/// Calls `each` with a record and its place in words.
fn told<R>(message: &Message, each: impl FnOnce(&ForeignRecord<'_>) -> R) -> R {
    let Place { topic, partition } = &message.place;
    each(&ForeignRecord {
        place: format_args!(
            "partition {}, offset {} of topic \"{topic}\"",
            partition.0, message.offset.0
        ),
        number: message.offset.0,
        value: message.value.as_deref(),
    })
}

impl Work for ForeignWork {
    fn look(&mut self) -> Result<Option<Problem>, WorkerError> {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.looked) >= LOOK {
            self.looked = now;
            self.notice = self.source.look()?;
        }
        Ok(self.notice.clone())
    }

    /// What was read and not committed is nowhere: there is nothing to rebuild.
    fn taken(&mut self, _place: &Place, _next: Offset) -> Result<(), WorkerError> {
        Ok(())
    }

    fn lost(&mut self, _place: &Place) {}

    fn work(
        &mut self,
        messages: &[Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError> {
        let (rows, taken, letters) = self.admit(messages)?;
        let large = self.send(&rows, &taken, transaction)?;
        for (message, size) in &large {
            let (records, limit) = (&mut self.records, self.row_bytes_max);
            told(message, |record| records.refuse_large(record, *size, limit));
        }
        let (_, late) = self.finish()?;
        let mut counted = Counted {
            rows: messages.len() as u64,
            out: (taken.len() - large.len()) as u64,
            ..Counted::default()
        };
        for letters in letters.iter().chain(&late) {
            counted.letters += letters.num_rows() as u64;
            self.topics.letters.send(letters, transaction)?;
        }
        Ok(counted)
    }

    fn aborted(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }
}
