//! `Writer`: appends to topics, and tells each append when enough replicas have all of it.
//!
//! # What blocks
//!
//! `append` blocks while the queue of records is full, while a stream's topic is looked up for the
//! first time, and while a request of it is being written by another append. All of these end
//! within `acknowledge_max`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    Offsets, PartitionId, ProducerId, Reached, SchemaVersion, StreamId, clock::SharedClock,
};
use mainstem_log::{Append, Draft, Earlier, Intake, Landing, Refusal, Stamp};
use parking_lot::{Condvar, Mutex};
use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ThreadedProducer},
};

use super::{
    JSON_HEADER, KEY_HEADER, KafkaConfig, ROW_HEADER, SCHEMA_HEADER,
    admin::{Topic, Topics},
    client::{SILENCE_MAX, forbids, millis, settings, unreachable},
    flight::{Deliveries, Flight, Lane, Tower, told},
    record::{Record, records},
    retries::{Answered, Known, RequestId, Retries},
};
use crate::ClusterError;

/// While the queue is full, what was acknowledged is looked for this often.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// The definition of a stream, as it is now.
pub type FindStream = Arc<dyn Fn(StreamId) -> Option<Arc<StreamDef>> + Send + Sync>;

/// Appends to topics.
pub struct Writer {
    config: KafkaConfig,
    streams: FindStream,
    topics: Topics,
    tower: Arc<Tower>,
    producer: Mutex<Arc<ThreadedProducer<Deliveries>>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("config", &self.config)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

/// A frame with where it goes.
struct Target {
    stream: Arc<StreamDef>,
    topic: Arc<Topic>,
}

impl Writer {
    /// A writer. It connects by itself, and as often as it has to.
    ///
    /// # Errors
    /// When the client cannot be made from the settings.
    pub fn open(
        config: &KafkaConfig,
        streams: FindStream,
        clock: SharedClock,
    ) -> Result<Self, ClusterError> {
        let retries = Retries::new(config.requests_max, config.request_keep);
        let tower = Tower {
            retries: Mutex::new(retries),
            ended: Condvar::new(),
            clock,
            acknowledge_max: config.acknowledge_max,
        };
        Ok(Self {
            topics: Topics::new(config)?,
            producer: Mutex::new(producer(config)?),
            tower: Arc::new(tower),
            streams,
            config: config.clone(),
        })
    }

    fn launch(&self, append: &Append, flight: &Arc<Flight>) -> Result<(), Refusal> {
        // All topics first: nothing is written unless all of it can be.
        let targets = append.frames.iter().map(|draft| self.target(draft));
        let targets = targets.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        self.claim(append, flight)?;
        let producer = self.producer().map_err(fault)?;
        for (draft, target) in append.frames.iter().zip(&targets) {
            send(&producer, draft, target, flight).map_err(|error| match error {
                Sent::Shape(error) => fault(error),
                Sent::Kafka(error) => {
                    let topic = (target.topic.name.as_str(), 0);
                    fault(told(error, topic, self.tower.acknowledge_max))
                }
            })?;
        }
        Ok(())
    }

    fn target(&self, draft: &Draft) -> Result<Target, ClusterError> {
        let shape = |reason: &str| ClusterError::Shape {
            stream: draft.stream,
            reason: reason.to_owned(),
        };
        let stream =
            (self.streams)(draft.stream).ok_or_else(|| shape("there is no such stream"))?;
        let topic = self.topics.of_stream(&stream)?;
        let is_there = |partition: PartitionId| partition.0 < topic.partitions;
        if !draft.entries.iter().all(|entry| is_there(entry.partition)) {
            return Err(shape("there is no such partition"));
        }
        Ok(Target { stream, topic })
    }

    /// Claims the requests of an append, if all of them are new. Waits for those that another
    /// append is writing.
    fn claim(&self, append: &Append, flight: &Flight) -> Result<(), Refusal> {
        let requests = requests(append);
        let mut retries = self.tower.retries.lock();
        let known = loop {
            let look = |(id, sent): (&RequestId, &Answered)| (*id, retries.look(*id, sent.check));
            let known: HashMap<RequestId, Known> = requests.iter().map(look).collect();
            if !known.values().any(|known| *known == Known::UnderWay) {
                break known;
            }
            self.tower.ended.wait(&mut retries);
        };
        let earlier: Vec<Earlier> = stamped(append)
            .filter_map(|(frame, entry, id)| match known.get(&id)? {
                Known::Written(answered) => Some(earlier(frame, entry, answered)),
                Known::New | Known::UnderWay | Known::Conflict => None,
            })
            .collect();
        if !earlier.is_empty() {
            return Err(Refusal::Repeated(earlier));
        }
        if known.values().any(|known| *known == Known::Conflict) {
            return Err(Refusal::Conflict);
        }
        for (id, sent) in &requests {
            retries.begin(*id, sent.check);
        }
        drop(retries);
        flight.claim(requests.into_iter().collect());
        Ok(())
    }

    /// The producer; a new one if the last one has met what it cannot go on from.
    fn producer(&self) -> Result<Arc<ThreadedProducer<Deliveries>>, ClusterError> {
        let mut current = self.producer.lock();
        if let Some((code, reason)) = current.client().fatal_error() {
            tracing::warn!(%code, reason, "kafka producer is replaced");
            *current = producer(&self.config)?;
            // Whoever comes next tries the new one: by then rights may have been given back.
            if forbids(code) {
                return Err(ClusterError::Refused {
                    doing: "write to topics of",
                    topic: self.config.topic_prefix.clone(),
                    source: reason.into(),
                });
            }
        }
        Ok(Arc::clone(&current))
    }
}

impl Intake for Writer {
    /// If it fails, rows of it may be there all the same; sent again under the same stamp, they
    /// come again, with the same sender and numbers.
    fn append(&self, append: Append, done: Landing) {
        let flight = Flight::new(Arc::clone(&self.tower), done);
        if let Err(refusal) = self.launch(&append, &flight) {
            flight.refuse(refusal);
        }
    }

