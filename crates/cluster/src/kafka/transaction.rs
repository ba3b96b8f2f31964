//! `Output`: records of several topics that become visible together, and with them the offsets of
//! what they were made of; or none of it.
//!
//! It never decides which records: whoever reads a `Group` does.
//!
//! # Who may write
//!
//! Opening an output under a name fences every older one of that name, and ends what it left open.
//! A name per owner of something (an application) makes that owner the only one who writes. Members
//! of a group who each have a name of their own are told apart by the group instead: a commit with
//! offsets of a partition that has moved is refused (`kafka::group`). Then what a dead member left
//! open ends when the broker aborts it, after `transaction_max`; until then its new owner waits.

mod ending;

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{Clock as _, Offset as RowOffset, clock::SystemClock};
use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    KafkaConfig,
    client::{forbids, is_forbidden, millis, refused, settings, unreachable},
    flight,
    group::{Group, Place, offsets},
};
use crate::ClusterError;
use ending::Ending;

/// How long deliveries are waited for at once.
const POLL_PAUSE: Duration = Duration::from_millis(1);

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partition; by the key's murmur2 if there is none.
    pub partition: Option<u16>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none says that the key is gone, in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Where each partition that was written to ends behind the transaction's records.
pub type Ends = BTreeMap<Place, RowOffset>;

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// Nothing of it is there. The output goes on: give back what was read, and fetch.
    #[error(transparent)]
    Aborted(ClusterError),
    /// Nobody knows whether it is there, or another has this output's name. Drop output and group;
    /// a new group says which offsets are committed.
    #[error(transparent)]
    Broken(ClusterError),
}

impl From<Failed> for ClusterError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Aborted(error) | Failed::Broken(error) => error,
        }
    }
}

/// Writes transactions, one after the other.
pub struct Output {
    config: KafkaConfig,
    name: String,
    producer: BaseProducer<Ending>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Opens the output of a name (`transactional.id`). What an older one left open is ended;
    /// what this one leaves open is, after `transaction_max`.
    ///
    /// # Errors
    /// When Kafka cannot be reached, or does not let us.
    pub fn open(
        config: &KafkaConfig,
        name: &str,
        transaction_max: Duration,
    ) -> Result<Self, ClusterError> {
        let mut settings = settings(config);
        settings
            .set("transactional.id", name)
            .set("transaction.timeout.ms", millis(transaction_max))
            .set("message.timeout.ms", millis(transaction_max))
            .set("request.timeout.ms", millis(transaction_max))
            .set("compression.type", "lz4")
            .set("linger.ms", "1")
            .set("batch.size", "262144")
            .set("batch.num.messages", "10000")
            .set("message.max.bytes", "16777216")
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.kbytes", "65536");
        let producer = BaseProducer::from_config_and_context(&settings, Ending::default())
            .map_err(|error| unreachable(config, error))?;
        let output = Self {
            config: config.clone(),
            name: name.to_owned(),
            producer,
        };
        let opened = output.producer.init_transactions(config.acknowledge_max);
        opened.map_err(|error| match is_forbidden(&error) {
            true => refused("write as", name, error),
            false => unreachable(config, error),
        })?;
        Ok(output)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// `Fenced` when another has opened an output of this name.
    pub fn begin(&mut self) -> Result<Transaction<'_>, ClusterError> {
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.broken(error))?;
        self.producer.context().reset();
        Ok(Transaction {
            output: self,
            is_open: true,
        })
    }

    /// What the client said when it cannot go on.
    fn broken(&self, error: KafkaError) -> ClusterError {
        let fatal = self.producer.client().fatal_error();
        if is_forbidden(&error) || fatal.as_ref().is_some_and(|(code, _)| forbids(*code)) {
            return refused("write as", &self.name, error);
        }
        let is_fenced = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::ProducerFenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
                    | RDKafkaErrorCode::InvalidProducerIdMapping
            )
        );
        if is_fenced || fatal.is_some() {
            ClusterError::Superseded {
                group: self.name.clone(),
                source: Box::new(error),
            }
        } else {
            self.unacknowledged(error)
        }
    }

    fn unacknowledged(&self, error: KafkaError) -> ClusterError {
        ClusterError::Unacknowledged {
            topic: self.name.clone(),
            limit: self.config.acknowledge_max,
            source: Box::new(error),
        }
    }

    /// Tries what may be tried again, for as long as anything may take. A try may take all of that by
    /// itself, so it is the time that ends it: a client that waits for a new epoch may never get it.
    fn insist(&self, mut act: impl FnMut(Duration) -> Result<(), KafkaError>) -> Tried {
        let limit = self.config.acknowledge_max;
        let begin = SystemClock.monotonic();
        loop {
            let error = match act(limit) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let KafkaError::Transaction(said) = &error else {
                return Err((Verdict::Abort, error));
            };
            if self.producer.client().fatal_error().is_some() || said.is_fatal() {
                return Err((Verdict::Drop, error));
            }
            if said.txn_requires_abort() {
                return Err((Verdict::Abort, error));
            }
            let waited = SystemClock.monotonic().saturating_sub(begin);
            if !said.is_retriable() || waited >= limit {
                return Err((Verdict::Drop, error));
            }
            self.producer.poll(RETRY_PAUSE);
        }
    }
}

/// Between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What has to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The transaction is aborted, and the output goes on.
    Abort,
    /// Nothing can be done with this output.
    Drop,
}

type Tried = Result<(), (Verdict, KafkaError)>;

/// Records that become visible together. Dropped, none of them does.
#[derive(Debug)]
pub struct Transaction<'a> {
    output: &'a mut Output,
    is_open: bool,
}

