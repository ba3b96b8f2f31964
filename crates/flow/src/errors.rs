//! Why a view cannot be run, or an application's steps do not go on.

use datafusion::arrow::error::ArrowError;
use mainstem_history::HistoryError;
use mainstem_kernel::{
    Answer, Blame, ByteSize, Code, Fault, Problem, Retry, Seq, StreamId, StreamName,
};
use mainstem_log::{AppendError, ReadError};
use mainstem_table::TableError;

/// Why a view cannot be run, or an application's steps do not go on.
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
    /// Caller: apply the application again, so that the view is built anew.
    #[error("view \"{view}\" is planned differently by this version of the program")]
    Planned {
        /// The view.
        view: StreamName,
        /// What the planner says, if it refuses it.
        problems: Vec<Problem>,
    },
    /// Operator: rows are missing between history and log; restore both from one backup.
    #[error(
        "rows of stream \"{stream}\" from {after} to {trimmed} are neither in history nor in the log"
    )]
    Missing {
        /// The stream.
        stream: StreamName,
        /// What is read begins behind it.
        after: Seq,
        /// The log begins behind it.
        trimmed: Seq,
    },
    /// Node: a step panicked; a defect of ours. The application stands still until a restart.
    #[error("a step panicked: {words}")]
    Panicked {
        /// Its last words.
        words: String,
    },
    /// Operator: the note of the last checkpoint is of another program; start the newer one.
    #[error("the note of the last checkpoint does not read")]
    Note,
    /// Operator: raise the limit and start again, or let the table have fewer rows; it then goes on
    /// where it stopped.
    #[error(
        "table \"{table}\" does not fit into memory for lookups: they take {size}, {limit} is the limit"
    )]
    LookupFull {
        /// The largest table that is looked up, or the one that was being read.
        table: StreamName,
        /// What lookups of the application take.
        size: ByteSize,
        /// What they may take.
        limit: ByteSize,
    },
    /// What the log says.
    #[error("could not read the log")]
    Read(#[from] ReadError),
    /// What history says.
    #[error("could not read history")]
    History(#[from] HistoryError),
    /// What rows by key say.
    #[error("could not keep rows by key")]
    Table(#[from] TableError),
    /// What the log says.
    #[error("could not append rows of views")]
    Append(#[from] AppendError),
}

impl Fault for FlowError {
    fn answer(&self) -> Answer {
        let never = |code: Code| Answer {
            code,
            blame: Blame::Node,
            retry: Retry::Never,
        };
        match self {
            Self::Plan { .. } => Answer::caller(Code::Flow001),
            Self::Operator(_) => never(Code::Flow002),
            Self::State { .. } => never(Code::Flow003),
            Self::Planned { .. } => Answer::caller(Code::Flow004),
            Self::Missing { .. } => never(Code::Flow005),
            Self::Panicked { .. } => Answer::restart(Code::Flow006),
            Self::Note => Answer::restart(Code::Flow007),
            Self::LookupFull { .. } => Answer::restart(Code::Flow008),
            Self::Read(error) => error.answer(),
            Self::History(error) => error.answer(),
            Self::Table(error) => error.answer(),
            Self::Append(error) => error.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Planned { problems, .. } => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                (!problems.is_empty()).then(|| problems.join("\n"))
            }
            Self::LookupFull { .. } => Some(
                "A table that views look up is in memory as a whole. Events and writes are accepted, \
                 and nothing is lost."
                    .to_owned(),
            ),
            Self::Read(error) => error.detail(),
            Self::History(error) => error.detail(),
            Self::Table(error) => error.detail(),
            Self::Append(error) => error.detail(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Planned { .. } => Some("apply the application again".to_owned()),
            Self::Missing { .. } => Some("restore journal and history from one backup".to_owned()),
            Self::Panicked { .. } => {
                Some("restart the node; if it happens again, report it with the log".to_owned())
            }
            Self::State { .. } | Self::Note => Some(
                "delete the folders of store and redo files: rows are then rebuilt from history"
                    .to_owned(),
            ),
            Self::LookupFull { .. } => Some(
                "raise lookup_size_max under [flow], or memory, and start the server again; a ttl \
                 bounds the table"
                    .to_owned(),
            ),
            Self::Read(error) => error.hint(),
            Self::History(error) => error.hint(),
            Self::Table(error) => error.hint(),
            Self::Append(error) => error.hint(),
            Self::Plan { .. } | Self::Operator(_) => None,
        }
    }
}
