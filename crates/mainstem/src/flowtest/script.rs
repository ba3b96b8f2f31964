//! `Script`: what a `.flow` file says.

use mainstem_kernel::{Code, Timestamp};

/// What a `.flow` file says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Script {
    /// Its cases, in order.
    pub(crate) cases: Vec<Case>,
}

/// One case; it knows nothing of the others.
#[derive(Debug, PartialEq)]
pub(crate) struct Case {
    /// Unique in its file.
    pub(crate) name: String,
    /// Time of its first step.
    pub(crate) start: Timestamp,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column of its first word, from 1.
    pub(crate) column: u32,
    /// Column of what comes after that.
    pub(crate) rest_column: u32,
    /// What.
    pub(crate) action: Action,
}

/// What happens.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// It is this time.
    At(Timestamp),
    /// Rows arrive.
    Send {
        /// Where.
        stream: String,
        /// So many of them are refused.
        rejecting: u64,
        /// As they are sent.
        rows: RowLines,
    },
    /// A statement that writes.
    Write {
        /// Without its semicolon.
        sql: String,
        /// It is refused, with this code.
        rejecting: Option<Code>,
    },
    /// Rows are compared.
    Expect {
        /// With what.
        asked: Asked,
        /// What they should be.
        rows: RowLines,
    },
    /// The node is killed and started again.
    Restart,
}

/// What an expectation asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of a view, table or stream.
    Object(String),
    /// A question.
    Question {
        /// Without its semicolon.
        sql: String,
        /// Whether it ends in ORDER BY.
        is_ordered: bool,
    },
}

/// Rows as the file has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RowLines {
    /// Lines of the file before the first row, or where it would be.
    pub(crate) before: usize,
    /// Each without blanks around it.
    pub(crate) lines: Vec<String>,
}
