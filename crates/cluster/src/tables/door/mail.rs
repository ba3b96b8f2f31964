//! `Mail`: statements that go out to their owners, and answers that come back to who waits for them.

mod clients;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstem_kernel::{Seq, TenantId, spawn::SharedSpawn};
use mainstem_sql::{QueryError, Reading};
use mainstem_table::WriteError;
use parking_lot::Mutex;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::sync::oneshot;

use super::super::{
    TablesError, WritesConfig,
    answer::Answer,
    scan::header,
    statement::{STATEMENT_HEADER, Statement, StatementId},
    topics::ANSWER_PARTITIONS,
};
use super::engine;
use crate::{
    ClusterError,
    kafka::{
        client::{Words, patiently, refused, unreachable},
        flight,
    },
};
use clients::{Outgoing, consumer, producer};

/// How long the thread waits for an answer before it looks around.
const PATIENCE: Duration = Duration::from_millis(20);
/// The thread that reads answers.
const NAME: &str = "answers";

/// What a statement says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    pub(super) tenant: TenantId,
    pub(super) definitions: Seq,
    pub(super) until: u64,
    pub(super) reading: Reading,
    pub(super) request: Option<&'a str>,
    pub(super) sql: &'a str,
}

type Told = Result<Answer, TablesError>;
type Waiters = Mutex<HashMap<u64, oneshot::Sender<Told>>>;

/// Statements that go out, and answers that come back.
pub(super) struct Mail {
    config: WritesConfig,
    /// This door, as no other is called.
    door: String,
    /// The partition of answers that it reads.
    partition: u16,
    number: AtomicU64,
    waiters: Arc<Waiters>,
    producer: Mutex<Arc<BaseProducer<Outgoing>>>,
    consumer: BaseConsumer<Words>,
    stop: AtomicBool,
}

/// Someone who waits for an answer. Dropped, nobody does.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    mail: &'a Mail,
    number: u64,
    answer: Option<oneshot::Receiver<Told>>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("door", &self.door)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

impl Waiting<'_> {
    /// The answer, or why there will be none.
    pub(super) async fn answer(mut self) -> Told {
        let closed = || {
            Err(TablesError::Cluster(ClusterError::Unacknowledged {
                topic: "writes".to_owned(),
                limit: Duration::ZERO,
                source: "the door was closed".into(),
            }))
        };
        match self.answer.take() {
            Some(answer) => answer.await.unwrap_or_else(|_gone| closed()),
            None => closed(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.mail.waiters().lock().remove(&self.number);
    }
}

impl Mail {
    pub(super) fn open(
        config: &WritesConfig,
        spawn: &SharedSpawn,
    ) -> Result<Arc<Self>, ClusterError> {
        let door = uuid::Uuid::new_v4();
        let partition = door.as_u128() % u128::from(ANSWER_PARTITIONS);
        let waiters = Arc::<Waiters>::default();
        let mail = Arc::new(Self {
            config: config.clone(),
            door: door.simple().to_string(),
            partition: u16::try_from(partition).unwrap_or(0),
            number: AtomicU64::new(0),
            producer: Mutex::new(Arc::new(producer(&config.kafka, &waiters)?)),
            waiters,
            consumer: consumer(&config.kafka)?,
            stop: AtomicBool::new(false),
        });
        let own = Arc::clone(&mail);
        spawn
            .thread(NAME, Box::new(move || own.run()))
            .map_err(|source| ClusterError::Thread { name: NAME, source })?;
        Ok(mail)
    }

    /// Reads the answers of an application from now on.
    pub(super) fn listen(&self, topic: &str) -> Result<(), ClusterError> {
        let kafka = &self.config.kafka;
        let partition = i32::from(self.partition);
        let ask = || {
            self.consumer
                .fetch_watermarks(topic, partition, kafka.connect_max)
        };
        let (_, end) = patiently(ask).map_err(|error| unreachable(kafka, error))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(end))
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| refused("read topic", topic, error))
    }

    /// Sends a statement.
    pub(super) fn send(&self, topic: &str, sent: &Sent<'_>) -> Result<Waiting<'_>, QueryError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (tx, rx) = oneshot::channel();
        {
            let mut waiters = self.waiters().lock();
            if waiters.len() >= self.config.waiting_max {
                let waiting = waiters.len();
                return Err(WriteError::Busy { waiting }.into());
            }
            waiters.insert(number, tx);
        }
        let waiting = Waiting {
            mail: self,
            number,
            answer: Some(rx),
        };
        let statement = Statement {
            id: StatementId {
                door: self.door.clone(),
                number,
            },
            answers: self.partition,
            tenant: sent.tenant,
            definitions: sent.definitions,
            until: sent.until,
            reading: sent.reading,
            request: sent.request.map(str::to_owned),
            sql: sent.sql.to_owned(),
        };
        let all = statement.headers();
        let headers = all.iter().fold(OwnedHeaders::new(), |headers, header| {
            let (key, value) = header;
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let record =
            BaseRecord::<'_, [u8], [u8], Box<u64>>::with_opaque_to(topic, Box::new(number))
                .partition(0)
                .payload(sent.sql.as_bytes())
                .headers(headers);
        match self.producer().send(record) {
            Ok(()) => Ok(waiting),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                let waiting = self.waiters().lock().len();
                Err(WriteError::Busy { waiting }.into())
            }
            Err((error, _)) => {
                let limit = self.config.kafka.acknowledge_max;
                let told = flight::told(error, (topic, sent.sql.len()), limit);
                Err(engine(TablesError::Cluster(told)))
            }
        }
    }

    /// Hands answers to who waits for them, until the door is closed.
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.producer().poll(Duration::ZERO);
            match self.consumer.poll(PATIENCE) {
                None => {}
                Some(Ok(message)) => {
                    let id = header(&message, STATEMENT_HEADER).and_then(StatementId::read);
                    let own = id.filter(|id| id.door == self.door);
                    let waiter = own.and_then(|id| self.waiters().lock().remove(&id.number));
                    if let Some(waiter) = waiter {
                        tell(waiter, read(&message));
                    }
                }
                // What a client says while it recovers by itself.
                Some(Err(error)) => tracing::debug!(%error, "answers"),
            }
        }
        self.waiters().lock().clear();
    }

    /// The producer; a new one if the last one has met what it cannot go on from, such as rights that
    /// were taken away. Whoever waits for what that one had is told.
    fn producer(&self) -> Arc<BaseProducer<Outgoing>> {
        let mut current = self.producer.lock();
        if let Some((code, reason)) = current.client().fatal_error() {
            match producer(&self.config.kafka, &self.waiters) {
                Ok(new) => {
                    tracing::warn!(%code, reason, "kafka producer of statements is replaced");
                    *current = Arc::new(new);
                }
                Err(error) => tracing::warn!(%error, "kafka producer of statements stays"),
            }
        }
        Arc::clone(&current)
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub(super) fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read(message: &rdkafka::message::BorrowedMessage<'_>) -> Told {
    Answer::read(message.payload().unwrap_or_default()).map_err(|reason| TablesError::Record {
        topic: message.topic().to_owned(),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        reason,
    })
}

fn tell(waiter: oneshot::Sender<Told>, told: Told) {
    match waiter.send(told) {
        // Whoever waited may have gone.
        Ok(()) | Err(_) => {}
    }
}
