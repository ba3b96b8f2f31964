//! How far workers are that take repetitions out of streams.
//!
//! A worker's place and what it has written become visible in one transaction, but not at once in
//! all partitions: whoever sees the place first asks until the rows are there, too.

use std::collections::{HashMap, hash_map::Entry};

use mainstem_kernel::{Offset as RowOffset, Offsets, PartitionId, StreamId};
use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Topic,
        client::{Words, asking, patiently, refused},
    },
    worker::group_of,
};

/// Asks groups of workers for their places, and joins none.
pub(super) struct Workers {
    config: KafkaConfig,
    /// By stream; a client asks for its own group alone.
    clients: Mutex<HashMap<StreamId, BaseConsumer<Words>>>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    /// Connects to nobody yet.
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            config: config.clone(),
            clients: Mutex::default(),
        }
    }

    /// Up to where the workers of a stream have committed its topic; blocks.
    pub(super) fn committed(
        &self,
        stream: StreamId,
        topic: &Topic,
    ) -> Result<Offsets, ClusterError> {
        let group = group_of(&self.config, stream);
        let mut clients = self.clients.lock();
        let client = match clients.entry(stream) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(empty) => empty.insert(asking(&self.config, &group)?),
        };
        let mut there = Offsets::default();
        let asked = || {
            let mut list = TopicPartitionList::new();
            for partition in 0..topic.partitions {
                list.add_partition(&topic.name, i32::from(partition));
            }
            client.committed_offsets(list, self.config.connect_max)
        };
        let committed = patiently(asked);
        let committed = committed.map_err(|error| refused("read the offsets of", &group, error))?;
        for element in committed.elements() {
            let partition = PartitionId(u16::try_from(element.partition()).unwrap_or(u16::MAX));
            let next = match element.offset() {
                Offset::Offset(next) => u64::try_from(next).unwrap_or(0),
                _ => 0,
            };
            there.reach(stream, partition, RowOffset(next));
        }
        Ok(there)
    }
}
