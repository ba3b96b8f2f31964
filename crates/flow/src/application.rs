//! `Application`: the tables and views of one application as they go on with the log.
//!
//! # Invariants
//!
//! * Everything up to the frontier F of `Tables` is in every table and every live view, and nothing
//!   behind it: so totals add up at every F.
//! * Rows, state and outgoing rows are functions of the log. They do not depend on how it was cut
//!   into steps, on the number of threads, or on when checkpoints were taken.
//! * Rows leave only from a committed checkpoint, numbered, so that the log recognises them when
//!   they are sent again.
//! * A view is swapped in only by its definition; a view that is being built is beside the live one.
//! * A step that fails or panics pauses this application, by name, and no other: its readers stay
//!   at the last F.
//!
//! # Write path
//!
//! One thread runs [`Steps`]. A step takes what the log has up to one seq, at most
//! `step_size_max`: changes of tables become `Changed`, rows that have outlived their time go,
//! live views run in the order in which they read each other, a lookup sees a table as of the
//! row's own seq; then `Tables::advance` moves F. When views are built, slices of history are read
//! between steps. A checkpoint follows at once (20 ms apart) if rows have to leave, else after a
//! second: `seal` between two steps; `commit`, append what is outgoing and `sent` beside them, in a
//! thread of its own.
//!
//! # Read path
//!
//! Readers hold a `Pointer` of [`Application::tables`]; they never meet this thread.
//!
//! # Building
//!
//! A new view has a track of its own: it reads the streams below it from their first row (through
//! history, then the log) with tables as they were then. If it reads a view that is a stream, that
//! one is computed along privately. Where the track reaches F, the view goes on in the live
//! track. A view of a table's or keyed view's changes begins with the rows that are there. A view
//! that was replaced and is brought back has its track begin where it stopped, if it reads a stream.
//!
//! # Recovery
//!
//! `Tables::open` gives rows and state of the last checkpoint, whose note says how far each view
//! was. Outgoing rows are sent again, lookup tables are read again, and steps go on behind F;
//! nothing is recomputed. Without a checkpoint everything is computed from the first row.

mod build;
mod checkpoint;
mod commit;
mod committer;
mod follow;
mod live;
mod lookups;
mod open;
mod place;
mod rest;
mod status;
mod steps;

use std::{any::Any, collections::BTreeSet, fmt, sync::Arc, time::Duration};

use mainstem_catalog::Catalog;
use mainstem_history::History;
use mainstem_kernel::{
    ByteSize, Fault, Problem, StreamId, clock::SharedClock, fault::chain, spawn::SharedSpawn,
};
use mainstem_log::SharedLog;
use mainstem_sql::view::{ViewEngine, ViewStatus};
use mainstem_table::{AppId, Start, Tables};
use parking_lot::{Condvar, Mutex};

use crate::errors::FlowError;

pub use open::schemas;
use status::Status;
pub use status::{Health, ViewHealth};
pub use steps::Steps;

/// What an application is opened with.
#[derive(Debug)]
pub struct ApplicationParts {
    /// Which one.
    pub app: AppId,
    /// What is defined.
    pub catalog: Arc<Catalog>,
    /// Rows of streams and changes of tables.
    pub log: SharedLog,
    /// The same, where the log no longer has them.
    pub history: Arc<History>,
    /// Rows by key.
    pub tables: Arc<Tables>,
    /// Where `tables` go on.
    pub start: Start,
    /// Pace of checkpoints.
    pub clock: SharedClock,
    /// Threads that steps share their work among.
    pub spawn: SharedSpawn,
}

/// How much an application does at once, and holds in memory.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Threads of a step, the driving one included.
    pub threads: usize,
    /// Rows that a step takes at most, in bytes of memory.
    pub step_size_max: ByteSize,
    /// State of all views in memory beyond which panes that were not used for long are let go.
    pub state_size_max: ByteSize,
    /// Rows of tables in memory to be looked up: beyond it the application stands still, by name.
    pub lookup_size_max: ByteSize,
    /// Longest time between a change and its checkpoint.
    pub checkpoint_interval: Duration,
    /// Shortest time between two checkpoints when rows have to leave.
    pub outgoing_interval: Duration,
}

/// The tables and views of one application as they go on with the log.
pub struct Application {
    app: AppId,
    tables: Arc<Tables>,
    status: Mutex<Status>,
    signal: Mutex<Signal>,
    signalled: Condvar,
    closing: tokio::sync::watch::Sender<bool>,
}

/// What the thread of steps waits for.
#[derive(Debug, Default)]
struct Signal {
    has_moved: bool,
    is_closing: bool,
}

impl Application {
    /// Whose tables and views they are.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// Rows by key of tables and keyed views, and the frontier.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.status.lock().health(&self.tables)
    }

    /// Looks at the log and the definitions again, if it waits.
    pub fn wake(&self) {
        self.signal.lock().has_moved = true;
        self.signalled.notify_all();
    }

    /// Ends after what it is at, with a checkpoint.
    pub fn close(&self) {
        self.signal.lock().is_closing = true;
        self.signalled.notify_all();
        self.closing.send_replace(true);
    }

    /// Stands still from now on, by name: a thread of it has panicked. The others go on.
    pub fn pause(&self, panic: &(dyn Any + Send)) {
        let words = steps::words(panic);
        let error = FlowError::Panicked { words };
        let (app, words) = (&self.app.name, chain(&error));
        tracing::error!(%app, error = words, "an application stands still");
        let mut status = self.status.lock();
        status.problem.get_or_insert_with(|| error.problem());
    }

    fn is_paused(&self) -> bool {
        self.status.lock().problem.is_some()
    }

    fn is_closing(&self) -> bool {
        self.signal.lock().is_closing
    }

    /// Waits until there may be something to do, at most so long.
    fn wait(&self, patience: Duration) {
        let mut signal = self.signal.lock();
        if !signal.has_moved && !signal.is_closing {
            self.signalled.wait_for(&mut signal, patience);
        }
        signal.has_moved = false;
    }
}

impl ViewEngine for Application {
    fn ready(&self) -> BTreeSet<StreamId> {
        self.status.lock().ready.clone()
    }

    fn status(&self, id: StreamId) -> Option<ViewStatus> {
        self.status.lock().view(id, self.tables.frontier())
    }

    fn problem(&self) -> Option<Problem> {
        self.status.lock().problem.clone()
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}
