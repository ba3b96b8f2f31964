//! A log that panics, fails or takes no rows when it is told to, as a defect or a disk below would.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, ReadError, ReadFrom, SharedLog};
use tokio::sync::watch;

/// What a log is told to do beside its work.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// Whether reading panics.
    pub(crate) is_armed: AtomicBool,
    /// Whether it has no room.
    pub(crate) is_full: AtomicBool,
    /// Reads and appends so far.
    pub(crate) calls: AtomicU64,
    /// Which of them fails, counted from 1; 0 for none.
    pub(crate) failing: AtomicU64,
}

impl Switches {
    fn is_failing(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        call == self.failing.load(Ordering::SeqCst)
    }
}

/// A log with switches.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) log: SharedLog,
    pub(crate) switches: Arc<Switches>,
}

fn file() -> PathBuf {
    PathBuf::from("/data/journal")
}

impl Log for Trap {
    fn append(&self, append: Append, done: Done) {
        if self.switches.is_full.load(Ordering::SeqCst) || self.switches.is_failing() {
            let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
            let path = file();
            return done(Err(AppendError::DiskFull { path, source }));
        }
        self.log.append(append, done);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        let is_armed = self.switches.is_armed.load(Ordering::SeqCst);
        assert!(!is_armed, "the trap is sprung");
        if self.switches.is_failing() {
            let source = io::Error::other("the sector does not read");
            let path = file();
            return Err(ReadError::Io { path, source });
        }
        self.log.read(stream, from)
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.log.extent(stream)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        self.log.extents()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        self.log.trim(stream, through);
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.log.next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        self.log.heartbeat()
    }

    fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.log.watch()
    }
}
