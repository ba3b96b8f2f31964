//! `ViewEngine`: whoever runs planned views. One machine's implementation is `flow`.
//!
//! A view is computed beside the one that it replaces, caught up, and swapped in at a frontier;
//! the older one is kept for a way back. Nothing here decides when: `app` does.

use std::{fmt::Debug, sync::Arc, time::Duration};

use mainstem_catalog::ViewDef;
use mainstem_kernel::{Answer, Code, Fault, Problem, Seq, StreamId};

use super::PlannedView;

/// A `ViewEngine` as it is shared.
pub type SharedViewEngine = Arc<dyn ViewEngine>;

/// Runs planned views. Calls return at once; `status` says how far the work is. Every call may
/// be repeated: what is already so stays so.
pub trait ViewEngine: Debug + Send + Sync {
    /// Begins to compute a view from history, under its own budget, without showing it.
    ///
    /// # Errors
    /// When it cannot be run here; nothing is begun.
    fn add(&self, def: Arc<ViewDef>, plan: Arc<PlannedView>) -> Result<(), ViewError>;

    /// Shows a view instead of the one that has its name, at the frontier that is answered, which
    /// both have reached. The other one goes on so that it can be swapped back.
    ///
    /// # Errors
    /// `NotCaughtUp` when the view is still behind; `Unknown`.
    fn swap(&self, id: StreamId) -> Result<Seq, ViewError>;

    /// Stops a view and deletes what it kept. Its emitted rows stay in the log.
    ///
    /// # Errors
    /// When its state could not be deleted; it is stopped all the same.
    fn remove(&self, id: StreamId) -> Result<(), ViewError>;

    /// How it goes.
    fn status(&self, id: StreamId) -> Option<ViewStatus>;
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

/// Why a view is not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// Caller: name a view that was added.
    #[error("view {id} is not run here")]
    Unknown {
        /// Which.
        id: StreamId,
    },
    /// Caller: wait until it has caught up.
    #[error("view {id} has not caught up yet")]
    NotCaughtUp {
        /// Which.
        id: StreamId,
    },
    /// Node: look into the log for the cause.
    #[error("view {id} could not be run")]
    Engine {
        /// Which.
        id: StreamId,
        /// What the engine said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault for ViewError {
    fn answer(&self) -> Answer {
        match self {
            Self::Unknown { .. } => Answer::caller(Code::View011),
            Self::NotCaughtUp { .. } => Answer::busy(Code::View012, Duration::from_secs(1)),
            Self::Engine { .. } => Answer::node(Code::View013),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown { .. } => "`mainstem status` lists the views that run",
            Self::NotCaughtUp { .. } => "`mainstem status` shows its progress",
            Self::Engine { .. } => "the node's log says more",
        };
        Some(hint.to_owned())
    }
}
