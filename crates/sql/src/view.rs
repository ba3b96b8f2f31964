//! Streaming views: what a planned view is, and how the text of one becomes it.
//!
//! The planned view is the contract between this crate and whoever runs views (`ViewEngine`):
//! nothing but these types crosses it. Nothing here reads a row or keeps one.

mod asof;
mod bounds;
mod emission;
mod engine;
mod explain;
mod fingerprint;
mod identity;
pub(crate) mod lineage;
mod names;
mod node;
mod operators;
mod output;
mod overlap;
mod places;
mod plan;
mod refuse;
mod relation;
mod session;
mod shape;
mod state;
mod ties;
mod tumble;
mod windows;
mod with;

#[cfg(test)]
pub(crate) mod tests;

use mainstem_catalog::{Emit, Watermark};
use mainstem_kernel::{ColumnName, Columns, StreamId};

pub use crate::error::row_reason;
pub use engine::{Progress, ViewEngine, ViewStatus};
pub(crate) use names::{at_frontier, factor};
pub use node::{
    Call, Figure, Frame, Function, Near, Node, Order, Outer, PAIRS_MAX, Pairs, PairsKind, Rank,
    Running, Turns, buckets,
};
pub use operators::{Operator, OperatorKind};
pub use overlap::{Overlapping, Slice};
pub(crate) use plan::check_question;
pub use plan::{plan_again, plan_view};
pub(crate) use shape::column;
pub use state::{StateKind, StateNote};
pub(crate) use tumble::DAY_US;
pub use tumble::{TumbleError, Tumbling};
pub use windows::{WindowKind, Windows};

/// A view as it is run: its plan over its inputs, its rows, and what identifies one.
#[derive(Clone, Debug)]
pub struct PlannedView {
    /// What it reads, each object once.
    pub inputs: Vec<Input>,
    /// The operators, from the view's rows down to its inputs. Its columns are `columns`.
    pub plan: Node,
    /// Columns, those in `hidden` last. Ids are 0: the catalog gives them.
    pub columns: Columns,
    /// Columns that complete the key and were not selected: `_key1`, …; `SELECT *` leaves them
    /// out.
    pub hidden: Vec<ColumnName>,
    /// Which columns identify a row, in order. Empty if the view is a stream, and only then.
    /// Unlike the key of a table, that of a view may be NULL: NULLs are one group.
    pub key: Vec<usize>,
    /// When its rows come out.
    pub emit: Emit,
    /// The event time of its rows if it is a stream that has one: `delay` is how far a row may
    /// be behind the watermark of the view, which is the smallest of its inputs.
    pub watermark: Option<Watermark>,
    /// Equal for plans that compute the same; columns may have other names.
    pub fingerprint: String,
    /// What it keeps in memory and on disk, and what bounds it; for EXPLAIN.
    pub state: Vec<StateNote>,
    /// Which operator keeps each of `state`, by its place among `operators`.
    pub keepers: Vec<usize>,
    /// Views that it looks up: their rows are computed anew, out of the streams among `inputs`.
    pub looked_up: Vec<StreamId>,
    /// The same rows as a plain question: what VERIFY asks. A lookup reads the table's changes
    /// under the name `changes_name` gives.
    pub batch_sql: String,
}

/// What a view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The rows of a stream.
    Stream {
        /// The stream.
        id: StreamId,
        /// Its event time, if declared.
        watermark: Option<Watermark>,
    },
    /// A table: its changes if it stands in FROM, its rows if it is looked up.
    Table {
        /// The table.
        id: StreamId,
    },
    /// Another view: its rows if it is a stream, else its changes.
    View {
        /// The view.
        id: StreamId,
        /// When its rows come out.
        emit: Emit,
        /// As in `PlannedView`.
        watermark: Option<Watermark>,
    },
}

impl Input {
    /// Which object it is.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        match self {
            Self::Stream { id, .. } | Self::Table { id } | Self::View { id, .. } => *id,
        }
    }

    /// Whether its rows are only added, never taken back.
    #[must_use]
    pub fn is_append_only(&self) -> bool {
        match self {
            Self::Stream { .. } => true,
            Self::Table { .. } => false,
            Self::View { emit, .. } => emit.is_stream(),
        }
    }

    /// The event time of its rows.
    #[must_use]
    pub const fn watermark(&self) -> Option<&Watermark> {
        match self {
            Self::Stream { watermark, .. } | Self::View { watermark, .. } => watermark.as_ref(),
            Self::Table { .. } => None,
        }
    }
}

/// The name under which a plain question reads the changes of a table: its columns, `_deleted`,
/// `_seq`, `_partition` and `_offset`, a row per change. No declared object can have it.
#[must_use]
pub fn changes_name(table: &str) -> String {
    format!("{table} changes")
}
