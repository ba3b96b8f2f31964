//! What a view keeps, and what bounds it: the lines that EXPLAIN prints.

use std::fmt;

/// State of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNote {
    /// Which operator, in words.
    pub operator: String,
    /// What kind of state.
    pub kind: StateKind,
    /// What bounds it, in words.
    pub bound: String,
}

/// How state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// Columns per open window, dropped when the window can no longer change.
    Panes,
    /// One row per key in the store.
    Rows,
    /// A table's rows, in memory, shared by all views that look it up.
    Lookup,
}

impl StateKind {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panes => "panes",
            Self::Rows => "rows",
            Self::Lookup => "lookup table",
        }
    }
}

impl fmt::Display for StateNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operator,
            kind,
            bound,
        } = self;
        write!(f, "{operator}: {}, {bound}", kind.as_str())
    }
}
