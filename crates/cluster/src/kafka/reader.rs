//! `Reader`: the rows of a topic from given offsets on, partition by partition. It belongs to no
//! consumer group and keeps its place nowhere but with its caller.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_kernel::{
    Offset as RowOffset, Offsets, PartitionId, ProducerId, SchemaVersion, StreamId, Timestamp,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};

use super::{
    KEY_HEADER, KafkaConfig, ROW_HEADER, SCHEMA_HEADER,
    client::{Words, patiently, refused, settings, unreachable},
};
use crate::ClusterError;

/// What is read ahead.
const QUEUED_KIB: &str = "4096";

/// A row of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its partition.
    pub partition: PartitionId,
    /// Its place in it.
    pub offset: RowOffset,
    /// When the broker appended it.
    pub at: Timestamp,
    /// Canonical text of its PARTITION BY columns.
    pub key: Option<Vec<u8>>,
    /// JSON.
    pub value: Vec<u8>,
    /// Version of its columns.
    pub schema: SchemaVersion,
    /// Who sent it, and its number among theirs in this partition.
    pub sender: Option<(ProducerId, u64)>,
}

/// What a read gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// In the order of offsets within each partition.
    pub rows: Vec<Row>,
    /// Whether every partition was read up to its end.
    pub is_end: bool,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At these offsets, and at the first row of partitions that are not named.
    At(&'a Offsets),
    /// Behind the last row of each partition.
    End,
}

/// Reads a topic.
pub struct Reader {
    topic: String,
    stream: StreamId,
    config: KafkaConfig,
    consumer: BaseConsumer<Words>,
    next: BTreeMap<i32, i64>,
    ended: BTreeSet<i32>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("topic", &self.topic)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Begins at `from`, and at the start of partitions that it does not name; only what was
    /// committed is read.
    ///
    /// # Errors
    /// `Gone` when the topic does not hold `from` any more.
    pub fn open(
        config: &KafkaConfig,
        of: (StreamId, &str),
        from: &Offsets,
    ) -> Result<Self, ClusterError> {
        Self::open_at(config, of, Start::At(from))
    }

