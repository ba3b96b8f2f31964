//! Reading a compacted topic from its first record to its end of now, whatever it holds.
//!
//! It never reads what is not committed, and belongs to no consumer group.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig,
        client::{Words, patiently, reading_to_ends, refused, unreachable},
    },
};

/// How long a broker may keep still before it is asked whether it is there at all.
const PATIENCE: Duration = Duration::from_millis(500);

/// Gives every committed record of a topic to `each`, in the order of each partition; gives the
/// offset behind the last of each partition.
///
/// # Errors
/// When Kafka cannot be reached, or what `each` says.
pub(super) fn scan<E: From<ClusterError>>(
    config: &KafkaConfig,
    topic: &str,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<(), E>,
) -> Result<BTreeMap<u16, u64>, E> {
    let consumer = reading_to_ends(config, "scan")?;
    let partitions = assign(config, &consumer, topic)?;
    let mut ends: BTreeMap<u16, u64> = BTreeMap::new();
    let mut ended: BTreeSet<i32> = BTreeSet::new();
    let mut waited = Duration::ZERO;
    while ended.len() < partitions {
        match consumer.poll(PATIENCE) {
            None => waited += PATIENCE,
            Some(Ok(message)) => {
                waited = Duration::ZERO;
                let partition = u16::try_from(message.partition()).unwrap_or(u16::MAX);
                let next = u64::try_from(message.offset()).unwrap_or(0) + 1;
                ends.insert(partition, next);
                each(&message)?;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            // What a client says while it recovers by itself is no failure.
            Some(Err(_)) => waited += PATIENCE,
        }
        if waited > config.acknowledge_max {
            let error = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
            return Err(unreachable(config, error).into());
        }
    }
    Ok(ends)
}

/// Begins all partitions of a topic at their first record; how many there are.
fn assign(
    config: &KafkaConfig,
    consumer: &BaseConsumer<Words>,
    topic: &str,
) -> Result<usize, ClusterError> {
    let ask = || consumer.fetch_metadata(Some(topic), config.connect_max);
    let metadata = patiently(ask).map_err(|error| unreachable(config, error))?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)
            .map_err(|error| refused("read topic", topic, error))?;
    }
    if list.count() == 0 {
        let error = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
        return Err(refused("read topic", topic, error));
    }
    consumer
        .assign(&list)
        .map_err(|error| refused("read topic", topic, error))?;
    Ok(list.count())
}

/// The text of a record's header.
pub(super) fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}
