//! The log on Apache Kafka: a topic per stream, a record per row, acknowledged by enough replicas.
//!
//! It never gives rows a seq: there is no order over partitions at scale, and nobody may rely on
//! one. Why it is no `mainstem_log::Log`: `docs/decisions/0010-kafka-is-a-door-and-a-reader.md`.
//!
//! # What is written
//!
//! The topic of a stream is `PREFIX-ID-NAME`, such as `mainstem-16-readings`; it is found by its
//! `PREFIX-ID-`, so it stays when the stream is renamed. A record:
//!
//! | part | holds |
//! |---|---|
//! | key | canonical text of the PARTITION BY columns (`kernel::key`); none without such columns |
//! | value | the row as canonical JSON; `_extra` only in batches where a row has one |
//! | partition | chosen by admission: murmur2 of the key, as Kafka's own clients do |
//! | time | the broker's, as it appends (LogAppendTime) |
//! | header `mainstem-schema` | version of the columns, decimal; absent for version 1 |
//! | header `mainstem-key` | who sent it, 16 hexadecimal digits; absent if nobody may repeat it |
//! | header `mainstem-row` | its number among the rows of that sender in this partition, decimal |
//!
//! Sender, partition and row number together name a row for ever: whoever reads can leave out what
//! comes twice, and `DEDUPLICATE BY` needs no more.
//!
//! # Invariants
//!
//! * An append is answered exactly once, and with success only after acks=all for every record: as many
//!   replicas as `in_sync_min` have it, and no unclean election can take it back.
//! * Within a partition, rows of one append keep their order, also through retries of the client
//!   (an idempotent producer).
//! * Nothing is written to a topic that does not keep what its stream declares (`topic::judge`).
//! * A request that comes again to the same node while it is remembered is written once.

#[cfg(feature = "engines")]
mod admin;
#[cfg(feature = "engines")]
pub(crate) mod client;
#[cfg(test)]
mod contract;
#[cfg(feature = "engines")]
mod control;
#[cfg(feature = "engines")]
mod definitions;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(feature = "engines")]
pub(crate) mod flight;
#[cfg(feature = "engines")]
pub mod group;
#[cfg(feature = "engines")]
mod reader;
mod record;
mod retries;
pub mod topic;
#[cfg(feature = "engines")]
pub mod transaction;
#[cfg(feature = "engines")]
mod version;
#[cfg(feature = "engines")]
pub(crate) mod whole;
#[cfg(feature = "engines")]
mod writer;

use std::time::Duration;

use mainstem_kernel::ByteSize;

#[cfg(feature = "engines")]
pub(crate) use admin::{Topic, Topics};
#[cfg(feature = "engines")]
pub use control::{Control, Entry, Turn};
#[cfg(feature = "engines")]
pub use definitions::DefinitionLog;
#[cfg(feature = "engines")]
pub use group::{Fetched, Group, GroupSpec, Message, Place};
#[cfg(feature = "engines")]
pub use reader::{Read, Reader, Row, Start};
#[cfg(feature = "engines")]
pub use transaction::{Ends, Failed, NewMessage, Output, Transaction};
#[cfg(feature = "engines")]
pub use writer::{FindStream, Writer};

pub use record::{JSON_HEADER, KEY_HEADER, ROW_HEADER, SCHEMA_HEADER};
#[cfg(feature = "engines")]
pub(crate) use record::{JsonColumns, without_empty_extra};

/// How Kafka is reached, and what is asked of it.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port` of some brokers; the others are learned from them.
    pub brokers: Vec<String>,
    /// What all topics of this cluster begin with.
    pub topic_prefix: String,
    /// Replicas of every topic.
    pub replicas: u16,
    /// How many of them have a row before it is acknowledged.
    pub in_sync_min: u16,
    /// How long a broker has to answer the first time.
    pub connect_max: Duration,
    /// How long a row may wait for its acknowledgement, leader elections included.
    pub acknowledge_max: Duration,
    /// Rows that wait for their acknowledgement.
    pub queue_size_max: ByteSize,
    /// Requests that are remembered, so that they are recognised when they come again.
    pub requests_max: usize,
    /// And for how long.
    pub request_keep: Duration,
}
