//! Whether a topic that is there will do. Pure.

use std::collections::BTreeMap;

use super::Wanted;
use crate::ClusterError;

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
    let expected = wanted.cleanup.policy();
    if policy != expected {
        return Err(unsafe_setting(
            found,
            "cleanup.policy",
            policy.to_owned(),
            expected.to_owned(),
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
