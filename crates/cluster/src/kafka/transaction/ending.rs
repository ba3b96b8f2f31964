//! `Ending`: what the brokers say of the records of a transaction.

use mainstem_kernel::Offset as RowOffset;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message as _, config::RDKafkaLogLevel, error::KafkaError,
    message::DeliveryResult, producer::ProducerContext,
};

use super::Ends;
use crate::{
    ClusterError,
    kafka::{client::Words, flight, group::Place},
};

/// Takes what is said.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) ends: Mutex<Ends>,
    /// The first record that a broker does not take, however often it is sent.
    pub(super) refused: Mutex<Option<ClusterError>>,
}

impl Ending {
    /// A new transaction begins.
    pub(super) fn reset(&self) {
        *self.ends.lock() = Ends::new();
        *self.refused.lock() = None;
    }

    /// What has to be mended before such a transaction can be committed, if a record has met that.
    pub(super) fn hindrance(&self) -> Option<ClusterError> {
        self.refused.lock().take()
    }
}

impl ClientContext for Ending {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        Words.log(level, part, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Words.error(error, reason);
    }
}

impl ProducerContext for Ending {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                let Ok(offset) = u64::try_from(message.offset()) else {
                    return;
                };
                let place = Place::new(message.topic(), message.partition());
                let mut ends = self.ends.lock();
                let end = ends.entry(place).or_insert(RowOffset(0));
                *end = (*end).max(RowOffset(offset.saturating_add(1)));
            }
            Err((error, message)) => {
                let size = message.payload_len() + message.key_len();
                let said = flight::judge(error.clone(), (message.topic(), size));
                if let Ok(refused) = said {
                    self.refused.lock().get_or_insert(refused);
                }
            }
        }
    }
}
