//! Reading all of a partition of a compacted topic, as it is when it is asked for.
//!
//! It never reads what is not committed.

use std::time::Duration;

use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::Consumer, error::KafkaError};

use super::{
    KafkaConfig,
    client::{reading_to_ends, refused, silent},
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
    let consumer = reading_to_ends(config, "whole")?;
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
