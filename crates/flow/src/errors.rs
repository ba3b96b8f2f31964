//! Why a view cannot be run, or a step does not end.

use datafusion::arrow::error::ArrowError;
use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, StreamId};

/// Why a view cannot be run, or a step does not end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// Caller: write the view in another way; nothing was begun.
    #[error("view {view} cannot be run here: {reason}")]
    Plan {
        /// The view.
        view: StreamId,
        /// What is not done.
        reason: String,
    },
    /// Node: a column is not what the plan says; a defect of ours, so the application is paused.
    #[error("an operator of a view failed")]
    Operator(#[from] ArrowError),
    /// Node: state in the store is damaged; deleting the store brings it back from the log.
    #[error("the state of view {view} is damaged")]
    State {
        /// The view.
        view: StreamId,
    },
}

impl Fault for FlowError {
    fn answer(&self) -> Answer {
        match self {
            Self::Plan { .. } => Answer::caller(Code::Flow001),
            Self::Operator(_) => Answer {
                code: Code::Flow002,
                blame: Blame::Node,
                retry: Retry::Never,
            },
            Self::State { .. } => Answer {
                code: Code::Flow003,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }
}
