//! Why a write was not done; each error says who acts. Nothing of the write is anywhere then.

use std::sync::Arc;

use mainstem_kernel::{
    Answer, Blame, ByteSize, Code, Fault, Place, Retry, Seq, StreamId, StreamName,
};
use mainstem_log::AppendError;

use crate::errors::TableError;

/// How long a writer should wait when there are too many.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Why a write was not done. Nothing of it is anywhere, with the exception that `AppendError` names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// What the statement says: a constraint, a value, an expression.
    #[error("{0}")]
    Refused(Arc<dyn Fault + Send + Sync>),
    /// Caller: run the whole transaction again. SQLSTATE 40001.
    #[error("rows of table \"{table}\" changed since they were read")]
    Serialization {
        /// The table.
        table: StreamName,
    },
    /// Node: too many writes wait; send it again.
    #[error("{waiting} writes wait already")]
    Busy {
        /// `queue_max`.
        waiting: usize,
    },
    /// Node: steps are behind; send it again.
    #[error("steps have reached {frontier}, the write needs {needed}")]
    Behind {
        /// The frontier.
        frontier: Seq,
        /// Where it has to be.
        needed: Seq,
    },
    /// Caller: write in parts.
    #[error("the write has {size}, the limit is {limit}")]
    TooLarge {
        /// Of its rows.
        size: ByteSize,
        /// `batch_size_max`.
        limit: ByteSize,
    },
    /// Caller: give a narrower condition.
    #[error("the statement changes or returns more than {limit} rows")]
    TooManyRows {
        /// `statement_rows_max`.
        limit: usize,
    },
    /// Node: the compiled statement gave rows that its table does not allow; a defect.
    #[error("the effects of a statement on table {table} do not fit: {reason}")]
    Effects {
        /// The table.
        table: StreamId,
        /// What was expected.
        reason: String,
    },
    /// Node: it is shutting down, or the application is gone; send it again once it is back.
    #[error("writes are closed")]
    Closed,
    /// What the log says.
    #[error("could not append the effects")]
    Append(#[source] Arc<AppendError>),
    /// What the tables say.
    #[error("could not read the rows that the write depends on")]
    Table(#[from] TableError),
}

impl WriteError {
    /// The SQLSTATE of errors that have one of their own.
    #[must_use]
    pub const fn sqlstate(&self) -> Option<&'static str> {
        match self {
            Self::Serialization { .. } => Some("40001"),
            Self::Busy { .. } | Self::Behind { .. } => Some("53300"),
            Self::TooLarge { .. } | Self::TooManyRows { .. } => Some("54000"),
            Self::Closed => Some("57P01"),
            Self::Refused(_) | Self::Effects { .. } | Self::Append(_) | Self::Table(_) => None,
        }
    }
}

impl Fault for WriteError {
    fn answer(&self) -> Answer {
        match self {
            Self::Refused(fault) => fault.answer(),
            Self::Serialization { .. } => Answer {
                code: Code::Table020,
                blame: Blame::Caller,
                retry: Retry::Backoff,
            },
            Self::Busy { .. } => Answer::busy(Code::Table021, BUSY_WAIT),
            Self::Behind { .. } => Answer::busy(Code::Table022, BUSY_WAIT),
            Self::TooLarge { .. } => Answer::caller(Code::Table023),
            Self::TooManyRows { .. } => Answer::caller(Code::Table024),
            Self::Effects { .. } => Answer {
                code: Code::Table025,
                blame: Blame::Node,
                retry: Retry::Never,
            },
            Self::Closed => Answer::restart(Code::Table026),
            Self::Append(error) => error.answer(),
            Self::Table(error) => error.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(fault) => fault.detail(),
            Self::Append(error) => error.detail().or_else(|| Some(format!("{error}."))),
            Self::Table(error) => error.detail().or_else(|| Some(format!("{error}."))),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(fault) => return fault.hint(),
            Self::Append(error) => return error.hint(),
            Self::Table(error) => return error.hint(),
            Self::Serialization { .. } => "run the transaction again from its first read",
            Self::TooLarge { .. } => "write in parts",
            Self::TooManyRows { .. } => {
                "give a narrower condition, and repeat the statement until it changes nothing"
            }
            Self::Busy { .. } | Self::Behind { .. } | Self::Effects { .. } | Self::Closed => {
                return None;
            }
        };
        Some(hint.to_owned())
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Refused(fault) => fault.place(),
            _ => None,
        }
    }
}
