//! Why definitions could not be read or changed.

mod fold;

use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, Seq};
use mainstem_log::{AppendError, ReadError};

pub use fold::FoldError;

/// Why a definition could not be read or changed. After an error of `apply` nothing is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Caller: plan again.
    #[error("definitions changed since the plan was made")]
    Stale,
    /// Caller: the change set breaks a promise of the catalog.
    #[error("the change is refused")]
    Refused(#[from] FoldError),
    /// Operator: start the program that wrote it.
    #[error("definition at {seq} has format {format}, the newest known is {known}")]
    Newer {
        /// Place of the frame.
        seq: Seq,
        /// Its format.
        format: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// Operator: restore a backup.
    #[error("definition at {seq} does not read")]
    Damaged {
        /// Place of the frame.
        seq: Seq,
        /// What does not read.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the log says; stream 0 is never trimmed.
    #[error("could not read the definitions")]
    Read(#[from] ReadError),
    /// What the log says.
    #[error("could not append the change")]
    Append(#[from] AppendError),
    /// Node: a change could not be written as columns.
    #[error("could not encode the change")]
    Encode(#[from] arrow::error::ArrowError),
}

impl Fault for CatalogError {
    fn answer(&self) -> Answer {
        match self {
            Self::Stale => Answer::caller(Code::Cat001),
            Self::Refused(error) => error.answer(),
            Self::Newer { .. } => Answer::restart(Code::Cat002),
            Self::Damaged { .. } => Answer::restart(Code::Cat003),
            Self::Read(error) => error.answer(),
            Self::Append(error) => error.answer(),
            Self::Encode(_) => Answer {
                code: Code::Cat004,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(error) => Some(format!("{error}.")),
            Self::Read(error) => error.detail().or_else(|| Some(format!("{error}."))),
            Self::Append(error) => error.detail().or_else(|| Some(format!("{error}."))),
            Self::Damaged { .. } => Some("The node keeps its hands off the data.".to_owned()),
            Self::Stale | Self::Newer { .. } | Self::Encode(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Stale => Some("plan again and apply that plan".to_owned()),
            Self::Refused(error) => error.hint(),
            Self::Newer { .. } => Some("start the newer version of mainstem again".to_owned()),
            Self::Damaged { .. } => Some("restore a backup into an empty folder".to_owned()),
            Self::Read(error) => error.hint(),
            Self::Append(error) => error.hint(),
            Self::Encode(_) => None,
        }
    }
}
