//! Why rows of views and tables are not where they should be.

use mainstem_catalog::Label;
use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, StreamId};

use crate::{ClusterError, cassandra::CassandraError, lower::LowerError};

/// Why rows of views and tables are not where they should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// Dependency: Kafka.
    #[error("records of changes were not read")]
    Kafka(#[from] ClusterError),
    /// Dependency: Cassandra.
    #[error("rows of {label} were not reached")]
    Cassandra {
        /// The view or table.
        label: Label,
        /// What Cassandra said.
        #[source]
        source: CassandraError,
    },
    /// Operator: one version of the program on all nodes.
    #[error("rows of {label} are not followed")]
    Unplanned {
        /// The view.
        label: Label,
        /// Why.
        #[source]
        source: LowerError,
    },
    /// Operator: a row was set aside.
    #[error(
        "record {offset} of partition {partition} of topic \"{topic}\" is no row of {label}: {reason}"
    )]
    Misfit {
        /// The view or table.
        label: Label,
        /// Its topic.
        topic: String,
        /// The partition.
        partition: u16,
        /// Its offset.
        offset: u64,
        /// What was expected.
        reason: String,
    },
    /// Caller: in a moment.
    #[error("rows of {label} are not there yet")]
    NotYet {
        /// The view or table.
        label: Label,
    },
    /// Caller: take what the answer before gave.
    #[error("\"after\" is not of an answer of {label}")]
    After {
        /// The view or table.
        label: Label,
    },
    /// Caller: ask by SQL.
    #[error("a key of {length} bytes of {label} is too long to go on from")]
    AfterTooLong {
        /// The view or table.
        label: Label,
        /// Of what would have to be given back.
        length: usize,
    },
    /// Caller: the position is of another cluster, or older than a drop.
    #[error("the position has a place in object {id}, which is not there")]
    Unknown {
        /// The object.
        id: StreamId,
    },
    /// Dependency: the stream of dead letters was not reached; the rows come again.
    #[error("rows of {label} that cannot be kept did not get into its dead letters: {reason}")]
    Letters {
        /// The view.
        label: Label,
        /// What stood against it.
        reason: String,
    },
    /// Node: a defect.
    #[error("rows of {label} were not understood: {reason}")]
    Broken {
        /// The view or table.
        label: Label,
        /// What Arrow said.
        reason: String,
    },
}

impl RowsError {
    /// Whether the same may succeed later, without anybody changing anything.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(
            self,
            Self::Kafka(_)
                | Self::Cassandra {
                    source: CassandraError::Unreachable { .. }
                        | CassandraError::Unacknowledged { .. },
                    ..
                }
                | Self::NotYet { .. }
                | Self::Letters { .. }
        )
    }
}

impl Fault for RowsError {
    fn answer(&self) -> Answer {
        match self {
            Self::Kafka(error) => error.answer(),
            Self::Cassandra { source, .. } => source.answer(),
            Self::Unplanned { source, .. } => source.answer(),
            Self::Misfit { .. } => Answer {
                code: Code::Clus071,
                blame: Blame::Caller,
                retry: Retry::Never,
            },
            Self::Letters { .. } => Answer {
                code: Code::Clus071,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::NotYet { .. } => Answer {
                code: Code::Clus072,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::Unknown { .. } => Answer::caller(Code::Clus073),
            Self::After { .. } | Self::AfterTooLong { .. } => Answer::caller(Code::Sql048),
            Self::Broken { .. } => Answer {
                code: Code::Clus025,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Kafka(error) => error.hint(),
            Self::Cassandra { source, .. } => source.hint(),
            Self::Unplanned { source, .. } => source.hint(),
            Self::Misfit { .. } | Self::Letters { .. } => {
                Some("see the dead letters of the view; filter such rows out in it".to_owned())
            }
            Self::NotYet { .. } => {
                Some("ask again in a moment; mainstem status says who makes tables".to_owned())
            }
            Self::After { .. } => Some(
                "take \"next\" of the answer before, with the same key, or leave \"after\" out"
                    .to_owned(),
            ),
            Self::AfterTooLong { .. } => Some(
                "ask with POST /v1/sql: SELECT … WHERE key > … ORDER BY key LIMIT n".to_owned(),
            ),
            Self::Unknown { .. } => {
                Some("use the position that a write to this cluster has answered".to_owned())
            }
            Self::Broken { .. } => None,
        }
    }
}
