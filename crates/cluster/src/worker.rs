//! What nodes with the role `workers` do between a stream's topic and Spark: rows that come twice are
//! left out, and tables are looked up, each once, by the code that does it on one machine.
//!
//! It never orders rows of different partitions, and decides nothing about tables: `tables` does.
//!
//! | work | reads | writes, in one transaction with the offsets of what it read |
//! |---|---|---|
//! | a FOREIGN stream | the topic of others | the stream's topic; what does not fit to its dead letters |
//! | DEDUPLICATE BY of a stream | the stream's topic | `…-unique`, the rows that are new; `…-seen`, compacted, which they were |
//! | filters and lookups of a version of a view (`Lowered::worker`) | the topic of the stream, or its `…-unique` | `…-input`, rows of `Lowered::input` as canonical JSON; dead letters of the view |
//!
//! Each is a consumer group of its own, `PREFIX-worker-ID`, or `PREFIX-foreign-ID`: the offsets that it has committed are
//! those up to which the topic that it writes is complete. Nodes share the partitions. A row stays in
//! its partition, but for those of others, which get one as at the doors.
//!
//! # What a row sees
//!
//! The table as it was when Kafka appended the row, as on one machine, however late a worker comes to
//! it: every worker keeps a copy of the tables that it looks up, with their versions, read from their
//! topics (`copies`). It fetches rows, then reads those topics up to where they end by then, then looks
//! up: so a row of a table that was acknowledged before an event was sent is seen by it. What a row has
//! seen is written down and never looked up again.
//!
//! # When a node dies or is held up
//!
//! Whoever takes a partition over goes on behind its last commit, and first reads what the partition's
//! changelog (`…-seen`) has. What the other one had not committed is not there (`kafka::group`).

#[cfg(test)]
mod contract;
#[cfg(feature = "engines")]
mod copies;
mod errors;
#[cfg(test)]
mod fixture;
#[cfg(feature = "engines")]
mod foreign;
#[cfg(feature = "engines")]
mod letters;
#[cfg(feature = "engines")]
mod lookup;
#[cfg(feature = "engines")]
mod member;
mod seen;
mod source;
#[cfg(feature = "engines")]
mod tasks;
#[cfg(feature = "engines")]
mod unique;
#[cfg(feature = "engines")]
mod workers;

use std::time::Duration;

use mainstem_kernel::{ByteSize, StreamId};

use crate::kafka::KafkaConfig;

pub use errors::WorkerError;
#[cfg(feature = "engines")]
pub use workers::{WorkerHealth, Workers, WorkersParts};

/// How workers work.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// Where rows are.
    pub kafka: KafkaConfig,
    /// A worker that is not heard of for as long is replaced.
    pub session_max: Duration,
    /// What a worker has not committed for as long is ended by the broker, so that another goes on.
    pub transaction_max: Duration,
    /// Memory of the tables that one view looks up.
    pub lookup_size_max: ByteSize,
    /// Memory of the keys that one stream was seen with.
    pub seen_size_max: ByteSize,
    /// Event times of others further ahead of arrival than this are refused.
    pub ahead_max: Duration,
}

/// The consumer group that reads the topic of others for a stream.
#[must_use]
pub fn foreign_group_of(config: &KafkaConfig, stream: StreamId) -> String {
    format!("{}-foreign-{}", config.topic_prefix, stream.0)
}

/// The consumer group of what is done for a version of a view, or for a stream.
#[must_use]
pub fn group_of(config: &KafkaConfig, object: StreamId) -> String {
    format!("{}-worker-{}", config.topic_prefix, object.0)
}
