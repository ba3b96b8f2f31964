//! `Group`: a member of a consumer group, whose partitions come and go as members do.
//!
//! It never commits by itself: what was read is committed in the transaction that writes what was
//! made of it (`Transaction::commit`), or, where repeating is harmless, by `Group::commit`.
//!
//! # How a partition moves
//!
//! 1. `fetch` says `lost`: whatever was made of its records and is not committed must be forgotten.
//! 2. Its new owner asks where to go on. While a transaction of the old owner is open there is no
//!    answer; it ends by its commit, or when the broker aborts it (`transaction.timeout.ms`), and
//!    not before, so that nothing is read twice.
//! 3. `fetch` says `taken`, with that offset: state is rebuilt before its records are taken.
//!
//! # Why an owner that was held up can do no harm
//!
//! A commit names the member's id and the generation in which it got its partitions
//! (`Generation`, taken inside the rebalance callback and nowhere else). The broker refuses one of
//! an older generation, and with it the whole transaction. A member that the broker has expelled
//! has no id: the broker would take its commit for one of a client from before KIP-447, which has no
//! member. So every member has an instance id beside (`group.instance.id`), by which that is refused,
//! too. The price: one that leaves in order is missed after `session_max`, like one that dies.

mod moves;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_kernel::{Offset as RowOffset, PartitionId, Timestamp};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};

use super::{
    KafkaConfig,
    client::{is_forbidden, millis, patiently, refused, settings, unreachable},
};
use crate::ClusterError;
use moves::{Move, Moves};

/// How long a broker has to say where a partition goes on, each time it is asked.
const ASK_MAX: Duration = Duration::from_millis(500);
/// And how long it is waited before it is asked again.
const ARRIVE_PAUSE: Duration = Duration::from_millis(50);
/// A fetch ends with the record that reaches this many bytes.
const FETCHED_BYTES_MAX: usize = 32 << 20;
/// How long state may be rebuilt, or anything else be done, between two fetches.
const AWAY_MAX: Duration = Duration::from_secs(900);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
}

impl Place {
    pub(crate) fn new(topic: &str, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition: PartitionId(u16::try_from(partition).unwrap_or(u16::MAX)),
        }
    }

    pub(crate) fn number(&self) -> i32 {
        i32::from(self.partition.0)
    }
}

/// A group, as a member joins it.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Its name. Members of one name share the partitions of their topics.
    pub name: String,
    /// What is read. Members may name different topics for a while.
    pub topics: Vec<String>,
    /// A member that is not heard of for as long has left.
    pub session_max: Duration,
}

/// A record of a partition that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is.
    pub place: Place,
    /// And at which offset.
    pub offset: RowOffset,
    /// When the broker appended it.
    pub at: Timestamp,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none where a compacted topic says that the key is gone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// The first header of a name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The offset behind it.
    #[must_use]
    pub const fn next(&self) -> RowOffset {
        RowOffset(self.offset.0.saturating_add(1))
    }
}

/// What a fetch gave; to be taken in this order.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Partitions that are not ours any more.
    pub lost: Vec<Place>,
    /// Partitions that are ours now, and where they go on. One may have been lost just before.
    pub taken: Vec<(Place, RowOffset)>,
    /// Records of partitions that are ours, in the order of offsets within each.
    pub messages: Vec<Message>,
}

/// When a member got its partitions: what its commits are judged by.
pub(crate) type Generation = Arc<ConsumerGroupMetadata>;

/// A member of a consumer group.
pub struct Group {
    config: KafkaConfig,
    spec: GroupSpec,
    consumer: BaseConsumer<Moves>,
    /// Ours, and not asked yet where they go on.
    arriving: Vec<Place>,
    /// Ours, with the offset that is read next.
    owned: BTreeMap<Place, RowOffset>,
    /// Given back by the caller, to be fetched again.
    again: Vec<Message>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("spec", &self.spec)
            .field("owned", &self.owned)
            .finish_non_exhaustive()
    }
}

