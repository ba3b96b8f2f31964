//! One moment of the topics that a question reads: where they end, and where history ends.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::StreamDef;
use mainstem_kernel::{Offset, Offsets, PartitionId, StreamId};
use mainstem_sql::QueryError;
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
};
use tokio::runtime::Handle;

use super::{errors::AskingError, stream::Span};
use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Topic, Topics,
        client::{Words, patiently, settings, unreachable},
    },
    progress::Progress,
};

/// Knows where topics end.
pub(super) struct Ends {
    config: KafkaConfig,
    topics: Topics,
    consumer: BaseConsumer<Words>,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").finish_non_exhaustive()
    }
}

/// A stream's topic, and what of it is not history yet.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) topic: Arc<Topic>,
    pub(super) span: Span,
}

impl Tail {
    /// Whether any row is history.
    pub(super) fn has_history(&self) -> bool {
        self.span.values().any(|(first, _)| *first > 0)
    }

    /// Where it ends, as a place for clients.
    pub(super) fn reach(&self, stream: StreamId, position: &mut Offsets) {
        for (partition, (_, end)) in &self.span {
            if let Ok(partition) = u16::try_from(*partition) {
                position.reach(stream, PartitionId(partition), Offset(*end));
            }
        }
    }
}

impl Ends {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, ClusterError> {
        let mut settings = settings(config);
        // What is not committed is not there: the end is that of the last transaction.
        settings
            .set("group.id", format!("{}-asking", config.topic_prefix))
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("isolation.level", "read_committed");
        let consumer = BaseConsumer::from_config_and_context(&settings, Words)
            .map_err(|error| unreachable(config, error))?;
        Ok(Self {
            topics: Topics::new(config)?,
            config: config.clone(),
            consumer,
        })
    }

    /// What of streams is not history yet.
    ///
    /// # Errors
    /// When Kafka does not say, or rows are neither in history nor in the topic.
    pub(super) async fn tails(
        self: &Arc<Self>,
        streams: Vec<Arc<StreamDef>>,
        progress: Arc<Progress>,
        runtime: &Handle,
    ) -> Result<BTreeMap<StreamId, Tail>, QueryError> {
        if streams.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ends = Arc::clone(self);
        let task = runtime.spawn_blocking(move || {
            let tails = streams
                .iter()
                .map(|def| Ok((def.id, ends.tail(def, &progress)?)));
            tails.collect::<Result<_, QueryError>>()
        });
        task.await.map_err(|error| QueryError::Unreadable {
            source: Box::new(error),
        })?
    }

    fn tail(&self, def: &StreamDef, progress: &Progress) -> Result<Tail, QueryError> {
        let fault = |error: ClusterError| QueryError::Engine(Arc::new(error));
        let topic = self.topics.of_stream(def).map_err(fault)?;
        let kept = progress.history(def.id).map(|query| &query.input);
        let mut span = Span::new();
        for partition in 0..topic.partitions {
            let at = i32::from(partition);
            let limit = self.config.connect_max;
            let ask = || self.consumer.fetch_watermarks(&topic.name, at, limit);
            let found = patiently(ask).map_err(|error| fault(unreachable(&self.config, error)))?;
            let [begins, end] = [found.0, found.1].map(|at| u64::try_from(at).unwrap_or(0));
            let kept = kept.map_or(0, |kept| kept.next(def.id, PartitionId(partition)).0);
            if begins > kept {
                return Err(QueryError::Engine(Arc::new(AskingError::Gap {
                    topic: topic.name.clone(),
                    partition: at,
                    begins,
                    kept,
                })));
            }
            // What was committed is below the end, whoever was asked first.
            span.insert(at, (kept, end.max(kept)));
        }
        Ok(Tail { topic, span })
    }
}
