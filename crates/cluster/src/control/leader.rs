//! `Membership` and `Fence`: who should act, and who may.

use std::time::Duration;

use super::ControlError;
use crate::{
    ClusterError,
    kafka::{
        Group, GroupSpec, KafkaConfig, NewMessage, Output,
        topic::{definitions_name, progress_name},
    },
    progress::Entry,
};

/// Whoever is not heard of for as long does not lead any more.
const SESSION_MAX: Duration = Duration::from_secs(3);
/// A transaction that is open for longer is ended by the broker.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);
/// Records of the definitions' topic that are passed over at once.
const PASSED_MAX: usize = 1_000;

/// The name of the group, and of the transactional id.
#[must_use]
pub fn leader_name(config: &KafkaConfig) -> String {
    format!("{}-leader", config.topic_prefix)
}

/// Membership in the group whose one partition says who should lead.
#[derive(Debug)]
pub(super) struct Membership {
    group: Group,
}

impl Membership {
    /// `instance` tells this node from all others, for ever.
    pub(super) fn join(config: &KafkaConfig, instance: &str) -> Result<Self, ClusterError> {
        let spec = GroupSpec {
            name: leader_name(config),
            topics: vec![definitions_name(config)],
            session_max: SESSION_MAX,
        };
        Ok(Self {
            group: Group::join(config, spec, instance)?,
        })
    }

    /// Whether this node should lead; waits for as long as `patience`. Also tells the group that
    /// it is there.
    pub(super) fn leads(&mut self, patience: Duration) -> Result<bool, ClusterError> {
        // The records are read by the catalog; here they only pass.
        let _passed = self.group.fetch(PASSED_MAX, patience)?;
        Ok(!self.group.owned().is_empty())
    }
}

/// The right to act, until somebody else takes it.
#[derive(Debug)]
pub struct Fence {
    output: Output,
    topic: String,
}

impl Fence {
    /// Takes it from whoever has it.
    ///
    /// # Errors
    /// When Kafka cannot be reached.
    pub fn take(config: &KafkaConfig) -> Result<Self, ClusterError> {
        Ok(Self {
            output: Output::open(config, &leader_name(config), TRANSACTION_MAX)?,
            topic: progress_name(config),
        })
    }

    /// Publishes progress. That it succeeds says that nobody else had taken over by then.
    ///
    /// # Errors
    /// `Superseded` when somebody has: nothing was published, and nothing may be done any more.
    pub fn publish(&mut self, entries: &[Entry]) -> Result<(), ControlError> {
        let mut transaction = self.output.begin().map_err(superseded)?;
        for entry in entries {
            let (key, value) = match entry.encode() {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!(%error, "progress is not published");
                    continue;
                }
            };
            let message = NewMessage {
                topic: &self.topic,
                partition: Some(0),
                key: Some(key.as_bytes()),
                value: value.as_ref().map(String::as_bytes),
                headers: &[],
            };
            transaction.send(&message).map_err(superseded)?;
        }
        let committed = transaction.commit();
        committed
            .map(drop)
            .map_err(|failed| superseded(failed.into()))
    }
}

/// Another one has opened the transactional id.
fn superseded(error: ClusterError) -> ControlError {
    match error {
        source @ ClusterError::Superseded { .. } => ControlError::Superseded { source },
        other => other.into(),
    }
}
