//! `Flight`: an append on its way to the brokers. It answers when nobody holds it any more: each
//! record that is under way holds its lane, each lane the flight.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstem_kernel::{
    ByteSize, Offset, Offsets, PartitionId, Reached, StreamId, clock::SharedClock,
};
use mainstem_log::{Landing, Refusal};
use parking_lot::{Condvar, Mutex};
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
};

use super::{
    client::{Words, refused},
    retries::{Answered, RequestId, Retries},
};
use crate::ClusterError;

/// What all flights of a writer share.
#[derive(Debug)]
pub(crate) struct Tower {
    pub(crate) retries: Mutex<Retries>,
    /// Told whenever a request is not under way any more.
    pub(crate) ended: Condvar,
    pub(crate) clock: SharedClock,
    pub(crate) acknowledge_max: Duration,
}

/// An append on its way.
pub(crate) struct Flight {
    tower: Arc<Tower>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: Option<Landing>,
    offsets: Offsets,
    refusal: Option<Refusal>,
    /// The requests that this append writes, without their offsets.
    claimed: Vec<(RequestId, Answered)>,
}

impl Flight {
    pub(crate) fn new(tower: Arc<Tower>, done: Landing) -> Arc<Self> {
        let state = State {
            done: Some(done),
            ..State::default()
        };
        Arc::new(Self {
            tower,
            state: Mutex::new(state),
        })
    }

    /// The first refusal is the answer.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.state.lock().refusal.get_or_insert(refusal);
    }

    fn fail(&self, error: ClusterError) {
        self.refuse(Refusal::Fault(Arc::new(error)));
    }

    /// It writes these requests: others wait for what becomes of them.
    pub(crate) fn claim(&self, requests: Vec<(RequestId, Answered)>) {
        self.state.lock().claimed = requests;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let state = mem::take(self.state.get_mut());
        let mut retries = self.tower.retries.lock();
        let now = self.tower.clock.now();
        for (id, answered) in state.claimed {
            if state.refusal.is_some() {
                retries.fail(id);
            } else {
                let offsets = state.offsets.clone();
                retries.end(
                    id,
                    Answered {
                        offsets,
                        ..answered
                    },
                    now,
                );
            }
        }
        drop(retries);
        self.tower.ended.notify_all();
        let outcome = match state.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Reached::Offsets(state.offsets)),
        };
        if let Some(done) = state.done {
            done(outcome);
        }
    }
}

/// The records of one partition in a flight.
pub(crate) struct Lane {
    flight: Arc<Flight>,
    stream: StreamId,
    partition: PartitionId,
    /// The offset behind the last record that was acknowledged; 0 for none.
    next: AtomicU64,
}

impl Lane {
    pub(crate) fn new(flight: &Arc<Flight>, stream: StreamId, partition: PartitionId) -> Arc<Self> {
        Arc::new(Self {
            flight: Arc::clone(flight),
            stream,
            partition,
            next: AtomicU64::new(0),
        })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let next = *self.next.get_mut();
        if next > 0 {
            let mut state = self.flight.state.lock();
            let offset = Offset(next);
            state.offsets.reach(self.stream, self.partition, offset);
        }
    }
}

/// Takes what the brokers say of each record.
pub(crate) struct Deliveries {
    acknowledge_max: Duration,
}

impl Deliveries {
    pub(crate) const fn new(acknowledge_max: Duration) -> Self {
        Self { acknowledge_max }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        Words.log(level, part, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Words.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Lane>;

    fn delivery(&self, result: &DeliveryResult<'_>, lane: Arc<Lane>) {
        match result {
            Ok(message) => {
                // Without an offset it was a repetition of the client's own: it is there, and the
                // record behind it says where.
                let next = u64::try_from(message.offset()).map_or(0, |offset| offset + 1);
                lane.next.fetch_max(next, Ordering::Relaxed);
            }
            Err((error, message)) => {
                let size = message.payload_len() + message.key_len();
                let error = told(error.clone(), (message.topic(), size), self.acknowledge_max);
                lane.flight.fail(error);
            }
        }
    }
}

/// Why a record was not acknowledged.
pub(crate) fn told(error: KafkaError, record: (&str, usize), limit: Duration) -> ClusterError {
    judge(error, record).unwrap_or_else(|error| ClusterError::Unacknowledged {
        topic: record.0.to_owned(),
        limit,
        source: Box::new(error),
    })
}

/// What stands against a record however often it is sent; else what was said, unjudged.
pub(crate) fn judge(
    error: KafkaError,
    (topic, size): (&str, usize),
) -> Result<ClusterError, KafkaError> {
    use RDKafkaErrorCode as Kafka;
    match error.rdkafka_error_code() {
        Some(Kafka::MessageSizeTooLarge | Kafka::MessageBatchTooLarge) => {
            Ok(ClusterError::TooLarge {
                topic: topic.to_owned(),
                size: ByteSize::from(size),
            })
        }
        Some(
            Kafka::TopicAuthorizationFailed
            | Kafka::ClusterAuthorizationFailed
            | Kafka::PolicyViolation
            | Kafka::UnknownTopic
            | Kafka::UnknownTopicOrPartition
            | Kafka::UnknownPartition
            | Kafka::InvalidRecord,
        ) => Ok(refused("write to topic", topic, error)),
        _ => Err(error),
    }
}
