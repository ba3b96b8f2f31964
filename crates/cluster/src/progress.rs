//! How far everything is that Spark computes, as whoever is in control has published it: doors
//! know by it whether an answer covers what they acknowledged.
//!
//! It never asks Spark: that is `control`. It says what was so a moment ago, never more than was.
//!
//! # Format
//!
//! Records of the topic `PREFIX-progress`, one partition, compacted, written in transactions of
//! `PREFIX-leader`:
//!
//! | key | value |
//! |---|---|
//! | `leader` | `Leader` as JSON |
//! | `view-ID`, `history-ID` | `QueryProgress` as JSON; nothing once the query is forgotten |
//!
//! Each value has a `format`; a newer one is refused by name. Fields may be added within a format
//! only if an older program may ignore them.
//!
//! # Invariants
//!
//! * `reached` and `changes` of a query belong together: every row of the topic of its changes that
//!   comes of input below `reached` is below `changes`. Both only grow within a generation.
//! * What was published by a holder of `PREFIX-leader` that another one has fenced is not committed.

mod format;
#[cfg(feature = "engines")]
mod view;

use std::{collections::BTreeMap, fmt, str::FromStr};

use mainstem_kernel::{Offsets, Problem, Seq, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

pub use format::{Entry, FORMAT, FormatError};
#[cfg(feature = "engines")]
pub(crate) use view::read_once;
#[cfg(feature = "engines")]
pub use view::{Heard, ProgressView};

/// A query that Spark runs for us, and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// A version of a view.
    View(StreamId),
    /// The history of a stream.
    History(StreamId),
}

impl Query {
    /// The version of a view, or the stream.
    #[must_use]
    pub const fn id(self) -> StreamId {
        match self {
            Self::View(id) | Self::History(id) => id,
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View(id) => write!(f, "view-{id}"),
            Self::History(id) => write!(f, "history-{id}"),
        }
    }
}

/// A text that names no query of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected view-ID or history-ID, found \"{text}\"")]
pub struct QueryError {
    text: String,
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let unknown = || QueryError {
            text: text.to_owned(),
        };
        let (kind, id) = text.split_once('-').ok_or_else(unknown)?;
        let is_plain = id.bytes().all(|byte| byte.is_ascii_digit());
        let id = id.parse().ok().filter(|_| is_plain).map(StreamId);
        match (kind, id) {
            ("view", Some(id)) => Ok(Self::View(id)),
            ("history", Some(id)) => Ok(Self::History(id)),
            _ => Err(unknown()),
        }
    }
}

/// What a query does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It was started and has not told of a batch yet.
    #[default]
    Starting,
    /// It takes batches.
    Running,
    /// It has failed and is started again after a while.
    Failed,
    /// It is not to run: another version took its place, or it was dropped.
    Stopped,
}

/// How far a query is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryProgress {
    /// When Spark was asked.
    pub at: Timestamp,
    /// What it does.
    pub doing: Doing,
    /// How often it was begun from the first row, from 1: rows of a greater one are newer.
    pub generation: u16,
    /// What Spark has committed, in places of the topic that the query reads: those of a stream,
    /// or those under the view's own id if a worker makes its input.
    #[serde(with = "format::offsets")]
    pub input: Offsets,
    /// Where that topic ended then.
    #[serde(with = "format::offsets")]
    pub ends: Offsets,
    /// The places of the stream that its rows stand for: what a door has acknowledged below them
    /// is in the topic of changes below `changes`.
    #[serde(with = "format::offsets")]
    pub reached: Offsets,
    /// Where the topic of its changes ended after `reached` was committed; under the view's id.
    #[serde(with = "format::offsets")]
    pub changes: Offsets,
    /// No window that ends before it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Timestamp>,
    /// The last batch that Spark has committed.
    pub batch: u64,
    /// Rows that come in per second.
    pub rows_in_per_second: u64,
    /// Rows per second that it takes while it computes.
    pub rows_taken_per_second: u64,
    /// Rows that Spark keeps as state.
    pub state_rows: u64,
    /// How often it was started again after a failure since it ran well.
    pub failures: u32,
    /// Rows of generations before this one are gone from where doors find them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub swept: u16,
    /// Days of history before this one are gone, in days since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<i64>,
    /// Why it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Standing>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

impl QueryProgress {
    /// Rows that wait for it.
    #[must_use]
    pub fn lag_rows(&self) -> u64 {
        let behind = self.ends.iter().map(|(stream, partition, end)| {
            let next = self.input.next(stream, partition);
            end.0.saturating_sub(next.0)
        });
        behind.fold(0, u64::saturating_add)
    }
}

/// Who is in control, and what was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// When this was written: a leader that lives writes it every few seconds at least.
    pub at: Timestamp,
    /// Which node it is.
    pub node: String,
    /// From 1, by one each time.
    pub round: u64,
    /// Of everything that was declared up to here, topics and tables are there.
    pub definitions: Seq,
    /// Changes of views and tables that are not with a quorum yet.
    #[serde(default)]
    pub kept_lag_rows: u64,
    /// What stands against what it has to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Standing>,
}

/// Everything that is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Nobody has been in control yet if there is none.
    pub leader: Option<Leader>,
    /// All queries that are not forgotten.
    pub queries: BTreeMap<Query, QueryProgress>,
}

impl Progress {
    /// How far a version of a view is.
    #[must_use]
    pub fn view(&self, id: StreamId) -> Option<&QueryProgress> {
        self.queries.get(&Query::View(id))
    }

    /// How far the history of a stream is.
    #[must_use]
    pub fn history(&self, id: StreamId) -> Option<&QueryProgress> {
        self.queries.get(&Query::History(id))
    }

    /// Takes what was published on.
    pub fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Leader(leader) => self.leader = Some(leader),
            Entry::Query(query, progress) => {
                self.queries.insert(query, progress);
            }
            Entry::Forgotten(query) => {
                self.queries.remove(&query);
            }
        }
    }
}

/// What stands against something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its code, such as `CLUS-060`.
    pub code: String,
    /// One line.
    pub message: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<Problem> for Standing {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.as_str().to_owned(),
            message: problem.message,
            hint: problem.hint,
        }
    }
}

#[cfg(test)]
mod tests;
