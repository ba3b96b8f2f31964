//! What all clients of Kafka have in common: settings, where their words go, and waiting.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::KafkaConfig;
use crate::ClusterError;

/// Where the words of a client go: the node's own log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words;

impl ClientContext for Words {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(part, message, "kafka client"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(part, message, "kafka client");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told as an error, and is none.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "kafka client");
        }
    }
}

impl ConsumerContext for Words {}

/// A broker that says nothing for so long is taken for dead: brokers that are held up, or cut off,
/// close no connection, and the others have elected new leaders by then.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The settings of every client. A broker that is gone is tried again soon, so that a new leader
/// is found within a second of its election.
pub(crate) fn settings(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "mainstem")
        .set("log_level", "5")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", millis(SILENCE_MAX))
        .set("socket.nagle.disable", "true")
        .set(
            "socket.connection.setup.timeout.ms",
            millis(config.connect_max.max(Duration::from_secs(1))),
        )
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "500");
    settings
}

pub(crate) fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

/// Nobody answered, or whoever did does not let us.
pub(crate) fn unreachable(config: &KafkaConfig, error: KafkaError) -> ClusterError {
    if is_forbidden(&error) {
        return refused(
            "let this program use topics of",
            &config.topic_prefix,
            error,
        );
    }
    ClusterError::Unreachable {
        brokers: config.brokers.join(", "),
        source: Box::new(error),
    }
}

/// Whether a broker says that rights are missing.
pub(crate) fn is_forbidden(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(forbids)
}

/// The same of a code.
pub(crate) const fn forbids(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Kafka;
    matches!(
        code,
        Kafka::TopicAuthorizationFailed
            | Kafka::GroupAuthorizationFailed
            | Kafka::ClusterAuthorizationFailed
            | Kafka::TransactionalIdAuthorizationFailed
    )
}

/// A broker is there, and does not say what was asked for.
pub(crate) fn silent(config: &KafkaConfig) -> ClusterError {
    let error = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    unreachable(config, error)
}

/// A partition has no leader for a moment: while it is new, and while another broker takes over.
const LEADER_TRIES: u32 = 50;
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// Asks again while a partition has no leader, or is not known where it was asked.
pub(crate) fn patiently<T>(
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    for _ in 0..LEADER_TRIES {
        let answer = ask();
        let code = answer
            .as_ref()
            .err()
            .and_then(KafkaError::rdkafka_error_code);
        let has_no_leader = matches!(
            code,
            Some(
                RDKafkaErrorCode::NotLeaderForPartition
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::UnknownTopicOrPartition
            )
        );
        if !has_no_leader {
            return answer;
        }
        thread::sleep(LEADER_PAUSE);
    }
    ask()
}

/// A broker said no.
pub(crate) fn refused(doing: &'static str, topic: &str, error: KafkaError) -> ClusterError {
    ClusterError::Refused {
        doing,
        topic: topic.to_owned(),
        source: Box::new(error),
    }
}

/// Waits for a future that wakes by itself, in a thread that may be held up.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A client that asks for the places of a group, and joins none. A place that belongs to a transaction
/// is told once that is committed.
pub(crate) fn asking(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<Words>, ClusterError> {
    let mut settings = settings(config);
    settings
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed");
    BaseConsumer::from_config_and_context(&settings, Words)
        .map_err(|error| unreachable(config, error))
}

/// A client that reads topics to their ends, what is committed of them, as `name`.
pub(crate) fn reading_to_ends(
    config: &KafkaConfig,
    name: &str,
) -> Result<BaseConsumer<Words>, ClusterError> {
    let mut settings = settings(config);
    settings
        .set("group.id", format!("{}-{name}", config.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20")
        .set("fetch.error.backoff.ms", "50");
    BaseConsumer::from_config_and_context(&settings, Words)
        .map_err(|error| unreachable(config, error))
}
