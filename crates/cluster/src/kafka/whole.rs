//! Reading all of a partition of a compacted topic, as it is when it is asked for.
//!
//! It never reads what is not committed.

use std::time::Duration;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{
    KafkaConfig,
    client::{Words, refused, settings, silent, unreachable},
};
use crate::ClusterError;

/// How long a broker may keep still at once.
const PATIENCE: Duration = Duration::from_millis(200);

/// Gives each record of a partition to `each`: its key, and its value if there is one.
pub(crate) fn read_partition(
    config: &KafkaConfig,
    (topic, partition): (&str, i32),
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), ClusterError> {
    let failed = |error| refused("read topic", topic, error);
    let mut settings = settings(config);
    settings
        .set("group.id", format!("{}-whole", config.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20")
        .set("fetch.error.backoff.ms", "50");
    let consumer: BaseConsumer<Words> = BaseConsumer::from_config_and_context(&settings, Words)
        .map_err(|error| unreachable(config, error))?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning)
        .map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    let mut waited = Duration::ZERO;
    while waited <= config.acknowledge_max {
        match consumer.poll(PATIENCE) {
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Ok(message)) => {
                each(message.key(), message.payload());
                waited = Duration::ZERO;
            }
            // The words of a client that recovers by itself are no failure.
            None | Some(Err(_)) => waited += PATIENCE,
        }
    }
    Err(silent(config))
}
