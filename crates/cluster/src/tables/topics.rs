//! The topics of an application's writes: their names and what they have to be. Pure.

use std::time::Duration;

use mainstem_table::AppId;

use crate::kafka::{
    KafkaConfig,
    topic::{Cleanup, Wanted},
};

/// Partitions of answers: each door reads one of them.
pub(super) const ANSWER_PARTITIONS: u16 = 8;
/// Answers are read at once or never.
const ANSWERS_KEPT: Duration = Duration::from_secs(3_600);
/// Statements that nobody has decided for so long are long given up by their doors.
const WRITES_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Largest record.
const RECORD_BYTES_MAX: u64 = 16 << 20;

/// The topics of an application's writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AppTopics {
    /// Statements; also the name of the consumer group and of the transactional id.
    pub(super) writes: Wanted,
    pub(super) answers: Wanted,
    pub(super) requests: Wanted,
}

impl AppTopics {
    pub(super) fn of(config: &KafkaConfig, app: &AppId) -> Self {
        let tenant = match app.tenant {
            mainstem_kernel::TenantId::ONLY => String::new(),
            tenant => format!("tenant{tenant}-"),
        };
        let begin = format!("{}-{tenant}{}", config.topic_prefix, app.name);
        let wanted = |what: &str, partitions: u16, cleanup: Cleanup| Wanted {
            name: format!("{begin}-{what}"),
            partitions,
            replicas: config.replicas,
            in_sync_min: config.in_sync_min,
            cleanup,
            record_bytes_max: RECORD_BYTES_MAX,
            versions_kept: Duration::ZERO,
        };
        Self {
            writes: wanted("writes", 1, Cleanup::Delete(Some(WRITES_KEPT))),
            answers: wanted(
                "answers",
                ANSWER_PARTITIONS,
                Cleanup::Delete(Some(ANSWERS_KEPT)),
            ),
            requests: wanted("requests", 1, Cleanup::Compact),
        }
    }
}
