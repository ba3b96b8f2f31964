//! `ViewEngine`: whoever runs planned views. One machine's implementation is `flow`.
//!
//! A view is computed beside the one that it replaces, caught up, and swapped in at a frontier;
//! the older one is kept for a way back. When that is, definitions say.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use mainstem_kernel::{Problem, Seq, StreamId};

/// Runs the views of one application. It follows the definitions by itself: a view that is created
/// is built beside the one that it replaces, one that was swapped in is shown, one that is gone is
/// forgotten.
pub trait ViewEngine: Debug + Send + Sync {
    /// The views that were built and have caught up, all at one frontier. `Definitions::swappable`
    /// says which of them may be swapped in together.
    fn ready(&self) -> BTreeSet<StreamId>;

    /// How a view goes; `None` if it is not run here.
    fn status(&self, id: StreamId) -> Option<ViewStatus>;

    /// Why everything stands still, if it does.
    fn problem(&self) -> Option<Problem>;
}

/// How a view goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewStatus {
    /// Every change up to here is in it.
    pub frontier: Seq,
    /// What it is doing.
    pub progress: Progress,
    /// Rows that failed and are in its dead letters.
    pub letters: u64,
}

/// What a view is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It reads history.
    Building {
        /// Rows read.
        rows_done: u64,
        /// Rows to read, as far as is known.
        rows_total: u64,
        /// When it will have caught up, at the present pace.
        remaining: Option<Duration>,
    },
    /// It has caught up and is not shown yet, or no more.
    Ready,
    /// It is shown.
    Live,
    /// It stopped, for this reason.
    Paused(Problem),
}
