//! The clients of a door: one that sends statements, one that reads answers.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientContext, Message as _,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::BaseConsumer,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, ProducerContext},
};

use super::{Waiters, tell};
use crate::{
    ClusterError,
    kafka::{
        KafkaConfig,
        client::{Words, millis, settings, unreachable},
        flight,
    },
};

pub(super) fn producer(
    config: &KafkaConfig,
    waiters: &Arc<Waiters>,
) -> Result<BaseProducer<Outgoing>, ClusterError> {
    let mut settings = settings(config);
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", millis(config.acknowledge_max))
        .set("compression.type", "lz4")
        .set("linger.ms", "1")
        .set("message.max.bytes", "16777216")
        .set("queue.buffering.max.kbytes", "65536");
    let context = Outgoing {
        waiters: Arc::clone(waiters),
        limit: config.acknowledge_max,
    };
    BaseProducer::from_config_and_context(&settings, context)
        .map_err(|error| unreachable(config, error))
}

pub(super) fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<Words>, ClusterError> {
    let mut settings = settings(config);
    settings
        .set("group.id", format!("{}-answers", config.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "latest")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50");
    BaseConsumer::from_config_and_context(&settings, Words)
        .map_err(|error| unreachable(config, error))
}

/// Statements on their way: one that does not arrive is told to who waits.
pub(super) struct Outgoing {
    waiters: Arc<Waiters>,
    limit: Duration,
}

impl ClientContext for Outgoing {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        Words.log(level, part, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Words.error(error, reason);
    }
}

impl ProducerContext for Outgoing {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let Err((error, message)) = result else {
            return;
        };
        if let Some(waiter) = self.waiters.lock().remove(&number) {
            let size = message.payload_len() + message.key_len();
            let told = flight::told(error.clone(), (message.topic(), size), self.limit);
            tell(waiter, Err(told.into()));
        }
    }
}
