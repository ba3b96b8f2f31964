//! `Tables`: rows by key of one application. Steps put changes over the store, checkpoints make
//! them durable, the applier puts them into the store.
//!
//! It never decides what a row becomes. One thread drives steps and checkpoints; any number read.

mod apply;
mod checkpoint;
mod define;
mod expire;
mod feed;
mod open;
mod retention;
mod step;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use mainstem_disk::SharedDisk;
use mainstem_kernel::{ByteSize, Seq, StreamId, clock::SharedClock};
use mainstem_store::SharedStore;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;

pub use apply::Applier;
pub use checkpoint::{Committed, Sealed};
pub use expire::Expired;
pub use feed::Changes;
pub use open::{Opened, Start};
pub use step::{Room, Step};

use crate::{
    codec::RowHasher,
    errors::TableError,
    pointer::Pointer,
    redo::{AppId, RedoFolder},
};
use expire::DueHint;
use feed::FeedBuffer;
use retention::KeptFile;

/// What rows by key are opened with.
#[derive(Clone, Debug)]
pub struct TablesParts {
    /// All file access of redo files.
    pub disk: SharedDisk,
    /// Folder of this application's redo files; made if it is absent.
    pub folder: PathBuf,
    /// Where rows end up; applications may share it.
    pub store: SharedStore,
    /// Whose rows they are.
    pub app: AppId,
    /// Deadlines of those that wait.
    pub clock: SharedClock,
}

/// How much is held in memory, and kept for feeds.
#[derive(Clone, Debug)]
pub struct TablesConfig {
    /// Changes that the store does not have yet; beyond it steps wait for the applier.
    pub overlay_size_max: ByteSize,
    /// Longest time that committed changes wait for more before the store gets them.
    pub apply_interval: Duration,
    /// Changes of checkpoints that feeds find in memory.
    pub feed_size_max: ByteSize,
    /// Redo files that are kept for feeds after the store has them: how many.
    pub redo_files_max: usize,
    /// And how large together.
    pub redo_size_max: ByteSize,
}

/// Rows by key of one application.
pub struct Tables {
    store: SharedStore,
    redo: RedoFolder,
    config: TablesConfig,
    hasher: RowHasher,
    clock: SharedClock,
    pointer: RwLock<Arc<Pointer>>,
    inner: Mutex<Inner>,
    /// Told when the frontier moves, a checkpoint is committed or applied, or all is closed.
    moved: Condvar,
    frontier: watch::Sender<Seq>,
    /// The frontier, for those who follow changes.
    followed: watch::Sender<Seq>,
}

/// What changes beside the pointer. Held while the pointer is swapped.
#[derive(Debug, Default)]
struct Inner {
    /// The last checkpoint that was sealed, and its frontier.
    sealed: (u64, Seq),
    /// The last that was committed.
    committed: u64,
    /// Outgoing rows of checkpoints up to this one were appended.
    sent: u64,
    /// Frontier and note of checkpoints that the store does not have yet.
    notes: BTreeMap<u64, (Seq, Bytes)>,
    files: VecDeque<KeptFile>,
    feed: FeedBuffer,
    /// What is to be removed from the store once it has this checkpoint.
    forgotten: Vec<(u64, Forget)>,
    due: BTreeMap<StreamId, DueHint>,
    /// A checkpoint in doubt: nothing more is committed.
    poisoned: Option<u64>,
    is_closed: bool,
}

/// What is to be removed from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Forget {
    Table(StreamId),
    State(Vec<u8>),
}

impl Tables {
    /// Everything at the frontier. Readers may keep it for a while; it never changes.
    #[must_use]
    pub fn pointer(&self) -> Arc<Pointer> {
        Arc::clone(&self.pointer.read())
    }

    /// The frontier.
    #[must_use]
    pub fn frontier(&self) -> Seq {
        self.pointer.read().frontier()
    }

    /// The frontier as it moves.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Seq> {
        self.frontier.subscribe()
    }

    /// Waits until the frontier has reached `seq`; whether it has. For callers with a thread to
    /// spare.
    pub fn wait(&self, seq: Seq, patience: Duration) -> bool {
        self.wait_until(patience, |tables| tables.frontier() >= seq)
    }

    /// Waits until changes are below their limit; whether they are.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        self.wait_until(patience, |tables| tables.room() == Room::Ample)
    }

    /// Whether changes may go on.
    #[must_use]
    pub fn room(&self) -> Room {
        if self.overlay_size() >= self.config.overlay_size_max {
            Room::Full
        } else {
            Room::Ample
        }
    }

    /// Whether there are checkpoints that the store does not have yet.
    #[must_use]
    pub fn is_applying(&self) -> bool {
        let pointer = self.pointer.read();
        pointer.applied < pointer.checkpoint
    }

    /// Memory of changes that the store does not have yet.
    #[must_use]
    pub fn overlay_size(&self) -> ByteSize {
        ByteSize::from(self.pointer().bytes())
    }

    /// Ends what waits here; the applier's thread ends after what it is at.
    pub fn close(&self) {
        self.inner.lock().is_closed = true;
        self.moved.notify_all();
    }

    /// Waits for something to become true; whether it has.
    fn wait_until(&self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let deadline = self.clock.monotonic().saturating_add(patience);
        let mut inner = self.inner.lock();
        while !is_so(self) {
            let left = deadline.saturating_sub(self.clock.monotonic());
            if inner.is_closed || left.is_zero() {
                return false;
            }
            self.moved.wait_for(&mut inner, left);
        }
        true
    }

    /// Makes the next pointer out of this one, and swaps it in. `inner` is held meanwhile.
    fn swap(
        &self,
        change: impl FnOnce(&mut Pointer) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut next = Pointer::clone(&self.pointer.read());
        change(&mut next)?;
        *self.pointer.write() = Arc::new(next);
        Ok(())
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("app", self.redo.app())
            .field("frontier", &self.frontier())
            .finish_non_exhaustive()
    }
}
