//! `Control`: the topic of definitions, changed by one node at a time.
//!
//! It never knows what an entry means: the catalog folds them.
//!
//! # Protocol
//!
//! One partition; entry *n* is a record of sender 0 and row *n* (the headers of every record),
//! written in a transaction of its own. Whoever wants to append takes a turn: it initialises the transactional
//! id `PREFIX-control`, which fences every older holder and ends what they left open, so that what
//! is committed then does not change any more. Only then it reads to the end, and appends if it
//! knows of every entry that is there. So of two nodes that append at once one is told `Fenced` or
//! `Behind`, wherever it was held up, and entries never fork. Readers see only what is committed.

use std::time::Duration;

use mainstem_kernel::{Offset, Offsets, PartitionId, ProducerId, StreamId, Timestamp};
use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};

use super::{
    KEY_HEADER, KafkaConfig, ROW_HEADER,
    admin::Topics,
    client::{Words, forbids, is_forbidden, millis, refused, settings, silent, unreachable},
    reader::{Reader, Row},
    topic::Wanted,
    version,
};
use crate::ClusterError;

/// Entries that are read at once.
const ROWS_MAX: usize = 10_000;
/// How long a read may wait for a broker before it asks whether one is there at all.
const PATIENCE: Duration = Duration::from_millis(500);

/// One change of the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 0, without gaps.
    pub number: u64,
    /// When the broker appended it.
    pub at: Timestamp,
    /// The change.
    pub value: Vec<u8>,
}

/// The topic of definitions.
#[derive(Debug)]
pub struct Control {
    config: KafkaConfig,
    topic: String,
    reading: Mutex<Reading>,
}

#[derive(Debug, Default)]
struct Reading {
    /// Where to read on.
    next: Offsets,
    /// Entries up to there.
    known: u64,
    /// Entries that were read and not handed out yet.
    waiting: Vec<Entry>,
}

/// A transactional producer needs no word on each record: the commit says it.
struct Transactions;

impl ClientContext for Transactions {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        Words.log(level, part, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Words.error(error, reason);
    }
}

impl ProducerContext for Transactions {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {}
}

