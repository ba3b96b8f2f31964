//! Why a write was not done, or is not known to be; each error says who acts.

use std::time::Duration;

use mainstem_kernel::{Answer, AppName, Blame, ByteSize, Code, Fault, Place, Problem, Retry, Seq};
use mainstem_sql::QueryError;
use mainstem_table::{TableError, WriteError};

use crate::ClusterError;

/// Why a write was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// Caller: send it again under its Idempotency-Key; it may have been written.
    #[error("writes of application \"{app}\" were not answered within {} s", .limit.as_secs())]
    Unanswered {
        /// Whose tables.
        app: AppName,
        /// How long the door waited.
        limit: Duration,
    },
    /// Caller: send it again; nothing was written.
    #[error(
        "the owner of the tables came to the write {late:?} after its door had stopped waiting"
    )]
    TooLate {
        /// How late.
        late: Duration,
    },
    /// Caller: take another key; nothing was written.
    #[error("the Idempotency-Key was used for another statement")]
    OtherText,
    /// Node: send it again; nothing was written.
    #[error("the owner of the tables knows definitions up to {known}, the write needs {needed}")]
    Undefined {
        /// Its definitions.
        known: Seq,
        /// Those of the door.
        needed: Seq,
    },
    /// Node: a record that is none of ours.
    #[error("record {offset} of topic \"{topic}\" is not read: {reason}")]
    Record {
        /// The topic.
        topic: String,
        /// Its offset.
        offset: u64,
        /// What was expected.
        reason: String,
    },
    /// Operator: rows have to go, or the application to be divided.
    #[error("tables of application \"{app}\" have {size}, the limit is {limit}")]
    Full {
        /// Whose tables.
        app: AppName,
        /// Of all its rows.
        size: ByteSize,
        /// `rows_size_max`.
        limit: ByteSize,
    },
    /// What Kafka says.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What the rows say.
    #[error(transparent)]
    Table(#[from] TableError),
    /// What was decided does not fit the rows; a defect.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The SQL engine could not be made; a defect.
    #[error(transparent)]
    Compiler(QueryError),
}

/// How long a writer waits before it tries again.
const WAIT: Duration = Duration::from_secs(1);

impl Fault for TablesError {
    fn answer(&self) -> Answer {
        match self {
            Self::Unanswered { .. } => Answer {
                code: Code::Clus090,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::TooLate { .. } => Answer::busy(Code::Clus092, WAIT),
            Self::OtherText => Answer::caller(Code::Clus093),
            Self::Undefined { .. } => Answer::busy(Code::Clus094, WAIT),
            Self::Record { .. } => Answer {
                code: Code::Clus095,
                blame: Blame::Dependency,
                retry: Retry::Never,
            },
            Self::Full { .. } => Answer::node(Code::Clus096),
            Self::Cluster(error) => error.answer(),
            Self::Table(error) => error.answer(),
            Self::Write(error) => error.answer(),
            Self::Compiler(error) => error.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        let detail = match self {
            Self::Unanswered { .. } => "It may have been written, or be written still.",
            Self::TooLate { .. } | Self::OtherText | Self::Undefined { .. } | Self::Full { .. } => {
                "Nothing was written."
            }
            Self::Record { .. } => return None,
            Self::Cluster(error) => return error.detail(),
            Self::Table(error) => return error.detail(),
            Self::Write(error) => return error.detail(),
            Self::Compiler(error) => return error.detail(),
        };
        Some(detail.to_owned())
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unanswered { .. } => {
                "send it again under the same Idempotency-Key; see whether a node with the role \
                 \"workers\" runs"
            }
            Self::TooLate { .. } | Self::Undefined { .. } => "send it again",
            Self::OtherText => "take a new key for each statement",
            Self::Record { .. } => {
                "let nobody else write to this topic, and bring all nodes to \
                                    one version"
            }
            Self::Full { .. } => "let rows go, or move some tables into another application",
            Self::Cluster(error) => return error.hint(),
            Self::Table(error) => return error.hint(),
            Self::Write(error) => return error.hint(),
            Self::Compiler(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// An error as its owner has told it in an answer: it reads as if it had been raised here.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problem.message)]
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) problem: Problem,
}

impl Fault for Told {
    fn answer(&self) -> Answer {
        self.answer
    }

    fn detail(&self) -> Option<String> {
        self.problem.detail.clone()
    }

    fn hint(&self) -> Option<String> {
        self.problem.hint.clone()
    }

    fn place(&self) -> Option<Place> {
        self.problem.position.clone()
    }
}
