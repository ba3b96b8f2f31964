//! `ForeignTopic`: the topic that others write: whether it is there, may be read, and still has what
//! was not read of it.
//!
//! It never reads a record and is no member of the group: while something stands against reading,
//! nobody is, so that an operator can move the group.

use mainstem_catalog::StreamDef;
use mainstem_kernel::{Fault as _, PartitionId, Problem, StreamName};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig,
        client::{Words, asking, patiently, refused, unreachable},
    },
    worker::{WorkerError, foreign_group_of},
};

/// The topic that others write.
pub(crate) struct ForeignTopic {
    config: KafkaConfig,
    stream: StreamName,
    topic: String,
    group: String,
    consumer: BaseConsumer<Words>,
    /// Partitions when it was looked first.
    partitions: Option<usize>,
}

impl std::fmt::Debug for ForeignTopic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignTopic")
            .field("topic", &self.topic)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl ForeignTopic {
    /// Connects by itself.
    ///
    /// # Errors
    /// When the topic is one of ours, or the client cannot be made.
    pub(crate) fn open(config: &KafkaConfig, stream: &StreamDef) -> Result<Self, WorkerError> {
        let name = stream.spec.name.clone();
        let topic = stream.spec.foreign.as_ref();
        let topic = topic.map_or_else(String::new, |foreign| foreign.topic.clone());
        let is_own = topic
            .strip_prefix(&config.topic_prefix)
            .is_some_and(|rest| rest.starts_with('-'));
        if is_own {
            return Err(WorkerError::ForeignOwn {
                stream: name,
                topic,
            });
        }
        let group = foreign_group_of(config, stream.id);
        Ok(Self {
            config: config.clone(),
            stream: name,
            consumer: asking(config, &group)?,
            partitions: None,
            topic,
            group,
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.topic
    }

    /// Who sent the rows of a partition, for their headers.
    pub(crate) fn sender(&self, partition: PartitionId) -> String {
        let topic = crc32c::crc32c(self.topic.as_bytes());
        format!("{topic:08x}{:08x}", partition.0)
    }

    /// Whether it can be read from where the group is.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) fn judge(&mut self) -> Result<(), WorkerError> {
        let partitions = self.count()?;
        self.partitions.get_or_insert(partitions);
        let limit = self.config.connect_max;
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(&self.topic, i32::try_from(partition).unwrap_or(i32::MAX));
        }
        let committed = self.consumer.committed_offsets(asked, limit);
        let committed = committed.map_err(|error| self.told(error))?;
        for element in committed.elements() {
            let Offset::Offset(next) = element.offset() else {
                continue;
            };
            let partition = element.partition();
            let ask = || {
                self.consumer
                    .fetch_watermarks(&self.topic, partition, limit)
            };
            let (first, end) = patiently(ask).map_err(|error| self.told(error))?;
            if next < first || next > end {
                let number = |offset: i64| u64::try_from(offset).unwrap_or(0);
                return Err(WorkerError::from(ClusterError::Outrun {
                    group: self.group.clone(),
                    topic: self.topic.clone(),
                    partition,
                    wanted: number(next),
                    first: number(first),
                }));
            }
        }
        Ok(())
    }

    /// Looks at it while it is read; what an operator should know.
    ///
    /// # Errors
    /// What stands against reading on. That Kafka is away, who reads says.
    pub(crate) fn look(&mut self) -> Result<Option<Problem>, WorkerError> {
        let now = match self.count() {
            Ok(now) => now,
            Err(WorkerError::Kafka(ClusterError::Unreachable { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let before = *self.partitions.get_or_insert(now);
        Ok((before != now).then(|| {
            let changed = WorkerError::ForeignPartitions {
                stream: self.stream.clone(),
                topic: self.topic.clone(),
                before,
                now,
            };
            changed.problem()
        }))
    }

    /// Its partitions.
    fn count(&self) -> Result<usize, WorkerError> {
        let limit = self.config.connect_max;
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), limit);
        let metadata = metadata.map_err(|error| self.told(error))?;
        let topic = metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == self.topic);
        let missing = || WorkerError::ForeignMissing {
            stream: self.stream.clone(),
            topic: self.topic.clone(),
        };
        let topic = topic.ok_or_else(missing)?;
        match topic.error() {
            None if !topic.partitions().is_empty() => Ok(topic.partitions().len()),
            Some(code @ RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
                Err(self.told(KafkaError::MetadataFetch(code.into())))
            }
            _ => Err(missing()),
        }
    }

    fn told(&self, error: KafkaError) -> WorkerError {
        use RDKafkaErrorCode as Kafka;
        WorkerError::from(match error.rdkafka_error_code() {
            Some(Kafka::TopicAuthorizationFailed) => refused("read topic", &self.topic, error),
            Some(Kafka::GroupAuthorizationFailed) => refused("read as group", &self.group, error),
            _ => unreachable(&self.config, error),
        })
    }
}
