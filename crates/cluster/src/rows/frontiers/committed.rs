//! Where the group of row writers is, asked for only while somebody waits, and once for all who do.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mainstem_kernel::{Offset as RowOffset, Offsets, PartitionId, StreamId};
use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Topics,
        client::{Words, refused, settings, silent, unreachable},
        topic::prefix_of,
    },
    rows::writer::group_name,
};

/// How long an answer is good.
const FRESH: Duration = Duration::from_millis(10);

/// Asks where the group is.
pub(super) struct Committed {
    inner: Arc<Inner>,
    runtime: Handle,
    /// Of each object, what was answered last.
    last: tokio::sync::Mutex<HashMap<StreamId, (Instant, Offsets)>>,
}

struct Inner {
    config: KafkaConfig,
    client: BaseConsumer<Words>,
    topics: Topics,
    /// Names of topics, by object.
    names: Mutex<HashMap<StreamId, String>>,
}

impl std::fmt::Debug for Committed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committed").finish_non_exhaustive()
    }
}

impl Committed {
    /// Joins no group: it only asks.
    pub(super) fn new(config: &KafkaConfig, runtime: Handle) -> Result<Self, ClusterError> {
        let mut settings = settings(config);
        settings
            .set("group.id", group_name(config))
            .set("enable.auto.commit", "false");
        let client = BaseConsumer::from_config_and_context(&settings, Words)
            .map_err(|error| unreachable(config, error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                topics: Topics::new(config)?,
                config: config.clone(),
                client,
                names: Mutex::default(),
            }),
            runtime,
            last: tokio::sync::Mutex::default(),
        })
    }

    /// Where the group is, in these places of the topic of an object.
    pub(super) async fn of(
        &self,
        object: StreamId,
        places: &Offsets,
    ) -> Result<Offsets, ClusterError> {
        // Whoever waits here gets the answer of the one before.
        let mut last = self.last.lock().await;
        if let Some((at, there)) = last.get(&object)
            && at.elapsed() < FRESH
            && is_answer(there, places)
        {
            return Ok(there.clone());
        }
        let (inner, places) = (Arc::clone(&self.inner), places.clone());
        let ask = self
            .runtime
            .spawn_blocking(move || inner.ask(object, &places));
        let there = match ask.await {
            Ok(there) => there?,
            Err(_stopped) => return Err(silent(&self.inner.config)),
        };
        last.insert(object, (Instant::now(), there.clone()));
        Ok(there)
    }
}

/// Whether all of these places were asked for.
fn is_answer(there: &Offsets, places: &Offsets) -> bool {
    let known = |stream, partition| {
        let mut all = there.iter();
        all.any(|(one, part, _)| (one, part) == (stream, partition))
    };
    let mut places = places.iter();
    places.all(|(stream, partition, _)| known(stream, partition))
}

impl Inner {
    fn ask(&self, object: StreamId, places: &Offsets) -> Result<Offsets, ClusterError> {
        let Some(topic) = self.topic(object)? else {
            return Ok(Offsets::default());
        };
        let mut list = TopicPartitionList::new();
        for (_, partition, _) in places.iter().filter(|(id, _, _)| *id == object) {
            list.add_partition(&topic, i32::from(partition.0));
        }
        let group = group_name(&self.config);
        let limit = self.config.connect_max;
        let committed = self.client.committed_offsets(list, limit);
        let committed = committed.map_err(|error| refused("read the offsets of", &group, error))?;
        let mut there = Offsets::default();
        for element in committed.elements() {
            let partition = PartitionId(u16::try_from(element.partition()).unwrap_or(u16::MAX));
            let next = match element.offset() {
                Offset::Offset(next) => u64::try_from(next).unwrap_or(0),
                _ => 0,
            };
            there.reach(object, partition, RowOffset(next));
        }
        Ok(there)
    }

    /// The topic of an object's changes; none if it is not there yet.
    fn topic(&self, object: StreamId) -> Result<Option<String>, ClusterError> {
        if let Some(name) = self.names.lock().get(&object) {
            return Ok(Some(name.clone()));
        }
        let prefix = prefix_of(&self.config, object);
        // What has a suffix is no topic of changes.
        let is_it = |name: &String| {
            let rest = name.strip_prefix(&prefix);
            rest.is_some_and(|rest| !rest.contains('-'))
        };
        let found = self.topics.names()?.into_iter().find(is_it);
        if let Some(name) = &found {
            self.names.lock().insert(object, name.clone());
        }
        Ok(found)
    }
}