    /// Begins there; only what was committed is read.
    ///
    /// # Errors
    /// `Gone` when the topic does not hold it any more.
    pub fn open_at(
        config: &KafkaConfig,
        (stream, topic): (StreamId, &str),
        start: Start<'_>,
    ) -> Result<Self, ClusterError> {
        let mut settings = settings(config);
        settings
            .set("group.id", format!("{}-reader", config.topic_prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", QUEUED_KIB)
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "50");
        let consumer: BaseConsumer<Words> = BaseConsumer::from_config_and_context(&settings, Words)
            .map_err(|error| unreachable(config, error))?;
        let mut reader = Self {
            topic: topic.to_owned(),
            stream,
            config: config.clone(),
            consumer,
            next: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        reader.assign(start)?;
        Ok(reader)
    }

    fn assign(&mut self, start: Start<'_>) -> Result<(), ClusterError> {
        let partitions =
            patiently(|| self.partitions()).map_err(|error| match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                    refused("read topic", &self.topic, error)
                }
                _ => unreachable(&self.config, error),
            })?;
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let next = self.begin(partition, start)?;
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next))
                .map_err(|error| refused("read topic", &self.topic, error))?;
            self.next.insert(partition, next);
        }
        self.consumer
            .assign(&list)
            .map_err(|error| refused("read topic", &self.topic, error))
    }

    /// Its partitions. A topic that was made a moment ago is not known to every broker yet.
    fn partitions(&self) -> Result<Vec<i32>, KafkaError> {
        let limit = self.config.connect_max;
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), limit)?;
        let topics = metadata.topics().iter();
        let partitions = topics.flat_map(|topic| topic.partitions());
        let known: Vec<i32> = partitions.map(|partition| partition.id()).collect();
        if known.is_empty() {
            let unknown = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(KafkaError::MetadataFetch(unknown));
        }
        Ok(known)
    }

    /// Where a partition begins: where it is to, if the topic still has it.
    fn begin(&self, partition: i32, start: Start<'_>) -> Result<i64, ClusterError> {
        let limit = self.config.connect_max;
        let ask = || {
            self.consumer
                .fetch_watermarks(&self.topic, partition, limit)
        };
        let (first, end) = patiently(ask).map_err(|error| unreachable(&self.config, error))?;
        let id = PartitionId(u16::try_from(partition).unwrap_or(u16::MAX));
        let Start::At(from) = start else {
            return Ok(end);
        };
        let wanted = from.next(self.stream, id).0;
        let at = i64::try_from(wanted).unwrap_or(i64::MAX);
        match wanted {
            0 => Ok(first),
            _ if at >= first && at <= end => Ok(at),
            _ => Err(ClusterError::Gone {
                topic: self.topic.clone(),
                partition,
                wanted,
            }),
        }
    }

    /// Of each partition the offset that comes next.
    #[must_use]
    pub fn place(&self) -> Offsets {
        let mut place = Offsets::default();
        for (partition, next) in &self.next {
            let partition = PartitionId(u16::try_from(*partition).unwrap_or(u16::MAX));
            let next = RowOffset(u64::try_from(*next).unwrap_or(0));
            place.reach(self.stream, partition, next);
        }
        place
    }

    /// The next rows, so many at most. Waits for the first one for as long as `patience`.
    ///
    /// # Errors
    /// When a broker refuses, or the rows are gone meanwhile.
    pub fn read(&mut self, rows_max: usize, patience: Duration) -> Result<Read, ClusterError> {
        let mut rows = Vec::new();
        while rows.len() < rows_max {
            let is_waiting = rows.is_empty() && !self.is_end();
            let patience = if is_waiting { patience } else { Duration::ZERO };
            match self.consumer.poll(patience) {
                None => break,
                Some(Ok(message)) => rows.push(row(&message)?),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ended.insert(partition);
                    continue;
                }
                Some(Err(error)) => self.judge(error)?,
            }
            if let Some(Row {
                partition, offset, ..
            }) = rows.last()
            {
                let partition = i32::from(partition.0);
                let next = i64::try_from(offset.0)
                    .unwrap_or(i64::MAX)
                    .saturating_add(1);
                self.next.insert(partition, next);
                self.ended.remove(&partition);
            }
        }
        let is_end = self.is_end();
        // Asked again, it looks again.
        if is_end && rows.is_empty() {
            self.ended.clear();
        }
        Ok(Read { rows, is_end })
    }

    fn is_end(&self) -> bool {
        self.ended.len() == self.next.len()
    }

    /// What a client says while it recovers by itself is no failure.
    fn judge(&self, error: KafkaError) -> Result<(), ClusterError> {
        use RDKafkaErrorCode as Kafka;
        match error.rdkafka_error_code() {
            Some(
                Kafka::BrokerTransportFailure
                | Kafka::AllBrokersDown
                | Kafka::OperationTimedOut
                | Kafka::LeaderNotAvailable
                | Kafka::NotLeaderForPartition,
            ) => Ok(()),
            Some(Kafka::AutoOffsetReset | Kafka::OffsetOutOfRange) => {
                let (partition, next) = self.next.iter().next().unwrap_or((&0, &0));
                Err(ClusterError::Gone {
                    topic: self.topic.clone(),
                    partition: *partition,
                    wanted: u64::try_from(*next).unwrap_or(0),
                })
            }
            _ => Err(refused("read topic", &self.topic, error)),
        }
    }
}

fn row(message: &BorrowedMessage<'_>) -> Result<Row, ClusterError> {
    let foreign = |reason| ClusterError::Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        reason,
    };
    let partition =
        u16::try_from(message.partition()).map_err(|_number| foreign("its partition"))?;
    let offset = u64::try_from(message.offset()).map_err(|_number| foreign("its offset"))?;
    let schema = match header(message, SCHEMA_HEADER) {
        None => SchemaVersion(1),
        Some(text) => SchemaVersion(text.parse().map_err(|_number| foreign("its schema"))?),
    };
    let sender = match (header(message, KEY_HEADER), header(message, ROW_HEADER)) {
        (Some(key), Some(row)) => {
            let key = u64::from_str_radix(key, 16).map_err(|_number| foreign("its sender"))?;
            let row = row.parse().map_err(|_number| foreign("its row number"))?;
            Some((ProducerId(key), row))
        }
        _ => None,
    };
    let millis = message.timestamp().to_millis().unwrap_or(0);
    Ok(Row {
        partition: PartitionId(partition),
        offset: RowOffset(offset),
        at: Timestamp::from_millis(millis),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().unwrap_or_default().to_vec(),
        schema,
        sender,
    })
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}
