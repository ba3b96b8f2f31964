//! What is asked for and not there.

use mainstem_kernel::{Answer, Blame, Code, Fault, Retry};

/// Why rows cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskingError {
    /// Caller: use a column that rows have beyond one machine.
    #[error("column \"{column}\" is a place in the log of one machine")]
    Place {
        /// The column.
        column: String,
    },
    /// Operator: the topic has forgotten rows before they were in history.
    #[error(
        "topic \"{topic}\" begins at offset {begins} of partition {partition}, history ends at {kept}"
    )]
    Gap {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset that it has.
        begins: u64,
        /// The offset behind the last one in history.
        kept: u64,
    },
}

impl Fault for AskingError {
    fn answer(&self) -> Answer {
        match self {
            Self::Place { .. } => Answer::caller(Code::Clus101),
            Self::Gap { .. } => Answer {
                code: Code::Clus102,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Place { .. } => {
                "take the stream's column of time, or _partition and _offset".to_owned()
            }
            Self::Gap { topic, .. } => format!(
                "see with `mainstem status` why history stands still, and raise retention.ms of \
                 topic \"{topic}\" until it has caught up"
            ),
        })
    }
}
