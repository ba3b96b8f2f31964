//! `Places`: where topics end, and how far consumer groups have committed them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use mainstem_kernel::{Offset as RowOffset, Offsets, PartitionId, StreamId};
use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Topic,
        client::{Words, asking, patiently, unreachable},
    },
};

/// Topics, by the id that their places are named by.
pub(super) type Asked<'a> = Vec<(StreamId, &'a Topic)>;

/// Asks brokers for places.
pub(super) struct Places {
    config: KafkaConfig,
    /// By group; a client asks for its own group alone.
    clients: Mutex<HashMap<String, BaseConsumer<Words>>>,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            config: config.clone(),
            clients: Mutex::default(),
        }
    }

    /// Where topics end for readers of what is committed.
    pub(super) fn ends(&self, asked: &Asked<'_>) -> Result<Vec<Offsets>, ClusterError> {
        let any = format!("{}-places", self.config.topic_prefix);
        self.ask(&any, asked, |client, list| {
            client.offsets_for_times(list, self.config.connect_max)
        })
    }

    /// Up to where a group has committed topics; the start of what it has not.
    pub(super) fn committed(
        &self,
        group: &str,
        asked: &Asked<'_>,
    ) -> Result<Vec<Offsets>, ClusterError> {
        self.ask(group, asked, |client, list| {
            client.committed_offsets(list, self.config.connect_max)
        })
    }

    fn ask(
        &self,
        group: &str,
        asked: &Asked<'_>,
        ask: impl Fn(&BaseConsumer<Words>, TopicPartitionList) -> Result<TopicPartitionList, KafkaError>,
    ) -> Result<Vec<Offsets>, ClusterError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error| unreachable(&self.config, error);
        let mut clients = self.clients.lock();
        if !clients.contains_key(group) {
            clients.insert(group.to_owned(), asking(&self.config, group)?);
        }
        let mut answers = BTreeMap::new();
        if let Some(client) = clients.get(group) {
            let list = || -> Result<_, KafkaError> {
                let mut list = TopicPartitionList::new();
                for (_, topic) in asked {
                    for partition in 0..topic.partitions {
                        let place = (topic.name.as_str(), i32::from(partition));
                        list.add_partition_offset(place.0, place.1, Offset::End)?;
                    }
                }
                Ok(list)
            };
            let answer = patiently(|| {
                let answer = ask(client, list()?)?;
                let failed = answer.elements().iter().find_map(|one| one.error().err());
                failed.map_or(Ok(answer), Err)
            });
            for one in answer.map_err(failed)?.elements() {
                if let Offset::Offset(next) = one.offset() {
                    let place = (one.topic().to_owned(), one.partition());
                    answers.insert(place, u64::try_from(next).unwrap_or(0));
                }
            }
        }
        Ok(asked.iter().map(|asked| places(asked, &answers)).collect())
    }
}

fn places((id, topic): &(StreamId, &Topic), answers: &BTreeMap<(String, i32), u64>) -> Offsets {
    let mut offsets = Offsets::default();
    for partition in 0..topic.partitions {
        let next = answers.get(&(topic.name.clone(), i32::from(partition)));
        let next = RowOffset(next.copied().unwrap_or(0));
        offsets.reach(*id, PartitionId(partition), next);
    }
    offsets
}