impl Transaction<'_> {
    /// Adds a record. Blocks while the client's queue is full.
    ///
    /// # Errors
    /// When the client does not take it; the transaction can only be dropped then.
    pub fn send(&mut self, message: &NewMessage<'_>) -> Result<(), ClusterError> {
        let producer = &self.output.producer;
        let mut record = BaseRecord::<'_, [u8], [u8]>::to(message.topic);
        record.partition = message.partition.map(i32::from);
        record.key = message.key;
        record.payload = message.value;
        record.headers = headers(message.headers);
        let mut waited = Duration::ZERO;
        loop {
            let Err((error, back)) = producer.send(record) else {
                return Ok(());
            };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || waited >= self.output.config.acknowledge_max {
                return Err(self.told(error, message));
            }
            record = back;
            waited += FULL_PAUSE;
            producer.poll(FULL_PAUSE);
        }
    }

    fn told(&self, error: KafkaError, message: &NewMessage<'_>) -> ClusterError {
        let is_over = error.rdkafka_error_code() == Some(RDKafkaErrorCode::State);
        let why = is_over.then(|| self.output.why()).flatten();
        let error = why.unwrap_or(error);
        if is_forbidden(&error) || self.output.producer.client().fatal_error().is_some() {
            return self.output.broken(error);
        }
        let size = message.value.map_or(0, <[u8]>::len) + message.key.map_or(0, <[u8]>::len);
        let limit = self.output.config.acknowledge_max;
        flight::told(error, (message.topic, size), limit)
    }

    /// Waits until the brokers have what was sent so far; where it ends. Nobody sees it yet.
    ///
    /// # Errors
    /// When a broker does not take it; the transaction can only be dropped then.
    pub fn written(&mut self) -> Result<Ends, ClusterError> {
        let drained = self.output.drain();
        let context = self.output.producer.context();
        if let Some(hindrance) = context.hindrance() {
            return Err(hindrance);
        }
        drained.map_err(|(_, error)| self.output.broken(error))?;
        Ok(context.ends.lock().clone())
    }

    /// Makes the records visible.
    ///
    /// # Errors
    /// `Failed` says what is to be done.
    pub fn commit(mut self) -> Result<Ends, Failed> {
        self.finish()
    }

    /// Makes the records visible, and the group to have read up to `next`; both or neither.
    ///
    /// # Errors
    /// `Aborted` with `Superseded` when a partition has moved, or is moving. `Failed` says what is
    /// to be done.
    pub fn commit_read(
        mut self,
        group: &Group,
        next: &BTreeMap<Place, RowOffset>,
    ) -> Result<Ends, Failed> {
        let list = offsets(next).map_err(|error| Failed::Aborted(group.superseded(error)))?;
        let Some(generation) = group.generation() else {
            // Never a member, so nothing was read.
            let error = KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownMemberId);
            return Err(self.fail((Verdict::Abort, error), Some(group)));
        };
        let output = &*self.output;
        let told = output.insist(|limit| {
            let producer = &output.producer;
            producer.send_offsets_to_transaction(&list, &generation, limit)
        });
        if let Err(error) = told {
            return Err(self.fail(error, Some(group)));
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<Ends, Failed> {
        let output = &*self.output;
        let drained = output.drain();
        let committed =
            drained.and_then(|()| output.insist(|limit| output.producer.commit_transaction(limit)));
        if let Err(error) = committed {
            return Err(self.fail(error, None));
        }
        self.is_open = false;
        let mut delivered = self.output.producer.context().ends.lock();
        Ok(std::mem::take(&mut delivered))
    }

    fn fail(&mut self, (verdict, error): (Verdict, KafkaError), group: Option<&Group>) -> Failed {
        self.is_open = false;
        let context = self.output.producer.context();
        let told = match (context.hindrance(), group) {
            (Some(hindrance), _) => hindrance,
            (None, Some(group)) if verdict == Verdict::Abort => group.superseded(error),
            (None, _) => self.output.broken(error),
        };
        if verdict == Verdict::Abort && self.output.abort().is_ok() {
            Failed::Aborted(told)
        } else {
            Failed::Broken(told)
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open && self.output.abort().is_err() {
            tracing::warn!(
                output = self.output.name,
                "transaction is left to the broker to end"
            );
        }
    }
}

/// While the client's queue is full, deliveries are looked for this often.
const FULL_PAUSE: Duration = Duration::from_millis(5);

impl Output {
    /// Waits until every record is acknowledged or refused. The client's own waiting takes a tenth
    /// of a second at least.
    fn drain(&self) -> Tried {
        let mut waited = Duration::ZERO;
        while self.producer.in_flight_count() > 0 {
            if waited >= self.config.acknowledge_max {
                let error = KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut);
                return Err((Verdict::Abort, error));
            }
            waited += POLL_PAUSE;
            self.producer.poll(POLL_PAUSE);
        }
        Ok(())
    }

    /// Why a transaction that takes no more records is over: only its commit says it.
    fn why(&self) -> Option<KafkaError> {
        let committed = self.insist(|limit| self.producer.commit_transaction(limit));
        committed.err().map(|(_, error)| error)
    }

    /// Whoever has not taken the word on every record waits for it in vain while it aborts: nobody
    /// else looks for words.
    fn abort(&self) -> Tried {
        if let Err((_, error)) = self.drain() {
            tracing::debug!(%error, "records of a transaction that is dropped are not acknowledged");
        }
        self.insist(|limit| self.producer.abort_transaction(limit))
    }
}

fn headers(headers: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    let put = |all: OwnedHeaders, (key, value): &(&str, &[u8])| {
        all.insert(Header {
            key,
            value: Some(*value),
        })
    };
    Some(headers.iter().fold(empty, put))
}