impl Group {
    /// Joins; partitions come with fetches. `instance` tells this member from all others, for ever.
    ///
    /// # Errors
    /// When the client cannot be made from the settings.
    pub fn join(
        config: &KafkaConfig,
        spec: GroupSpec,
        instance: &str,
    ) -> Result<Self, ClusterError> {
        let heartbeat = spec.session_max / 6;
        let mut settings = settings(config);
        settings
            .set("group.id", &spec.name)
            .set("group.instance.id", instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(spec.session_max))
            .set("heartbeat.interval.ms", millis(heartbeat))
            .set("max.poll.interval.ms", millis(AWAY_MAX))
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "50");
        let consumer: BaseConsumer<Moves> =
            BaseConsumer::from_config_and_context(&settings, Moves::default())
                .map_err(|error| unreachable(config, error))?;
        let mut group = Self {
            config: config.clone(),
            spec,
            consumer,
            arriving: Vec::new(),
            owned: BTreeMap::new(),
            again: Vec::new(),
        };
        let topics = group.spec.topics.clone();
        group.subscribe(topics)?;
        Ok(group)
    }

    /// Reads these topics from now on, instead of those before. None is none.
    ///
    /// # Errors
    /// When a name is no name.
    pub fn subscribe(&mut self, topics: Vec<String>) -> Result<(), ClusterError> {
        if topics.is_empty() {
            self.consumer.unsubscribe();
        } else {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            self.consumer
                .subscribe(&names)
                .map_err(|error| refused("read topic", &topics.join(", "), error))?;
        }
        self.spec.topics = topics;
        Ok(())
    }

    /// The topics that are read.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.spec.topics
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The partitions that are ours, and which offset is fetched next.
    #[must_use]
    pub const fn owned(&self) -> &BTreeMap<Place, RowOffset> {
        &self.owned
    }

    /// The next records, so many at most; waits for the first one, or for a partition to move, for
    /// as long as `patience`.
    ///
    /// # Errors
    /// `Outrun` when records were deleted that the group has not read. Whatever the error: this
    /// member is to be dropped.
    pub fn fetch(
        &mut self,
        messages_max: usize,
        patience: Duration,
    ) -> Result<Fetched, ClusterError> {
        let mut fetched = Fetched::default();
        let again = std::mem::take(&mut self.again);
        fetched.messages.extend(again);
        // Who waits for a partition asks again soon.
        let is_arriving = !self.arriving.is_empty() || !fetched.messages.is_empty();
        let mut patience = if is_arriving {
            patience.min(ARRIVE_PAUSE)
        } else {
            patience
        };
        let mut bytes = 0_usize;
        // Asked at least once, whatever was given back: only so it is known what has moved.
        loop {
            let polled = self
                .consumer
                .poll(patience)
                .map(|polled| polled.map(|m| message(&m)));
            self.follow(&mut fetched);
            match polled {
                None => break,
                Some(Ok(message)) => {
                    let message = message?;
                    bytes = bytes.saturating_add(message.value.as_ref().map_or(0, Vec::len));
                    self.keep(message, &mut fetched);
                }
                Some(Err(error)) => self.judge(error)?,
            }
            if fetched.messages.len() >= messages_max || bytes >= FETCHED_BYTES_MAX {
                break;
            }
            patience = Duration::ZERO;
        }
        self.arrive(&mut fetched)?;
        Ok(fetched)
    }

    /// Records that were fetched, of which nothing was committed: they come with the next fetch
    /// again, unless their partition is lost by then.
    pub fn give_back(&mut self, messages: Vec<Message>) {
        self.again = messages;
    }

    /// Commits outside of any transaction: for those whose work may be done twice.
    ///
    /// # Errors
    /// `Superseded` when a partition has moved.
    pub fn commit(&self, next: &BTreeMap<Place, RowOffset>) -> Result<(), ClusterError> {
        let list = offsets(next).map_err(|error| refused("commit", &self.spec.name, error))?;
        self.consumer
            .commit(&list, CommitMode::Sync)
            .map_err(|error| self.superseded(error))
    }

    pub(crate) fn generation(&self) -> Option<Generation> {
        self.consumer.context().generation()
    }

    /// What a refused commit means.
    pub(crate) fn superseded(&self, error: KafkaError) -> ClusterError {
        if is_forbidden(&error) {
            return refused("commit what was read as", &self.spec.name, error);
        }
        ClusterError::Superseded {
            group: self.spec.name.clone(),
            source: Box::new(error),
        }
    }

    /// Takes over what the rebalance callback has noted.
    fn follow(&mut self, fetched: &mut Fetched) {
        for moved in self.consumer.context().take() {
            match moved {
                Move::Gained(place) => self.arriving.push(place),
                Move::Lost(place) => {
                    self.arriving.retain(|arriving| *arriving != place);
                    fetched.messages.retain(|message| message.place != place);
                    fetched.taken.retain(|(taken, _)| *taken != place);
                    if self.owned.remove(&place).is_some() {
                        fetched.lost.push(place);
                    }
                }
            }
        }
    }

    fn keep(&mut self, message: Message, fetched: &mut Fetched) {
        if let Some(next) = self.owned.get_mut(&message.place) {
            *next = message.next();
            fetched.messages.push(message);
        }
    }

    /// Begins partitions that were gained, as soon as it is known where.
    fn arrive(&mut self, fetched: &mut Fetched) -> Result<(), ClusterError> {
        if self.arriving.is_empty() {
            return Ok(());
        }
        let mut asked = TopicPartitionList::new();
        for place in &self.arriving {
            asked.add_partition(&place.topic, place.number());
        }
        // Not an answer, or not yet: the next fetch asks again.
        let Ok(committed) = self.consumer.committed_offsets(asked, ASK_MAX) else {
            return Ok(());
        };
        let mut begun = TopicPartitionList::new();
        for element in committed.elements() {
            if element.error().is_err() {
                continue;
            }
            let place = Place::new(element.topic(), element.partition());
            let next = self.begin(&place, element.offset())?;
            let offset = Offset::Offset(i64::try_from(next.0).unwrap_or(i64::MAX));
            begun
                .add_partition_offset(&place.topic, place.number(), offset)
                .map_err(|error| refused("read topic", &place.topic, error))?;
            self.arriving.retain(|arriving| *arriving != place);
            self.owned.insert(place.clone(), next);
            fetched.taken.push((place, next));
        }
        let done = self.consumer.context().begin(&self.consumer, &begun);
        done.map_err(|error| self.superseded(error))
    }

    /// Where a partition goes on: where the group is, or at its first record.
    fn begin(&self, place: &Place, committed: Offset) -> Result<RowOffset, ClusterError> {
        let limit = self.config.connect_max;
        let ask = || {
            self.consumer
                .fetch_watermarks(&place.topic, place.number(), limit)
        };
        let (first, end) = patiently(ask).map_err(|error| unreachable(&self.config, error))?;
        let row = |offset: i64| RowOffset(u64::try_from(offset).unwrap_or(0));
        match committed {
            Offset::Offset(next) if next < first || next > end => Err(ClusterError::Outrun {
                group: self.spec.name.clone(),
                topic: place.topic.to_string(),
                partition: place.number(),
                wanted: row(next).0,
                first: row(first).0,
            }),
            Offset::Offset(next) => Ok(row(next)),
            _ => Ok(row(first)),
        }
    }

    /// What a client says while it recovers by itself is no failure.
    fn judge(&self, error: KafkaError) -> Result<(), ClusterError> {
        use RDKafkaErrorCode as Kafka;
        match (&error, error.rdkafka_error_code()) {
            (KafkaError::MessageConsumptionFatal(_), _) => Err(self.superseded(error)),
            (_, Some(Kafka::AutoOffsetReset | Kafka::OffsetOutOfRange)) => {
                let place = self.owned.iter().next();
                Err(ClusterError::Outrun {
                    group: self.spec.name.clone(),
                    topic: place.map_or_else(String::new, |(place, _)| place.topic.to_string()),
                    partition: place.map_or(0, |(place, _)| place.number()),
                    wanted: place.map_or(0, |(_, next)| next.0),
                    first: 0,
                })
            }
            (_, Some(Kafka::TopicAuthorizationFailed | Kafka::GroupAuthorizationFailed)) => {
                Err(refused("read topic", &self.spec.topics.join(", "), error))
            }
            // Among them a topic that is not there yet: it is looked for again.
            _ => Ok(()),
        }
    }
}

/// As the client wants it.
pub(crate) fn offsets(next: &BTreeMap<Place, RowOffset>) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (place, next) in next {
        let offset = Offset::Offset(i64::try_from(next.0).unwrap_or(i64::MAX));
        list.add_partition_offset(&place.topic, place.number(), offset)?;
    }
    Ok(list)
}

fn message(message: &BorrowedMessage<'_>) -> Result<Message, ClusterError> {
    let place = Place::new(message.topic(), message.partition());
    let offset = u64::try_from(message.offset()).map_err(|_number| ClusterError::Record {
        topic: place.topic.to_string(),
        partition: message.partition(),
        offset: message.offset(),
        reason: "its offset",
    })?;
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let headers = headers.map(|header| {
        let value = header.value.unwrap_or_default();
        (header.key.to_owned(), value.to_vec())
    });
    Ok(Message {
        offset: RowOffset(offset),
        at: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.collect(),
        place,
    })
}
