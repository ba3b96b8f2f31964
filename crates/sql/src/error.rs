//! Why a question has no answer, in words for whoever asked it.

mod translate;

use std::time::Duration;

use mainstem_catalog::Label;
use mainstem_kernel::{
    Answer, AppName, Blame, ByteSize, Code, Fault, Place, Problem, Reached, Retry, TenantId,
};
use mainstem_log::SharedFault;
use mainstem_table::WriteError;

pub use translate::row_reason;
pub(crate) use translate::{from_engine, from_parser};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Caller: change the text; code, place, detail and hint are the problem's.
    #[error("{}", .0.message)]
    Text(Box<Problem>),
    /// Caller: ask less, or give it more time.
    #[error("query was stopped after {limit:?}")]
    Timeout {
        /// Its limit.
        limit: Duration,
    },
    /// Caller: ask less at once.
    #[error("query needs more memory than the {limit} it may have")]
    Memory {
        /// Of one query.
        limit: ByteSize,
    },
    /// Caller: try again later; others hold what there is.
    #[error("queries under way fill the {limit} that all of them may have")]
    MemoryOfAll {
        /// Of all queries.
        limit: ByteSize,
    },
    /// Caller: try again when another query has ended.
    #[error("tenant {tenant} has {limit} queries under way, as many as it may have")]
    Busy {
        /// Who asks.
        tenant: TenantId,
        /// `queries_max`.
        limit: usize,
    },
    /// Caller: take a position that this node gave, or give it more time.
    #[error("position {position} was not reached within {limit:?}")]
    Position {
        /// What was waited for.
        position: Reached,
        /// How long.
        limit: Duration,
    },
    /// Caller: take a position that this installation gave.
    #[error("position {position} is of another installation")]
    Elsewhere {
        /// Of one machine where there are many, or the other way round.
        position: Reached,
    },
    /// What an engine beyond this machine said, in its own words.
    #[error("{0}")]
    Engine(SharedFault),
    /// Caller: guard the expression against the value that it met.
    #[error("{message}")]
    Row {
        /// What the expression met.
        message: String,
    },
    /// Caller: ask again when it is there; nothing was missed.
    #[error("{object} is being built")]
    NotReady {
        /// A view, or a table that was created just now.
        object: Label,
    },
    /// Node: its tables and views answer once it runs.
    #[error("application \"{app}\" does not run")]
    NotRunning {
        /// Whose tables or views were asked for.
        app: AppName,
    },
    /// What the tables say of a write; nothing of it was done.
    #[error("{0}")]
    Write(Box<WriteError>),
    /// Node: look into the log for the cause.
    #[error("rows could not be read")]
    Unreadable {
        /// What the log or the disk said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Node: a defect; everything else goes on.
    #[error("query broke the SQL engine")]
    Broken {
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl QueryError {
    /// A mistake in the text.
    pub(crate) fn text(problem: Problem) -> Self {
        Self::Text(Box::new(problem))
    }

    /// Whether it may pass if it is tried again at once, on what others have written meanwhile.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Write(error) if matches!(**error, WriteError::Serialization { .. }))
    }

    /// Whether a statement has refused what it was asked to write: nothing of it is anywhere.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Write(error) if matches!(**error, WriteError::Refused(_)))
    }

    /// A defect that has only words.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self::Broken {
            source: message.into().into(),
        }
    }
}

impl From<WriteError> for QueryError {
    fn from(error: WriteError) -> Self {
        Self::Write(Box::new(error))
    }
}

impl From<Problem> for QueryError {
    fn from(problem: Problem) -> Self {
        Self::text(problem)
    }
}

/// How long a tenant waits for a turn before it asks again.
const TURN: Duration = Duration::from_secs(1);

impl Fault for QueryError {
    fn answer(&self) -> Answer {
        match self {
            Self::Text(problem) => Answer::caller(problem.code),
            Self::Timeout { .. } => Answer::caller(Code::Sql030),
            Self::Memory { .. } => Answer::caller(Code::Sql031),
            Self::MemoryOfAll { .. } => Answer::busy(Code::Sql031, TURN),
            Self::Busy { .. } => Answer::busy(Code::Sql032, TURN),
            Self::Position { .. } => Answer {
                code: Code::Sql033,
                blame: Blame::Caller,
                retry: Retry::Backoff,
            },
            Self::Elsewhere { .. } => Answer::caller(Code::Clus041),
            Self::Engine(fault) => fault.answer(),
            Self::Row { .. } => Answer::caller(Code::Sql026),
            Self::NotReady { .. } | Self::NotRunning { .. } => Answer::busy(Code::Sql036, TURN),
            Self::Write(error) => error.answer(),
            Self::Unreadable { .. } => Answer::node(Code::Sql034),
            Self::Broken { .. } => Answer {
                code: Code::Sql035,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Text(problem) => problem.detail.clone(),
            Self::Unreadable { .. } | Self::Broken { .. } => {
                Some("The node's log says more.".to_owned())
            }
            Self::Write(error) => error.detail(),
            Self::Engine(fault) => fault.detail(),
            Self::NotReady { .. } => Some("Its rows are not whole yet.".to_owned()),
            Self::NotRunning { .. }
            | Self::Timeout { .. }
            | Self::Memory { .. }
            | Self::MemoryOfAll { .. }
            | Self::Busy { .. }
            | Self::Position { .. }
            | Self::Elsewhere { .. }
            | Self::Row { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Text(problem) => return problem.hint.clone(),
            Self::Write(error) => return error.hint(),
            Self::Engine(fault) => return fault.hint(),
            Self::NotReady { .. } => "ask again; SHOW VIEWS says when it is live",
            Self::NotRunning { .. } => "ask again; `mainstem status` says why it does not run",
            Self::Timeout { .. } => "filter by _seq or by a column, or group by fewer keys",
            Self::Memory { .. } => "filter before joining, add LIMIT to ORDER BY, group by less",
            Self::MemoryOfAll { .. } | Self::Busy { .. } => "try again when others have ended",
            Self::Position { .. } => "take the position of an acknowledgement of this node",
            Self::Elsewhere { .. } => {
                "take the position of an acknowledgement or answer of this installation"
            }
            Self::Row { .. } => "guard it: nullif(x, 0) against zero, TRY_CAST against odd text",
            Self::Unreadable { .. } => "`mainstem status` names tables that are damaged",
            Self::Broken { .. } => "please report the query and the stream's declaration",
        };
        Some(hint.to_owned())
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Text(problem) => problem.position.clone(),
            Self::Write(error) => error.place(),
            Self::Engine(fault) => fault.place(),
            _ => None,
        }
    }
}
