//! What every public error knows about itself: a stable code, who is to blame, whether to
//! retry, and what a person should read.

mod code;

use std::{error::Error, fmt, time::Duration};

use serde::Serialize;

pub use code::Code;

/// Who has to act for the operation to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever asked: the request must change.
    Caller,
    /// Something this node depends on.
    Dependency,
    /// This node: its disk, its limits, its state.
    Node,
}

/// Whether the same operation can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not as it stands.
    Never,
    /// Yes, after a while that grows.
    Backoff,
    /// Yes, after this long.
    After(Duration),
    /// Only once the node has been restarted.
    AfterRestart,
}

/// What a machine needs to know of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Stable code, explained by `mainstem explain-error`.
    pub code: Code,
    /// Who has to act.
    pub blame: Blame,
    /// Whether to try again.
    pub retry: Retry,
}

impl Answer {
    /// The caller must change the request.
    #[must_use]
    pub const fn caller(code: Code) -> Self {
        Self {
            code,
            blame: Blame::Caller,
            retry: Retry::Never,
        }
    }

    /// This node cannot do it now; the same request may pass later.
    #[must_use]
    pub const fn node(code: Code) -> Self {
        Self {
            code,
            blame: Blame::Node,
            retry: Retry::Backoff,
        }
    }

    /// This node is full; the same request should pass after `wait`.
    #[must_use]
    pub const fn busy(code: Code, wait: Duration) -> Self {
        Self {
            code,
            blame: Blame::Node,
            retry: Retry::After(wait),
        }
    }

    /// This node cannot do it until it has been restarted.
    #[must_use]
    pub const fn restart(code: Code) -> Self {
        Self {
            code,
            blame: Blame::Node,
            retry: Retry::AfterRestart,
        }
    }
}

/// An error that can say what it means to a machine and to a person.
///
/// `answer` should be one exhaustive `match`, so that a new variant cannot forget it.
pub trait Fault: Error {
    /// Code, blame and retry.
    fn answer(&self) -> Answer;

    /// Full sentences on what happened, if the message does not say all.
    fn detail(&self) -> Option<String> {
        None
    }

    /// The next step for whoever reads it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Where in the user's text it is, if it is in a text.
    fn place(&self) -> Option<Place> {
        None
    }

    /// What a person is shown. Sources are left out: they belong in the operator's log.
    fn problem(&self) -> Problem {
        Problem {
            code: self.answer().code,
            message: self.to_string(),
            detail: self.detail(),
            hint: self.hint(),
            position: self.place(),
        }
    }
}

/// A place in a text that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// File as the user named it; empty for a statement that came without one.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_str() {
            "" => write!(f, "line {}, column {}", self.line, self.column),
            file => write!(f, "{file}:{}:{}", self.line, self.column),
        }
    }
}

/// An error as a person reads it, in PostgreSQL's three parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: Code,
    /// One line, lower case, no full stop, quotes around names.
    pub message: String,
    /// Full sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the user's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Place>,
}

impl fmt::Display for Problem {
    /// As the command line prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.position {
            write!(f, "\n  --> {place}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\ndetail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The chain of an error's sources as operators read it in the log: `a: b: c`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
