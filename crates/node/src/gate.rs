//! `Gate`: the log, closed to appends while the disk is almost full. Reads and trims go on.

use std::{io, sync::Arc};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, ReadError, ReadFrom, SharedLog};
use tokio::sync::watch;

use crate::health::{Health, Obstacle};

/// The log, closed to appends while the disk is almost full.
#[derive(Debug)]
pub(crate) struct Gate {
    log: SharedLog,
    health: Arc<Health>,
}

impl Gate {
    pub(crate) fn new(log: SharedLog, health: Arc<Health>) -> Arc<Self> {
        Arc::new(Self { log, health })
    }

    /// What an append is told instead of being taken.
    fn refusal(&self) -> Option<AppendError> {
        match self.health.disk_full()? {
            Obstacle::DiskFull { folder, .. } => {
                let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
                Some(AppendError::DiskFull {
                    path: folder,
                    source,
                })
            }
            Obstacle::Poisoned { .. } | Obstacle::Stopping => None,
        }
    }
}

impl Log for Gate {
    fn append(&self, append: Append, done: Done) {
        match self.refusal() {
            Some(error) => done(Err(error)),
            None => self.log.append(append, done),
        }
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
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
