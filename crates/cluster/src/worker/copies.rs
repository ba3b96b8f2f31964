//! `Copies`: tables in memory, read from their topics, with what they were before as long as a row may
//! come that has to see it.
//!
//! It never writes a row of a table, and belongs to no consumer group: every worker reads all.
//!
//! # What a row sees
//!
//! The table as it was when Kafka appended the row: changes that were appended before, by the clocks
//! of the brokers, which may be `CLOCKS_APART` apart. So it does not matter how late a worker comes to
//! it, or in which order partitions are read. Versions are kept in memory from the oldest row on that
//! may still come, and `VERSIONS_KEPT` at most, as in the table's topic: what was before is taken for
//! having been there always.
//!
//! # How it knows that it has all
//!
//! It asks where a topic ends, for readers of what is committed. Then it reads until it is there, or
//! the client says that there is nothing more: behind the last record stand marks of transactions,
//! which no reader sees. A word of an earlier end must not count, so the client is given its
//! partitions after it was asked, each time anew.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_catalog::TableDef;
use mainstem_flow::ApartTables;
use mainstem_kernel::{
    ByteSize, Clock, SchemaVersion, Seq, StreamId, StreamName, Timestamp, clock::SystemClock,
};
use mainstem_table::TableSchema;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};

use super::{WorkerError, WorkersConfig};
use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, SCHEMA_HEADER,
        client::{Words, patiently, reading_to_ends, refused, silent, unreachable},
        topic::VERSIONS_KEPT,
    },
    tables::RowsRead,
};

/// Records that are read before they are taken over.
const ROWS_MAX: usize = 50_000;
/// How long a broker may keep still at once.
const PATIENCE: Duration = Duration::from_millis(200);

/// How far apart clocks of brokers may be. A row sees changes that came so much later: one that was
/// acknowledged before the row was sent is never missed.
const CLOCKS_APART: Duration = Duration::from_millis(5);
/// What is forgotten is forgotten for so long at once.
const FORGOTTEN_AT_ONCE: Duration = Duration::from_secs(1);

/// Tables in memory.
#[derive(Debug)]
pub(super) struct Copies {
    config: WorkersConfig,
    view: StreamName,
    copies: Vec<Copy>,
    /// Up to when all changes but the last of each key are forgotten.
    settled: Seq,
    pub(super) rows: ApartTables,
}

/// The time of a change.
fn changed_at(appended: Timestamp) -> Seq {
    Seq::from_millis(u64::try_from(appended.millis()).unwrap_or_default())
}

