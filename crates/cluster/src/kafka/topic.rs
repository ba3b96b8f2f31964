//! Topics: their names, their settings, and whether one that is there will do. Pure.
//!
//! An object's topics begin with `PREFIX-ID-`, so they are found after it was renamed:
//!
//! | topic | holds |
//! |---|---|
//! | `PREFIX-ID-NAME` of a stream | its rows |
//! | `PREFIX-ID-NAME` of a version of a view | its rows; those of a view with a key are compacted |
//! | `PREFIX-ID-NAME-input` of a version of a view | what a worker made of the rows it reads |
//! | `PREFIX-ID-NAME-unique` of a stream with DEDUPLICATE BY | its rows, each once |
//! | `PREFIX-ID-NAME-seen` of such a stream | what tells them apart, compacted |
//! | `PREFIX-ID-NAME` of a table | its rows by primary key, compacted |
//! | `PREFIX-definitions` | every change of what is declared |
//! | `PREFIX-progress` | how far everything is that is computed (`progress`), compacted |

mod judge;

use std::time::Duration;

use mainstem_catalog::{StreamDef, TableDef, ViewDef};
use mainstem_kernel::{StreamId, StreamName};

use super::KafkaConfig;

pub use judge::{Found, judge};

/// What the name of a topic ends with that a worker writes for a view.
const INPUT_SUFFIX: &str = "-input";
/// The same, of the rows of a stream each once.
const UNIQUE_SUFFIX: &str = "-unique";
/// The same, of the keys that it was seen with.
const SEEN_SUFFIX: &str = "-seen";

/// Parts of the topic of a table: as many row writers can share it.
pub const TABLE_PARTITIONS: u16 = 4;

/// How long every version of a table's row is kept: rows of streams that are looked up as late as that
/// see the table as it was when they came.
pub(crate) const VERSIONS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Largest record of a view or a table.
const ROW_BYTES_MAX: u64 = 16 << 20;

/// What a topic has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, if it is not there yet.
    pub name: String,
    /// Fixed for ever: a key chooses its partition by their number.
    pub partitions: u16,
    /// Of each partition.
    pub replicas: u16,
    /// How many of them have a record before it is acknowledged.
    pub in_sync_min: u16,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Largest record.
    pub record_bytes_max: u64,
    /// How long a compacted topic keeps every version of a key at least.
    pub versions_kept: Duration,
}

/// What becomes of old records of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// They go after this long; `None`: never.
    Delete(Option<Duration>),
    /// The last one of each key stays for ever.
    Compact,
}

impl Cleanup {
    /// As Kafka calls it.
    const fn policy(self) -> &'static str {
        match self {
            Self::Delete(_) => "delete",
            Self::Compact => "compact",
        }
    }

    /// How long records are kept.
    const fn retention(self) -> Option<Duration> {
        match self {
            Self::Delete(retention) => retention,
            Self::Compact => None,
        }
    }
}

/// What the topic of a stream begins with, whatever it was called when it was made.
#[must_use]
pub fn prefix_of(config: &KafkaConfig, stream: StreamId) -> String {
    format!("{}-{}-", config.topic_prefix, stream.0)
}

/// The topic of an object of that name, if it is made now.
#[must_use]
pub fn name_of(config: &KafkaConfig, id: StreamId, name: &StreamName) -> String {
    format!("{}{name}", prefix_of(config, id))
}

/// The topic of what a worker makes for a version of a view, if it is made now.
#[must_use]
pub fn input_name_of(config: &KafkaConfig, view: StreamId, name: &StreamName) -> String {
    format!("{}{INPUT_SUFFIX}", name_of(config, view, name))
}

/// The topic of a stream's rows that are new, if it has DEDUPLICATE BY, if it is made now.
#[must_use]
pub fn unique_name_of(config: &KafkaConfig, id: StreamId, name: &StreamName) -> String {
    format!("{}{UNIQUE_SUFFIX}", name_of(config, id, name))
}

/// The topic of what tells them apart, if it is made now.
#[must_use]
pub fn seen_name_of(config: &KafkaConfig, id: StreamId, name: &StreamName) -> String {
    format!("{}{SEEN_SUFFIX}", name_of(config, id, name))
}