    /// Another node may have taken this loader's rows: nobody knows.
    fn next_row(&self, _stream: StreamId, _producer: ProducerId) -> Option<u64> {
        None
    }

    fn here(&self) -> Reached {
        Reached::Offsets(Offsets::default())
    }
}

fn fault(error: ClusterError) -> Refusal {
    Refusal::Fault(Arc::new(error))
}

fn earlier(frame: usize, entry: usize, answered: &Answered) -> Earlier {
    Earlier {
        frame,
        entry,
        reached: Reached::Offsets(answered.offsets.clone()),
        rows: answered.rows,
        rejected: answered.rejected,
    }
}

/// An idempotent producer, whose records are acknowledged by all replicas that are in sync.
fn producer(config: &KafkaConfig) -> Result<Arc<ThreadedProducer<Deliveries>>, ClusterError> {
    let queue_kib = (config.queue_size_max.0 / 1024).clamp(1024, 2_097_151);
    let mut settings = settings(config);
    settings
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "2")
        .set("batch.size", "262144")
        .set("batch.num.messages", "10000")
        .set("message.max.bytes", "16777216")
        .set("message.timeout.ms", millis(config.acknowledge_max))
        .set("request.timeout.ms", millis(SILENCE_MAX))
        .set("queue.buffering.max.kbytes", queue_kib.to_string())
        .set("queue.buffering.max.messages", "1000000");
    let context = Deliveries::new(config.acknowledge_max);
    let producer = ThreadedProducer::from_config_and_context(&settings, context);
    Ok(Arc::new(
        producer.map_err(|error| unreachable(config, error))?,
    ))
}

/// Each stamped entry: frame, entry, request.
fn stamped(append: &Append) -> impl Iterator<Item = (usize, usize, RequestId)> {
    append.frames.iter().enumerate().flat_map(|(at, draft)| {
        let entries = draft.entries.iter().enumerate();
        entries.filter_map(move |(entry, run)| {
            Some((at, entry, RequestId::new(draft.stream, run.stamp?)))
        })
    })
}

/// The requests of an append: entries with one stamp are one request.
fn requests(append: &Append) -> HashMap<RequestId, Answered> {
    let mut requests: HashMap<RequestId, Answered> = HashMap::new();
    for draft in &append.frames {
        for entry in &draft.entries {
            let Some(stamp) = entry.stamp else {
                continue;
            };
            let sent = requests
                .entry(RequestId::new(draft.stream, stamp))
                .or_default();
            if let Stamp::Request { check, .. } = stamp {
                sent.check = check;
            }
            sent.rows += u64::from(entry.rows);
            sent.rejected = u64::from(stamp.rejected());
        }
    }
    requests
}

enum Sent {
    Shape(ClusterError),
    Kafka(KafkaError),
}

/// Hands the rows of a frame to the client.
fn send(
    producer: &ThreadedProducer<Deliveries>,
    draft: &Draft,
    target: &Target,
    flight: &Arc<Flight>,
) -> Result<(), Sent> {
    let lanes = draft.entries.iter();
    let lanes: Vec<Arc<Lane>> = lanes
        .map(|entry| Lane::new(flight, draft.stream, entry.partition))
        .collect();
    let mut failed = None;
    let each = |entry: usize, record: Record<'_>| {
        let (None, Some(lane)) = (&failed, lanes.get(entry)) else {
            return;
        };
        failed = enqueue(producer, &target.topic.name, &record, lane).err();
    };
    records(draft, &target.stream, each).map_err(Sent::Shape)?;
    failed.map_or(Ok(()), |error| Err(Sent::Kafka(error)))
}

/// Puts a record into the client's queue; waits while it is full.
fn enqueue(
    producer: &ThreadedProducer<Deliveries>,
    topic: &str,
    record: &Record<'_>,
    lane: &Arc<Lane>,
) -> Result<(), KafkaError> {
    let mut message = BaseRecord::with_opaque_to(topic, Arc::clone(lane))
        .partition(i32::from(record.partition.0))
        .payload(record.value);
    if let Some(key) = record.key {
        message = message.key(key);
    }
    if let Some(headers) = headers(record) {
        message = message.headers(headers);
    }
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((error, back)) => {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error);
                }
                message = back;
                producer.poll(FULL_PAUSE);
            }
        }
    }
}

fn headers(record: &Record<'_>) -> Option<OwnedHeaders> {
    let is_first_schema = record.schema <= SchemaVersion(1);
    if record.sender.is_none() && is_first_schema && record.json.is_none() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(4);
    let mut put = |name: &str, value: String| {
        let taken = std::mem::take(&mut headers);
        headers = taken.insert(Header {
            key: name,
            value: Some(value.as_bytes()),
        });
    };
    if !is_first_schema {
        put(SCHEMA_HEADER, record.schema.0.to_string());
    }
    if let Some((producer, row)) = record.sender {
        put(KEY_HEADER, format!("{:016x}", producer.0));
        put(ROW_HEADER, row.to_string());
    }
    if let Some(json) = &record.json {
        put(JSON_HEADER, json.clone());
    }
    Some(headers)
}