/// The right to append one entry, until somebody else takes it.
pub struct Turn<'a> {
    control: &'a Control,
    producer: BaseProducer<Transactions>,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Control {
    /// Finds or makes the topic, on brokers that this program runs on.
    ///
    /// # Errors
    /// When Kafka cannot be reached, or is another than it has to be, or the topic will not do.
    pub fn open(config: &KafkaConfig) -> Result<Self, ClusterError> {
        version::check(config)?;
        let topic = Topics::new(config)?.ensure(&Wanted::definitions(config), None)?;
        Ok(Self {
            config: config.clone(),
            topic: topic.name,
            reading: Mutex::default(),
        })
    }

    /// All entries that were committed since the last call. Blocks until it knows that there are
    /// no more.
    ///
    /// # Errors
    /// `Record` when an entry is not what this program writes.
    pub fn read(&self) -> Result<Vec<Entry>, ClusterError> {
        let mut reading = self.reading.lock();
        self.read_on(&mut reading)?;
        Ok(std::mem::take(&mut reading.waiting))
    }

    /// How many entries are committed.
    fn count(&self) -> Result<u64, ClusterError> {
        let mut reading = self.reading.lock();
        self.read_on(&mut reading)?;
        Ok(reading.known)
    }

    /// Reads up to the end, as it is after the call. Each call has a reader of its own: one that
    /// is kept is told of an end only once.
    fn read_on(&self, reading: &mut Reading) -> Result<(), ClusterError> {
        let place = (StreamId::CATALOG, self.topic.as_str());
        let mut reader = Reader::open(&self.config, place, &reading.next)?;
        let mut tries = 0_u32;
        loop {
            let read = reader.read(ROWS_MAX, PATIENCE)?;
            if read.rows.is_empty() && !read.is_end {
                tries += 1;
            }
            for row in read.rows {
                let next = Offset(row.offset.0.saturating_add(1));
                let entry = self.entry(row, reading.known)?;
                reading.next.reach(StreamId::CATALOG, PartitionId(0), next);
                reading.known += 1;
                reading.waiting.push(entry);
            }
            if read.is_end {
                return Ok(());
            }
            if PATIENCE * tries > self.config.acknowledge_max {
                return Err(silent(&self.config));
            }
        }
    }

    fn entry(&self, row: Row, expected: u64) -> Result<Entry, ClusterError> {
        if row.sender != Some((ProducerId(0), expected)) {
            return Err(ClusterError::Record {
                topic: self.topic.clone(),
                partition: 0,
                offset: i64::try_from(row.offset.0).unwrap_or(i64::MAX),
                reason: "expected the next number",
            });
        }
        Ok(Entry {
            number: expected,
            at: row.at,
            value: row.value,
        })
    }

    /// Takes the turn from whoever has it.
    ///
    /// # Errors
    /// When Kafka cannot be reached.
    pub fn take_turn(&self) -> Result<Turn<'_>, ClusterError> {
        let mut settings = settings(&self.config);
        settings
            .set(
                "transactional.id",
                format!("{}-control", self.config.topic_prefix),
            )
            .set(
                "transaction.timeout.ms",
                millis(self.config.acknowledge_max),
            )
            .set("message.timeout.ms", millis(self.config.acknowledge_max));
        let producer: BaseProducer<Transactions> =
            BaseProducer::from_config_and_context(&settings, Transactions)
                .map_err(|error| unreachable(&self.config, error))?;
        producer
            .init_transactions(self.config.acknowledge_max)
            .map_err(|error| match is_forbidden(&error) {
                true => refused("take control of", &self.topic, error),
                false => unreachable(&self.config, error),
            })?;
        Ok(Turn {
            control: self,
            producer,
        })
    }
}

impl Turn<'_> {
    /// Appends an entry, if there are `known` of them. The entries that this node did not know of
    /// come with the next `Control::read`.
    ///
    /// # Errors
    /// `Behind` when there are more; `Fenced` when another node has taken the turn. Nothing was
    /// appended then.
    pub fn append(self, known: u64, value: &[u8]) -> Result<(), ClusterError> {
        let found = self.control.count()?;
        if found != known {
            return Err(ClusterError::Behind { known, found });
        }
        self.write(known, value).map_err(|error| self.told(error))
    }

    fn write(&self, number: u64, value: &[u8]) -> Result<(), KafkaError> {
        let limit = self.control.config.acknowledge_max;
        self.producer.begin_transaction()?;
        let number = number.to_string();
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: KEY_HEADER,
                value: Some("0000000000000000"),
            })
            .insert(Header {
                key: ROW_HEADER,
                value: Some(&number),
            });
        let record = BaseRecord::<'_, [u8], [u8]>::to(&self.control.topic)
            .partition(0)
            .payload(value)
            .headers(headers);
        self.producer.send(record).map_err(|(error, _)| error)?;
        self.producer.flush(limit)?;
        self.producer.commit_transaction(limit)
    }

    fn told(&self, error: KafkaError) -> ClusterError {
        let topic = self.control.topic.clone();
        let fatal = self.producer.client().fatal_error();
        if is_forbidden(&error) || fatal.as_ref().is_some_and(|(code, _)| forbids(*code)) {
            return refused("write to topic", &topic, error);
        }
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::InvalidProducerIdMapping,
            ) => ClusterError::Fenced { topic },
            // Once fenced, what comes next fails as fatal.
            _ if fatal.is_some() => ClusterError::Fenced { topic },
            _ => ClusterError::Unacknowledged {
                topic,
                limit: self.control.config.acknowledge_max,
                source: Box::new(error),
            },
        }
    }
}
