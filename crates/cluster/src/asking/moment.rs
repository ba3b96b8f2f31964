//! One moment of the topics that a question reads: where they end, and where history ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_kernel::{Offset, Offsets, PartitionId, StreamId};
use mainstem_sql::QueryError;
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
};
use tokio::runtime::Handle;

use super::{errors::AskingError, stream::Span, workers::Workers};
use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Topic, Topics,
        client::{Words, patiently, settings, unreachable},
        topic::{Wanted, prefix_of},
    },
    progress::Progress,
};

/// How often workers are asked how far they are, while somebody waits for them.
const PAUSE: Duration = Duration::from_millis(50);

/// Knows where topics end.
pub(super) struct Ends {
    config: KafkaConfig,
    topics: Topics,
    /// Sees what is committed.
    consumer: BaseConsumer<Words>,
    /// Sees what is written, committed or not.
    writing: BaseConsumer<Words>,
    workers: Workers,
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
    /// Events that were acknowledged below these places are among the rows.
    reached: Offsets,
    /// No row is of an event that was acknowledged at or above these places.
    pub(super) stands_for: Offsets,
}

impl Tail {
    /// Whether any row is history.
    pub(super) fn has_history(&self) -> bool {
        self.span.values().any(|(first, _)| *first > 0)
    }

    /// Where it ends, as a place for clients.
    pub(super) fn reach(&self, position: &mut Offsets) {
        position.join(&self.reached);
    }
}

impl Ends {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, ClusterError> {
        let consumer = |isolation| {
            let mut settings = settings(config);
            settings
                .set("group.id", format!("{}-asking", config.topic_prefix))
                .set("enable.auto.commit", "false")
                .set("allow.auto.create.topics", "false")
                .set("isolation.level", isolation);
            BaseConsumer::from_config_and_context(&settings, Words)
                .map_err(|error| unreachable(config, error))
        };
        Ok(Self {
            topics: Topics::new(config)?,
            workers: Workers::new(config),
            config: config.clone(),
            // What is not committed is not there: the end is that of the last transaction.
            consumer: consumer("read_committed")?,
            writing: consumer("read_uncommitted")?,
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

    /// Waits until workers have taken repetitions out of what was acknowledged below these places.
    /// Of a stream without DEDUPLICATE BY there is nothing to wait for.
    pub(super) async fn unique(
        self: &Arc<Self>,
        (def, wanted): (&Arc<StreamDef>, &Offsets),
        runtime: &Handle,
    ) -> Result<(), QueryError> {
        let mut own = Offsets::default();
        for (stream, partition, next) in wanted.iter().filter(|(id, _, _)| *id == def.id) {
            own.reach(stream, partition, next);
        }
        if def.spec.deduplicate.is_none() || own.iter().next().is_none() {
            return Ok(());
        }
        loop {
            let (ends, def, own) = (Arc::clone(self), Arc::clone(def), own.clone());
            let ask = runtime.spawn_blocking(move || ends.is_unique(&def, &own));
            let is_there = ask.await.map_err(|error| QueryError::Unreadable {
                source: Box::new(error),
            })??;
            if is_there {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether workers have read up to there, and what they have written can be read: a transaction
    /// ends in one partition after the other.
    fn is_unique(&self, def: &StreamDef, wanted: &Offsets) -> Result<bool, QueryError> {
        if !self.worked(def)?.covers(wanted) {
            return Ok(false);
        }
        let topic = self.topic_of_unique(def)?;
        for partition in 0..topic.partitions {
            let written = self.end(&self.writing, (&topic, partition))?.1;
            if self.end(&self.consumer, (&topic, partition))?.1 < written {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn topic_of_unique(&self, def: &StreamDef) -> Result<Topic, QueryError> {
        let prefix = prefix_of(&self.config, def.id);
        let wanted = Wanted::of_unique(def, &self.config);
        self.topics.ensure(&wanted, Some(&prefix)).map_err(fault)
    }

    /// Where a partition begins and ends.
    fn end(
        &self,
        consumer: &BaseConsumer<Words>,
        (topic, partition): (&Topic, u16),
    ) -> Result<(u64, u64), QueryError> {
        let limit = self.config.connect_max;
        let ask = || consumer.fetch_watermarks(&topic.name, i32::from(partition), limit);
        let found = patiently(ask).map_err(|error| fault(unreachable(&self.config, error)))?;
        let [begins, end] = [found.0, found.1].map(|at| u64::try_from(at).unwrap_or(0));
        Ok((begins, end))
    }

    /// Up to where workers have taken repetitions out, in places of the stream's own topic.
    fn worked(&self, def: &StreamDef) -> Result<Offsets, QueryError> {
        let topic = self.topics.of_stream(def).map_err(fault)?;
        self.workers.committed(def.id, &topic).map_err(fault)
    }

    fn tail(&self, def: &StreamDef, progress: &Progress) -> Result<Tail, QueryError> {
        if def.spec.deduplicate.is_none() {
            let topic = self.topics.of_stream(def).map_err(fault)?;
            let span = self.span((def, &topic), progress)?;
            let end = ends_of(def.id, &span);
            return Ok(Tail {
                topic,
                span,
                reached: end.clone(),
                stands_for: end,
            });
        }
        // Its rows are those that workers leave, and history is of these.
        let topic = Arc::new(self.topic_of_unique(def)?);
        let reached = self.worked(def)?;
        let span = self.span((def, &topic), progress)?;
        Ok(Tail {
            topic,
            span,
            reached,
            stands_for: self.worked(def)?,
        })
    }

    /// What of a topic is not history yet.
    fn span(
        &self,
        (def, topic): (&StreamDef, &Topic),
        progress: &Progress,
    ) -> Result<Span, QueryError> {
        let kept = progress.history(def.id).map(|query| &query.input);
        let mut span = Span::new();
        for partition in 0..topic.partitions {
            let at = i32::from(partition);
            let (begins, end) = self.end(&self.consumer, (topic, partition))?;
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
        Ok(span)
    }
}

fn fault(error: ClusterError) -> QueryError {
    QueryError::Engine(Arc::new(error))
}

/// Where the places end that are read.
fn ends_of(stream: StreamId, span: &Span) -> Offsets {
    let mut ends = Offsets::default();
    for (partition, (_, end)) in span {
        if let Ok(partition) = u16::try_from(*partition) {
            ends.reach(stream, PartitionId(partition), Offset(*end));
        }
    }
    ends
}
