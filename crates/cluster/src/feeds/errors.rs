//! Why changes cannot be told.

use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, StreamId, StreamName};

use crate::{ClusterError, lower::LowerError};

/// Why changes cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// As Kafka says.
    #[error(transparent)]
    Kafka(#[from] ClusterError),
    /// As lowering says.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// Dependency: passes once the topic is made.
    #[error("the topic of object {object} is not there yet")]
    Topic {
        /// A stream, a view or a table.
        object: StreamId,
    },
    /// Caller: ask for rows instead.
    #[error("changes of view \"{view}\" cannot be followed beyond one machine yet")]
    OpenWindows {
        /// The view.
        view: StreamName,
    },
    /// Node: a defect.
    #[error("changes of object {object} cannot be spelled")]
    Spelling {
        /// A stream, a view or a table.
        object: StreamId,
        /// What is wrong with them.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault for FeedError {
    fn answer(&self) -> Answer {
        match self {
            Self::Kafka(error) => error.answer(),
            Self::Lower(error) => error.answer(),
            Self::Topic { .. } => Answer {
                code: Code::Clus082,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::OpenWindows { .. } => Answer::caller(Code::Clus115),
            Self::Spelling { .. } => Answer::node(Code::Clus084),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Kafka(error) => error.hint(),
            Self::Lower(error) => error.hint(),
            Self::Topic { .. } => {
                Some("a node with the role control makes it: see whether one runs".to_owned())
            }
            Self::OpenWindows { .. } => {
                Some("ask for its rows: closed windows alone are among them".to_owned())
            }
            Self::Spelling { .. } => Some("bring all nodes to one version".to_owned()),
        }
    }
}
