//! The topic of a stream: its name, its settings, and whether one that is there will do. Pure.

use std::{collections::BTreeMap, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_kernel::StreamId;

use super::KafkaConfig;
use crate::ClusterError;

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
    /// How long records are kept; `None` for ever.
    pub retention: Option<Duration>,
    /// Largest record.
    pub record_bytes_max: u64,
}

/// What a topic is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: usize,
    /// Of the partition that has the fewest.
    pub replicas: usize,
    /// All settings, by name.
    pub settings: BTreeMap<String, String>,
}

/// What the topic of a stream begins with, whatever it was called when it was made.
#[must_use]
pub fn prefix_of(config: &KafkaConfig, stream: StreamId) -> String {
    format!("{}-{}-", config.topic_prefix, stream.0)
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
            name: format!("{}{}", prefix_of(config, stream.id), spec.name),
            partitions: spec.partitions,
            replicas: config.replicas,
            in_sync_min: config.in_sync_min,
            retention: spec.retention,
            record_bytes_max,
        }
    }

    /// The topic of definitions: one partition, since their order is everything, kept for ever.
    #[must_use]
    pub fn definitions(config: &KafkaConfig) -> Self {
        Self {
            name: definitions_name(config),
            partitions: 1,
            replicas: config.replicas,
            in_sync_min: config.in_sync_min,
            retention: None,
            record_bytes_max: 16 << 20,
        }
    }

    /// The settings of a topic that is made for it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", self.retention_ms().to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("min.insync.replicas", self.in_sync_min.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", self.record_bytes_max.to_string()),
        ]
    }

    /// In Kafka's words: -1 for ever.
    fn retention_ms(&self) -> i64 {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(-1);
        self.retention.map_or(-1, millis)
    }
}

/// Whether a topic will do.
///
/// # Errors
/// The first thing about it that would lose rows, or their order.
pub fn judge(found: &Found, wanted: &Wanted) -> Result<(), ClusterError> {
    if found.partitions != usize::from(wanted.partitions) {
        return Err(ClusterError::Partitions {
            topic: found.name.clone(),
            found: found.partitions,
            wanted: wanted.partitions,
        });
    }
    if found.replicas < usize::from(wanted.replicas) {
        return Err(unsafe_setting(
            found,
            "replicas",
            found.replicas.to_string(),
            format!("at least {}", wanted.replicas),
        ));
    }
    judge_retention(found, wanted)?;
    judge_safety(found, wanted)
}

fn judge_retention(found: &Found, wanted: &Wanted) -> Result<(), ClusterError> {
    let policy = found.setting("cleanup.policy");
    if policy != "delete" {
        return Err(unsafe_setting(
            found,
            "cleanup.policy",
            policy.to_owned(),
            "delete".to_owned(),
        ));
    }
    let short = |setting, wanted: i64| ClusterError::Retention {
        topic: found.name.clone(),
        setting,
        found: found.setting(setting).to_owned(),
        wanted: wanted.to_string(),
    };
    let kept = found.number("retention.ms");
    let declared = wanted.retention_ms();
    let is_enough = kept == Some(-1) || (declared >= 0 && kept.is_some_and(|ms| ms >= declared));
    if !is_enough {
        return Err(short("retention.ms", declared));
    }
    if found.number("retention.bytes") != Some(-1) {
        return Err(short("retention.bytes", -1));
    }
    Ok(())
}

fn judge_safety(found: &Found, wanted: &Wanted) -> Result<(), ClusterError> {
    let in_sync = found.number("min.insync.replicas").unwrap_or(0);
    if in_sync < i64::from(wanted.in_sync_min) {
        return Err(unsafe_setting(
            found,
            "min.insync.replicas",
            in_sync.to_string(),
            format!("at least {}", wanted.in_sync_min),
        ));
    }
    for (setting, expected) in [
        ("unclean.leader.election.enable", "false"),
        ("message.timestamp.type", "LogAppendTime"),
    ] {
        let value = found.setting(setting);
        if value != expected {
            return Err(unsafe_setting(
                found,
                setting,
                value.to_owned(),
                expected.to_owned(),
            ));
        }
    }
    Ok(())
}

fn unsafe_setting(
    found: &Found,
    setting: &'static str,
    value: String,
    wanted: String,
) -> ClusterError {
    ClusterError::Unsafe {
        topic: found.name.clone(),
        setting,
        found: value,
        wanted,
    }
}

impl Found {
    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.setting(name).parse().ok()
    }
}

#[cfg(test)]
mod tests;
