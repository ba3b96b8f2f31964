//! `Feeds`: the rows of a stream, and the changes of rows by key, as they come into their topics,
//! from any place that a feed has told of; on any node.
//!
//! It keeps nothing for a slow reader: what that one has not taken stays in the topic, and the
//! client's own queue is small. Only what is committed is told.
//!
//! | object | read | told, in the order of offsets within a partition |
//! |---|---|---|
//! | stream, dead letters | its topic, or its `…-unique` | each row as the newest columns have it; each with its place |
//! | view that is a stream | its topic | each row |
//! | table, view with a key | its topic | of each key that is read at once the newest row, or that it is gone; the last with the place |

mod errors;
mod form;

use std::{sync::Arc, time::Duration};

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::{Offsets, StreamId};
use tokio::sync::watch;

pub use errors::FeedError;
use form::Form;

use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Reader, Start, Topics,
        topic::{is_same, name_of, prefix_of, unique_name_of},
    },
};

/// Records that are told of at once.
const ROWS_MAX: usize = 500;

/// Where a feed begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the first row that there is.
    Earliest,
    /// Behind the last one.
    Now,
    /// At a place that was told of; at the first row of partitions that it does not name.
    At(Offsets),
}

/// An event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// JSON.
    pub data: Vec<u8>,
    /// Who begins here has seen this event and all before.
    pub place: Option<Offsets>,
}

/// Opens feeds.
#[derive(Debug)]
pub struct Feeds {
    config: KafkaConfig,
    topics: Topics,
    definitions: watch::Receiver<Arc<Definitions>>,
}

/// A feed that is open.
#[derive(Debug)]
pub struct Feed {
    reader: Reader,
    form: Form,
    object: StreamId,
    place: Offsets,
}

impl Feeds {
    /// Connects when it is first needed.
    ///
    /// # Errors
    /// When the client cannot be made from the settings.
    pub fn open(
        config: &KafkaConfig,
        definitions: watch::Receiver<Arc<Definitions>>,
    ) -> Result<Self, ClusterError> {
        Ok(Self {
            topics: Topics::new(config)?,
            config: config.clone(),
            definitions,
        })
    }

    /// Follows an object. Blocks until the brokers have said where it begins.
    ///
    /// # Errors
    /// When there is no such object or topic, when rows are gone that would come first, or when
    /// its changes cannot be told yet.
    pub fn follow(&self, object: StreamId, begin: &Begin) -> Result<Feed, FeedError> {
        let definitions = Arc::clone(&self.definitions.borrow());
        let found = definitions.by_id(object);
        let found = found.ok_or(FeedError::Topic { object })?;
        let form = Form::of(&found, &definitions)?;
        let label = found.label();
        let wanted = match &found {
            Object::Stream(def) if def.spec.deduplicate.is_some() => {
                unique_name_of(&self.config, object, &def.spec.name)
            }
            _ => name_of(&self.config, object, &label.name),
        };
        let prefix = prefix_of(&self.config, object);
        let names = self.topics.names()?;
        let topic = names.iter().find(|name| is_same(name, &wanted, &prefix));
        let topic = topic.ok_or(FeedError::Topic { object })?;
        let start = match begin {
            Begin::Earliest => Start::At(&Offsets::default()),
            Begin::Now => Start::End,
            Begin::At(place) => Start::At(place),
        };
        let reader = Reader::open_at(&self.config, (object, topic), start)?;
        Ok(Feed {
            place: reader.place(),
            reader,
            form,
            object,
        })
    }
}

impl Feed {
    /// What there is by now; waits for nothing.
    ///
    /// # Errors
    /// When a broker refuses, or rows are gone that have not been read.
    pub fn read(&mut self) -> Result<Vec<Told>, FeedError> {
        let read = self.reader.read(ROWS_MAX, Duration::ZERO)?;
        if read.rows.is_empty() {
            return Ok(Vec::new());
        }
        self.form.told(self.object, &read.rows, &mut self.place)
    }

    /// How far it has been told.
    #[must_use]
    pub const fn place(&self) -> &Offsets {
        &self.place
    }
}
