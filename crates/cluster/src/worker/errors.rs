//! Why work stands still.

use mainstem_kernel::{Answer, Blame, ByteSize, Code, Fault, Retry, StreamId, StreamName};

use crate::{ClusterError, lower::LowerError};

/// Why work on a stream or a view stands still. It is tried again, from the last commit on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// As Kafka says.
    #[error(transparent)]
    Kafka(#[from] ClusterError),
    /// As lowering says.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// Dependency: passes once the topics are made.
    #[error("the topic of object {object} is not there yet")]
    Topic {
        /// A stream, a view or a table.
        object: StreamId,
    },
    /// Node: a defect, or definitions of another version of this program.
    #[error("work for object {object} cannot be done")]
    Plan {
        /// A stream or a view.
        object: StreamId,
        /// What is missing.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Operator: raise the limit.
    #[error("tables that view \"{view}\" looks up take {size}, which is more than {limit}")]
    LookupFull {
        /// The view.
        view: StreamName,
        /// What they take here.
        size: ByteSize,
        /// What they may.
        limit: ByteSize,
    },
    /// Operator: raise the limit, or shorten WITHIN.
    #[error("what stream \"{stream}\" was seen with takes {size}, which is more than {limit}")]
    SeenFull {
        /// The stream.
        stream: StreamName,
        /// What it takes here.
        size: ByteSize,
        /// What it may.
        limit: ByteSize,
    },
}

impl Fault for WorkerError {
    fn answer(&self) -> Answer {
        let full = Answer {
            code: Code::Clus083,
            blame: Blame::Node,
            retry: Retry::Backoff,
        };
        match self {
            Self::Kafka(error) => error.answer(),
            Self::Lower(error) => error.answer(),
            Self::Topic { .. } => Answer {
                code: Code::Clus082,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::Plan { .. } => Answer::node(Code::Clus084),
            Self::LookupFull { .. } | Self::SeenFull { .. } => full,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Kafka(error) => return error.hint(),
            Self::Lower(error) => return error.hint(),
            Self::Topic { .. } => {
                "a node with the role control makes it: see whether one runs".to_owned()
            }
            Self::Plan { .. } => "bring all nodes to one version".to_owned(),
            Self::LookupFull { .. } => "raise flow.lookup_size_max".to_owned(),
            Self::SeenFull { .. } => {
                "raise flow.lookup_size_max, add nodes with the role workers, or shorten WITHIN of \
                 DEDUPLICATE BY"
                    .to_owned()
            }
        })
    }
}
