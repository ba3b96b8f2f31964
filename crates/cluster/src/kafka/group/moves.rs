//! `Moves`: what the client says of partitions that come and go, noted inside its callback.
//!
//! It never begins to read a partition that comes: where it goes on may not be known for a while,
//! and the callback must end soon.

use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::{Generation, Place};
use crate::kafka::client::Words;

/// A partition that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Gained(Place),
    Lost(Place),
}

/// The context of a member's client.
#[derive(Default)]
pub(crate) struct Moves {
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    moves: Vec<Move>,
    generation: Option<Generation>,
    /// Partitions that the client reads: it can only be told to leave off those.
    reading: Vec<Place>,
}

impl Moves {
    /// What has moved since the last call, in order.
    pub(super) fn take(&self) -> Vec<Move> {
        std::mem::take(&mut self.noted.lock().moves)
    }

    pub(super) fn generation(&self) -> Option<Generation> {
        self.noted.lock().generation.clone()
    }

    /// Reads these, too, from the offsets that they name.
    pub(super) fn begin(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> KafkaResult<()> {
        consumer.incremental_assign(list)?;
        self.noted.lock().reading.extend(places(list));
        Ok(())
    }

    fn gained(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        // In here the member has the generation in which it got them, or is already expelled.
        let generation = consumer.group_metadata().map(Arc::new);
        let mut noted = self.noted.lock();
        noted.generation = generation;
        noted.moves.extend(places(list).map(Move::Gained));
        drop(noted);
        let done = consumer.incremental_assign(&TopicPartitionList::new());
        tell(done);
    }

    fn lost(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let mut noted = self.noted.lock();
        let mut left = TopicPartitionList::new();
        for place in places(list) {
            if noted.reading.contains(&place) {
                left.add_partition(&place.topic, place.number());
            }
            noted.reading.retain(|reading| *reading != place);
            noted.moves.push(Move::Lost(place));
        }
        drop(noted);
        let done = consumer.incremental_unassign(&left);
        tell(done);
    }
}

fn places(list: &TopicPartitionList) -> impl Iterator<Item = Place> {
    let places = list.elements().into_iter();
    let places: Vec<Place> = places
        .map(|element| Place::new(element.topic(), element.partition()))
        .collect();
    places.into_iter()
}

fn tell(done: KafkaResult<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "kafka client does not take its partitions");
    }
}

impl ClientContext for Moves {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        Words.log(level, part, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Words.error(error, reason);
    }
}

impl ConsumerContext for Moves {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.gained(consumer, list),
            _ => self.lost(consumer, list),
        }
    }
}
