//! `Topics`: finds, makes and judges topics. It never changes one that is there: whoever runs the
//! brokers decides about those.

use std::{collections::HashMap, sync::Arc, thread, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_kernel::StreamId;
use parking_lot::Mutex;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataTopic},
};

use super::{
    KafkaConfig,
    client::{Words, refused, settings, unreachable, wait},
    topic::{Found, Wanted, is_same, judge, prefix_of},
    version,
};
use crate::ClusterError;

/// A topic that was made is known to all brokers after a moment.
const KNOWN_TRIES: u32 = 50;
const KNOWN_PAUSE: Duration = Duration::from_millis(100);

/// A topic that will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: u16,
}

/// Topics of streams, found or made when they are first needed.
pub(crate) struct Topics {
    config: KafkaConfig,
    admin: AdminClient<Words>,
    known: Mutex<HashMap<StreamId, Arc<Topic>>>,
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics")
            .field("known", &self.known.lock().len())
            .finish_non_exhaustive()
    }
}

impl Topics {
    /// Connects to nobody yet.
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, ClusterError> {
        use rdkafka::config::FromClientConfigAndContext;
        let admin = AdminClient::from_config_and_context(&settings(config), Words)
            .map_err(|error| unreachable(config, error))?;
        Ok(Self {
            config: config.clone(),
            admin,
            known: Mutex::new(HashMap::new()),
        })
    }

    /// The topic of a stream. Blocks the first time.
    pub(crate) fn of_stream(&self, stream: &StreamDef) -> Result<Arc<Topic>, ClusterError> {
        if let Some(topic) = self.known.lock().get(&stream.id) {
            return Ok(Arc::clone(topic));
        }
        let wanted = Wanted::of(stream, &self.config);
        let topic = Arc::new(self.ensure(&wanted, Some(&prefix_of(&self.config, stream.id)))?);
        self.known.lock().insert(stream.id, Arc::clone(&topic));
        Ok(topic)
    }

    /// Finds or makes a topic, and judges it. It is the one of that name, or with that prefix.
    pub(crate) fn ensure(
        &self,
        wanted: &Wanted,
        prefix: Option<&str>,
    ) -> Result<Topic, ClusterError> {
        let is_it = |name: &str| {
            name == wanted.name || prefix.is_some_and(|prefix| is_same(name, &wanted.name, prefix))
        };
        let mut found = self.find(&is_it)?;
        if found.is_none() {
            self.create(wanted)?;
            for _ in 0..KNOWN_TRIES {
                found = self.find(&is_it)?;
                if found.is_some() {
                    break;
                }
                thread::sleep(KNOWN_PAUSE);
            }
        }
        let Some(mut found) = found else {
            let error = KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition);
            return Err(refused("describe topic", &wanted.name, error));
        };
        for _ in 0..KNOWN_TRIES {
            self.describe(&mut found)?;
            if !found.settings.is_empty() {
                break;
            }
            // The broker that was asked does not know it yet: each learns of it by itself.
            thread::sleep(KNOWN_PAUSE);
        }
        judge(&found, wanted)?;
        Ok(Topic {
            name: found.name,
            partitions: wanted.partitions,
        })
    }

    /// Deletes all topics with a prefix. Those that are gone are fine.
    pub(crate) fn forget(&self, prefix: &str) -> Result<(), ClusterError> {
        let all = self.names()?;
        let names = all.iter().map(String::as_str);
        let names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let deleted = wait(self.admin.delete_topics(&names, &self.options()));
        let results = deleted.map_err(|error| unreachable(&self.config, error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    let error = KafkaError::AdminOp(code);
                    return Err(refused("delete topic", &name, error));
                }
            }
        }
        tracing::info!(topics = names.join(", "), "topics deleted");
        Ok(())
    }

    /// The topic, once every partition of it has a leader. All topics are asked for: asking for
    /// one by its name would make it on brokers that make topics by themselves.
    fn find(&self, is_it: &dyn Fn(&str) -> bool) -> Result<Option<Found>, ClusterError> {
        let metadata = self.metadata()?;
        let topic = metadata.topics().iter().find(|topic| is_it(topic.name()));
        Ok(topic
            .filter(|topic| !topic.partitions().is_empty())
            .map(found))
    }

    /// The names of all topics.
    pub(crate) fn names(&self) -> Result<Vec<String>, ClusterError> {
        let metadata = self.metadata()?;
        let topics = metadata.topics().iter();
        Ok(topics.map(|topic| topic.name().to_owned()).collect())
    }

    /// What the brokers know of all topics. If none of them answers, whoever listens there may be somebody
    /// else.
    fn metadata(&self) -> Result<Metadata, ClusterError> {
        let limit = self.config.connect_max;
        let asked = self.admin.inner().fetch_metadata(None, limit);
        asked.map_err(|error| match version::check(&self.config) {
            Ok(()) => unreachable(&self.config, error),
            Err(stranger) => stranger,
        })
    }

    fn create(&self, wanted: &Wanted) -> Result<(), ClusterError> {
        let replicas = TopicReplication::Fixed(i32::from(wanted.replicas));
        let settings = wanted.settings();
        let mut topic = NewTopic::new(&wanted.name, i32::from(wanted.partitions), replicas);
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let created = wait(self.admin.create_topics([&topic], &self.options()));
        let results = created.map_err(|error| unreachable(&self.config, error))?;
        for result in results {
            match result {
                // Another node was faster.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => {
                    let error = KafkaError::AdminOp(code);
                    return Err(refused("create topic", &wanted.name, error));
                }
            }
        }
        tracing::info!(
            topic = wanted.name,
            partitions = wanted.partitions,
            "topic made"
        );
        Ok(())
    }

    /// Reads its settings; none where the broker that is asked does not know the topic yet.
    fn describe(&self, found: &mut Found) -> Result<(), ClusterError> {
        let asked = [ResourceSpecifier::Topic(&found.name)];
        let described = wait(self.admin.describe_configs(&asked, &self.options()));
        let described = described.map_err(|error| unreachable(&self.config, error))?;
        for resource in described {
            let resource = match resource {
                Ok(resource) => resource,
                Err(RDKafkaErrorCode::UnknownTopicOrPartition) => continue,
                Err(code) => {
                    let error = KafkaError::AdminOp(code);
                    return Err(refused("describe topic", &found.name, error));
                }
            };
            let entries = resource.entries.into_iter();
            let settings = entries.filter_map(|entry| Some((entry.name, entry.value?)));
            found.settings.extend(settings);
        }
        Ok(())
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.config.connect_max))
            .operation_timeout(Some(self.config.connect_max))
    }
}

fn found(topic: &MetadataTopic) -> Found {
    let replicas = topic
        .partitions()
        .iter()
        .map(|partition| partition.replicas().len());
    Found {
        name: topic.name().to_owned(),
        partitions: topic.partitions().len(),
        replicas: replicas.min().unwrap_or(0),
        settings: std::collections::BTreeMap::new(),
    }
}