/// Whether `topic` is the one that `wanted` would be made as, whatever its object was called when
/// it was made. No name of an object has a hyphen in it, so what follows one is a suffix.
#[must_use]
pub fn is_same(topic: &str, wanted: &str, prefix: &str) -> bool {
    let suffix = |name: &str| {
        let name = name.strip_prefix(prefix)?;
        Some(name.split_once('-').map(|(_, suffix)| suffix.to_owned()))
    };
    topic == wanted || suffix(topic).is_some_and(|found| suffix(wanted) == Some(found))
}

/// The topic of progress.
#[must_use]
pub fn progress_name(config: &KafkaConfig) -> String {
    format!("{}-progress", config.topic_prefix)
}

/// The topic of all definitions.
#[must_use]
pub fn definitions_name(config: &KafkaConfig) -> String {
    format!("{}-definitions", config.topic_prefix)
}

impl Wanted {
    /// The topic of a stream.
    #[must_use]
    pub fn of(stream: &StreamDef, config: &KafkaConfig) -> Self {
        let spec = &stream.spec;
        // JSON may spell a row longer than the sender did: escapes, names, numbers as text.
        let record_bytes_max = spec.event_size_max.0.saturating_mul(4).max(1 << 20);
        Self {
            record_bytes_max,
            ..Self::named(
                name_of(config, stream.id, &spec.name),
                Cleanup::Delete(spec.retention),
                (spec.partitions, config),
            )
        }
    }

    /// The topic of a version of a view: the last row of each key, or all rows of a stream.
    #[must_use]
    pub fn of_view(view: &ViewDef, partitions: u16, config: &KafkaConfig) -> Self {
        let cleanup = match view.spec.emit.is_stream() {
            true => Cleanup::Delete(None),
            false => Cleanup::Compact,
        };
        let name = name_of(config, view.id, &view.spec.name);
        Self::named(name, cleanup, (partitions, config))
    }

    /// The topic that a worker writes for a version of a view: like the one that it reads.
    #[must_use]
    pub fn of_input(view: &ViewDef, source: &Self, config: &KafkaConfig) -> Self {
        Self {
            name: input_name_of(config, view.id, &view.spec.name),
            ..source.clone()
        }
    }

    /// The topic of a table.
    #[must_use]
    pub fn of_table(table: &TableDef, config: &KafkaConfig) -> Self {
        let name = name_of(config, table.id, &table.spec.name);
        Self {
            versions_kept: VERSIONS_KEPT,
            ..Self::named(name, Cleanup::Compact, (TABLE_PARTITIONS, config))
        }
    }

    /// The topic of a stream's rows that are new: like that of the stream.
    #[must_use]
    pub fn of_unique(stream: &StreamDef, config: &KafkaConfig) -> Self {
        Self {
            name: unique_name_of(config, stream.id, &stream.spec.name),
            ..Self::of(stream, config)
        }
    }

    /// The topic of what tells them apart: as many partitions, compacted.
    #[must_use]
    pub fn of_seen(stream: &StreamDef, config: &KafkaConfig) -> Self {
        let name = seen_name_of(config, stream.id, &stream.spec.name);
        Self::named(name, Cleanup::Compact, (stream.spec.partitions, config))
    }

    /// The topic of progress.
    #[must_use]
    pub fn progress(config: &KafkaConfig) -> Self {
        Self::named(progress_name(config), Cleanup::Compact, (1, config))
    }

    fn named(name: String, cleanup: Cleanup, (partitions, config): (u16, &KafkaConfig)) -> Self {
        Self {
            name,
            partitions,
            replicas: config.replicas,
            in_sync_min: config.in_sync_min,
            cleanup,
            record_bytes_max: ROW_BYTES_MAX,
            versions_kept: Duration::ZERO,
        }
    }

    /// The topic of definitions: one partition, since their order is everything, kept for ever.
    #[must_use]
    pub fn definitions(config: &KafkaConfig) -> Self {
        let name = definitions_name(config);
        Self::named(name, Cleanup::Delete(None), (1, config))
    }

    /// The settings of a topic that is made for it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cleanup.policy", self.cleanup.policy().to_owned()),
            ("retention.ms", self.retention_ms().to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("min.insync.replicas", self.in_sync_min.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", self.record_bytes_max.to_string()),
            (
                "min.compaction.lag.ms",
                millis(self.versions_kept).to_string(),
            ),
        ]
    }

    /// In Kafka's words: -1 for ever.
    fn retention_ms(&self) -> i64 {
        self.cleanup.retention().map_or(-1, millis)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(-1)
}

#[cfg(test)]
mod tests;
