//! A log that panics or takes no rows when it is told to, as a defect somewhere below would.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, ReadError, ReadFrom, SharedLog};
use tokio::sync::watch;

/// A log that can be told to panic at the next read, or to have no room.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) log: SharedLog,
    pub(crate) is_armed: Arc<AtomicBool>,
    pub(crate) is_full: Arc<AtomicBool>,
}

impl Log for Trap {
    fn append(&self, append: Append, done: Done) {
        if self.is_full.load(Ordering::SeqCst) {
            let path = PathBuf::from("/data/journal");
            let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
            return done(Err(AppendError::DiskFull { path, source }));
        }
        self.log.append(append, done);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        assert!(!self.is_armed.load(Ordering::SeqCst), "the trap is sprung");
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

    fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.log.watch()
    }
}
