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
    /// Operator: make the topic, or let us see it.
    #[error("topic \"{topic}\", which rows of stream \"{stream}\" come from, is not there")]
    ForeignMissing {
        /// The stream.
        stream: StreamName,
        /// The topic of others.
        topic: String,
    },
    /// Operator: whatever chooses partitions by key chooses others now. It is read on.
    #[error(
        "topic \"{topic}\", which rows of stream \"{stream}\" come from, has {now} partitions, {before} before"
    )]
    ForeignPartitions {
        /// The stream.
        stream: StreamName,
        /// The topic of others.
        topic: String,
        /// When it was looked first.
        before: usize,
        /// By now.
        now: usize,
    },
    /// Caller: name a topic that others write.
    #[error(
        "topic \"{topic}\", which rows of stream \"{stream}\" are to come from, is one of Mainstem's own"
    )]
    ForeignOwn {
        /// The stream.
        stream: StreamName,
        /// The topic.
        topic: String,
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

/// It is tried again by itself.
const fn dependency(code: Code) -> Answer {
    Answer {
        code,
        blame: Blame::Dependency,
        retry: Retry::Backoff,
    }
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
            Self::Topic { .. } => dependency(Code::Clus082),
            Self::Plan { .. } => Answer::node(Code::Clus084),
            Self::ForeignMissing { .. } => dependency(Code::Clus110),
            Self::ForeignPartitions { .. } => dependency(Code::Clus111),
            Self::ForeignOwn { .. } => Answer::caller(Code::Clus112),
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
            Self::ForeignMissing { topic, .. } => format!(
                "make topic \"{topic}\", or give this program the right to describe it; reading \
                 begins by itself then"
            ),
            Self::ForeignPartitions { .. } => {
                "nothing is lost; rows of one key that were written around that moment may come in \
                 another order"
                    .to_owned()
            }
            Self::ForeignOwn { .. } => {
                "a view reads a stream: CREATE MATERIALIZED VIEW; FROM TOPIC \
                 names a topic that others write"
                    .to_owned()
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