/// As of when a row sees tables that was appended then.
pub(super) fn seen_at(appended: Timestamp) -> Seq {
    let apart = i64::try_from(CLOCKS_APART.as_millis()).unwrap_or_default();
    let millis = appended.millis().saturating_add(apart + 1);
    Seq::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// One table.
struct Copy {
    config: KafkaConfig,
    def: Arc<TableDef>,
    topic: String,
    consumer: BaseConsumer<Words>,
    rows: RowsRead,
    places: BTreeMap<i32, Reached>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy")
            .field("topic", &self.topic)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

/// How far a partition is read.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// The offset behind the last record.
    next: i64,
    /// Up to where it is known that there is no more.
    end: i64,
}

impl Copies {
    /// Copies of tables, each with its topic; nothing is read yet.
    pub(super) fn open(
        config: &WorkersConfig,
        view: &StreamName,
        tables: &[(Arc<TableDef>, String)],
    ) -> Result<Self, WorkerError> {
        let mut rows = ApartTables::new();
        let mut copies = Vec::with_capacity(tables.len());
        for (def, topic) in tables {
            rows.add(def).map_err(|error| defect(def.id, error))?;
            copies.push(Copy::open(&config.kafka, def, topic)?);
        }
        Ok(Self {
            config: config.clone(),
            view: view.clone(),
            copies,
            settled: Seq::ZERO,
            rows,
        })
    }

    /// Reads everything that is committed by now.
    pub(super) fn catch_up(&mut self) -> Result<(), WorkerError> {
        // Brokers and nodes have the same time, but for what clocks are apart.
        let now = SystemClock.now().millis();
        let kept = i64::try_from(VERSIONS_KEPT.as_millis()).unwrap_or(i64::MAX);
        let always = changed_at(Timestamp::from_millis(now.saturating_sub(kept)));
        for number in 0..self.copies.len() {
            while !self.read(number, always)? {}
        }
        self.settle(always)
    }

    /// Reads on one table; whether it is read to its end.
    fn read(&mut self, number: usize, always: Seq) -> Result<bool, WorkerError> {
        let Some(copy) = self.copies.get_mut(number) else {
            return Ok(true);
        };
        let is_end = copy.catch_up()?;
        copy.apply(&mut self.rows, always)?;
        if ByteSize::from(self.rows.size()) > self.config.lookup_size_max {
            self.make_room()?;
        }
        Ok(is_end)
    }

    /// Forgets all versions but the last.
    fn make_room(&mut self) -> Result<(), WorkerError> {
        let settled = self.rows.settle(Seq::MAX);
        settled.map_err(|error| self.defect(error))?;
        let (limit, size) = (
            self.config.lookup_size_max,
            ByteSize::from(self.rows.size()),
        );
        match size > limit {
            true => Err(WorkerError::LookupFull {
                view: self.view.clone(),
                size,
                limit,
            }),
            false => Ok(()),
        }
    }

    /// No row comes any more that sees tables as of an earlier time.
    pub(super) fn settle(&mut self, before: Seq) -> Result<(), WorkerError> {
        let pause = u64::try_from(FORGOTTEN_AT_ONCE.as_millis()).unwrap_or_default();
        if before.millis() < self.settled.millis().saturating_add(pause) {
            return Ok(());
        }
        self.settled = before;
        let settled = self.rows.settle(before);
        settled.map_err(|error| self.defect(error))
    }

    fn defect(&self, error: impl std::error::Error + Send + Sync + 'static) -> WorkerError {
        let table = self.copies.first().map(|copy| copy.def.id);
        defect(table.unwrap_or(StreamId(0)), error)
    }
}

fn defect(object: StreamId, error: impl std::error::Error + Send + Sync + 'static) -> WorkerError {
    WorkerError::Plan {
        object,
        source: Box::new(error),
    }
}

impl Copy {
    fn open(config: &KafkaConfig, def: &Arc<TableDef>, topic: &str) -> Result<Self, WorkerError> {
        let schema = TableSchema::of_table(def);
        let mut copy = Self {
            config: config.clone(),
            def: Arc::clone(def),
            topic: topic.to_owned(),
            consumer: reading_to_ends(config, "copies")?,
            rows: RowsRead::new(&schema),
            places: BTreeMap::new(),
        };
        let ask = || {
            let limit = config.connect_max;
            copy.consumer.fetch_metadata(Some(topic), limit)
        };
        let metadata = patiently(ask).map_err(|error| unreachable(config, error))?;
        let topics = metadata.topics().iter();
        let partitions = topics.flat_map(|topic| topic.partitions());
        let places = partitions.map(|partition| (partition.id(), Reached::default()));
        copy.places = places.collect();
        Ok(copy)
    }

    /// Reads on; whether it has everything that was committed when it was called.
    fn catch_up(&mut self) -> Result<bool, WorkerError> {
        let mut missing = self.behind()?;
        if missing.is_empty() {
            return Ok(true);
        }
        self.assign(&missing)?;
        let mut waited = Duration::ZERO;
        while !missing.is_empty() && self.rows.len() < ROWS_MAX {
            if waited > self.config.acknowledge_max {
                return Err(silent(&self.config).into());
            }
            match self.consumer.poll(PATIENCE) {
                Some(Err(KafkaError::PartitionEOF(place))) => self.ended(&mut missing, place),
                // The words of a client that recovers by itself are no failure.
                None | Some(Err(_)) => waited += PATIENCE,
                Some(Ok(message)) => {
                    let next = message.offset() + 1;
                    let place = message.partition();
                    push(&mut self.rows, &message)?;
                    self.places.entry(place).or_default().next = next;
                    if missing.get(&place).is_some_and(|end| next >= *end) {
                        self.ended(&mut missing, place);
                    }
                    waited = Duration::ZERO;
                }
            }
        }
        self.consumer
            .unassign()
            .map_err(|error| refused("read topic", &self.topic, error))?;
        Ok(missing.is_empty())
    }

    fn ended(&mut self, missing: &mut BTreeMap<i32, i64>, place: i32) {
        if let Some(end) = missing.remove(&place) {
            self.places.entry(place).or_default().end = end;
        }
    }

    /// The partitions that have more, and where they end.
    fn behind(&self) -> Result<BTreeMap<i32, i64>, ClusterError> {
        let mut asked = TopicPartitionList::new();
        for place in self.places.keys() {
            asked
                .add_partition_offset(&self.topic, *place, Offset::End)
                .map_err(|error| refused("read topic", &self.topic, error))?;
        }
        let limit = self.config.connect_max;
        let ask = || self.consumer.offsets_for_times(asked.clone(), limit);
        let ends = patiently(ask).map_err(|error| unreachable(&self.config, error))?;
        let mut behind = BTreeMap::new();
        for element in ends.elements() {
            element
                .error()
                .map_err(|error| unreachable(&self.config, error))?;
            let place = element.partition();
            let known = self.places.get(&place).map_or(0, |reached| reached.end);
            if let Some(end) = element.offset().to_raw().filter(|end| *end > known) {
                behind.insert(place, end);
            }
        }
        Ok(behind)
    }

    fn assign(&self, missing: &BTreeMap<i32, i64>) -> Result<(), ClusterError> {
        let failed = |error| refused("read topic", &self.topic, error);
        let mut list = TopicPartitionList::new();
        for place in missing.keys() {
            let next = self.places.get(place).map_or(0, |reached| reached.next);
            let from = match next {
                0 => Offset::Beginning,
                next => Offset::Offset(next),
            };
            list.add_partition_offset(&self.topic, *place, from)
                .map_err(failed)?;
        }
        self.consumer.assign(&list).map_err(failed)
    }

    /// Takes over what was read. Changes from before `always` have been there always.
    fn apply(&mut self, tables: &mut ApartTables, always: Seq) -> Result<(), WorkerError> {
        let object = self.def.id;
        let changes = self.rows.take_every();
        for changed in changes.map_err(|reason| defect(object, Misfit(reason)))? {
            let times = changed.written.into_iter();
            let times = times.map(|time| if time < always { Seq::ZERO } else { time });
            let times: Vec<Seq> = times.collect();
            tables
                .change(object, (&changed.rows, &changed.deleted), &times)
                .map_err(|error| defect(object, error))?;
        }
        Ok(())
    }
}

/// Why records of a table are no rows of it.
#[derive(Debug, thiserror::Error)]
#[error("a record of the table's topic is no row of it: {0}")]
struct Misfit(String);

fn push(rows: &mut RowsRead, message: &BorrowedMessage<'_>) -> Result<(), ClusterError> {
    let foreign = |reason| ClusterError::Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        reason,
    };
    let version = match header(message, SCHEMA_HEADER) {
        None => SchemaVersion(1),
        Some(text) => SchemaVersion(text.parse().map_err(|_number| foreign("its schema"))?),
    };
    let key = message.key().ok_or_else(|| foreign("its key"))?;
    let appended = message.timestamp().to_millis().unwrap_or_default();
    let appended = changed_at(Timestamp::from_millis(appended));
    rows.push((key, message.payload()), version, appended)
        .map_err(|reason| {
            tracing::warn!(reason, "a record of a table is no row of it");
            foreign("a row of its table")
        })
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}
