//! `UniqueWork`: DEDUPLICATE BY of a stream.
//!
//! # Changelog
//!
//! `…-seen` has a record for each key that counts, in the partition of its rows: the key, and as value
//! when it came first, in ms, decimal. One without value says that the key's span is over. The key of
//! a row is its column's canonical text behind `c`; of a row whose column is NULL the headers that name
//! it for ever (`mainstem-key`, `mainstem-row`) behind `h`. A row with neither is new.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::array::Array;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ByteSize, Offset, key::write_key};

use super::{
    WorkerError, WorkersConfig,
    lookup::schema_of,
    member::{Counted, Work},
    seen::Seen,
    source::SourceRows,
};
use crate::kafka::{
    KEY_HEADER, Message, NewMessage, Place, ROW_HEADER, Transaction, whole::read_partition,
};

/// DEDUPLICATE BY of a stream.
#[derive(Debug)]
pub(super) struct UniqueWork {
    pub(super) config: WorkersConfig,
    pub(super) stream: Arc<StreamDef>,
    pub(super) within_ms: i64,
    /// Reads the column that tells rows apart.
    pub(super) source: SourceRows,
    /// The topics that are written.
    pub(super) unique: String,
    pub(super) changelog: String,
    seen: BTreeMap<Place, Seen>,
}

/// What `UniqueWork` writes.
#[derive(Debug)]
pub(super) struct UniqueTopics {
    pub(super) unique: String,
    pub(super) changelog: String,
}

impl UniqueWork {
    /// Knows of no partition yet.
    pub(super) fn new(
        config: &WorkersConfig,
        (stream, within_ms): (&Arc<StreamDef>, i64),
        source: SourceRows,
        topics: UniqueTopics,
    ) -> Self {
        Self {
            config: config.clone(),
            stream: Arc::clone(stream),
            within_ms,
            source,
            unique: topics.unique,
            changelog: topics.changelog,
            seen: BTreeMap::new(),
        }
    }

    fn rebuild(&self, place: &Place) -> Result<Seen, WorkerError> {
        let mut seen = Seen::new(self.within_ms);
        let from = (self.changelog.as_str(), place.number());
        read_partition(&self.config.kafka, from, |key, value| {
            let at = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            if let Some(key) = key {
                seen.restore(key, at);
            }
        })?;
        tracing::debug!(stream = %self.stream.spec.name, keys = seen.keys(), "keys are read back");
        Ok(seen)
    }

    fn judge(&self) -> Result<(), WorkerError> {
        let size = ByteSize::from(self.seen.values().map(Seen::size).sum::<usize>());
        let limit = self.config.seen_size_max;
        match size > limit {
            true => Err(WorkerError::SeenFull {
                stream: self.stream.spec.name.clone(),
                size,
                limit,
            }),
            false => Ok(()),
        }
    }

    /// What tells each record from others; none if nothing does.
    fn keys(&self, messages: &[&Message]) -> Result<Vec<Option<Vec<u8>>>, WorkerError> {
        let records = messages.iter().map(|message| {
            let value = message.value.as_deref().unwrap_or_default();
            (schema_of(message), value)
        });
        let read = self.source.read(records);
        let read = read.map_err(|error| WorkerError::Plan {
            object: self.stream.id,
            source: Box::new(error),
        })?;
        let mut keys: Vec<Option<Vec<u8>>> = messages.iter().map(|one| sender(one)).collect();
        let Some(column) = read.rows.columns().first() else {
            return Ok(keys);
        };
        let column: &dyn Array = column;
        for (row, record) in read.records.iter().enumerate() {
            if column.is_null(row) {
                continue;
            }
            let mut key = vec![b'c'];
            write_key(&[column], row, &mut key);
            if let Some(kept) = keys.get_mut(*record) {
                *kept = Some(key);
            }
        }
        Ok(keys)
    }

    /// Writes the new ones of a partition's records.
    fn partition(
        &self,
        messages: &[&Message],
        seen: &mut Seen,
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError> {
        let keys = self.keys(messages)?;
        let mut counted = Counted {
            rows: messages.len() as u64,
            ..Counted::default()
        };
        for (message, key) in messages.iter().zip(keys) {
            let partition = Some(message.place.partition.0);
            if let Some(key) = key {
                if !seen.is_new(&key, message.at.millis()) {
                    continue;
                }
                let first = seen.first(&key).unwrap_or_default().to_string();
                transaction.send(&NewMessage {
                    topic: &self.changelog,
                    partition,
                    key: Some(&key),
                    value: Some(first.as_bytes()),
                    headers: &[],
                })?;
            }
            let headers = message.headers.iter();
            let headers: Vec<(&str, &[u8])> = headers
                .map(|(name, value)| (name.as_str(), value.as_slice()))
                .collect();
            transaction.send(&NewMessage {
                topic: &self.unique,
                partition,
                key: message.key.as_deref(),
                value: message.value.as_deref(),
                headers: &headers,
            })?;
            counted.out += 1;
        }
        while let Some(key) = seen.expire() {
            transaction.send(&NewMessage {
                topic: &self.changelog,
                partition: messages.first().map(|message| message.place.partition.0),
                key: Some(&key),
                value: None,
                headers: &[],
            })?;
        }
        Ok(counted)
    }
}

/// What names a row for ever.
fn sender(message: &Message) -> Option<Vec<u8>> {
    let (key, row) = (message.header(KEY_HEADER)?, message.header(ROW_HEADER)?);
    Some(format!("h{key}-{row}").into_bytes())
}

impl Work for UniqueWork {
    fn taken(&mut self, place: &Place, _next: Offset) -> Result<(), WorkerError> {
        let seen = self.rebuild(place)?;
        self.seen.insert(place.clone(), seen);
        self.judge()
    }

    fn lost(&mut self, place: &Place) {
        self.seen.remove(place);
    }

    fn work(
        &mut self,
        messages: &[Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError> {
        self.judge()?;
        let mut places: HashMap<&Place, Vec<&Message>> = HashMap::new();
        for message in messages {
            places.entry(&message.place).or_default().push(message);
        }
        let mut all = Counted::default();
        for (place, messages) in places {
            let Some(mut seen) = self.seen.remove(place) else {
                continue;
            };
            all.add(self.partition(&messages, &mut seen, transaction)?);
            self.seen.insert(place.clone(), seen);
        }
        Ok(all)
    }

    /// Keys were noted of rows that are not there: what is true is in the changelog.
    fn aborted(&mut self) -> Result<(), WorkerError> {
        let places: Vec<Place> = self.seen.keys().cloned().collect();
        for place in places {
            let seen = self.rebuild(&place)?;
            self.seen.insert(place, seen);
        }
        Ok(())
    }
}
