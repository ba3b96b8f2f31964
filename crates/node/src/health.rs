//! `Health`: what stands against serving requests at this moment, if anything does.
//!
//! It never decides what to do about it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mainstem_kernel::{Answer, ByteSize, Code, Fault, Problem};
use parking_lot::Mutex;

use crate::supervisor::Supervisor;

/// When a client should ask again while the disk is full or the node starts.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What stands against serving requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// Caller: ask again, of the node that follows.
    #[error("the server is stopping")]
    Stopping,
    /// Operator: restart the node.
    #[error("part \"{part}\" of the server has stopped")]
    Poisoned {
        /// The thread.
        part: String,
    },
    /// Operator: look at the disk, then restart the node.
    #[error("the log is closed for writes after a failed sync of \"{}\"", .path.display())]
    LogPoisoned {
        /// The file whose sync failed.
        path: PathBuf,
    },
    /// Operator: make room; then it goes on by itself.
    #[error("only {free} are free on the disk of \"{}\", {floor} are kept in reserve", .folder.display())]
    DiskFull {
        /// The data folder.
        folder: PathBuf,
        /// What is free.
        free: ByteSize,
        /// What has to be.
        floor: ByteSize,
    },
}

impl Fault for Obstacle {
    fn answer(&self) -> Answer {
        match self {
            Self::Stopping => Answer::busy(Code::Node015, RETRY_AFTER),
            Self::Poisoned { .. } => Answer::restart(Code::Node010),
            Self::LogPoisoned { .. } => Answer::restart(Code::Log011),
            Self::DiskFull { .. } => Answer::busy(Code::Node009, RETRY_AFTER),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Poisoned { .. } | Self::LogPoisoned { .. } => {
                Some("Everything that was acknowledged is on disk; reads go on.".to_owned())
            }
            Self::DiskFull { .. } => {
                Some("Writes are refused; reads and archiving go on.".to_owned())
            }
            Self::Stopping => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Stopping => "ask again once it has been started",
            Self::Poisoned { .. } => "restart the server and look at its log",
            Self::LogPoisoned { .. } => "see the system's log for disk errors, then restart it",
            Self::DiskFull { .. } => "make room; writes are accepted again within seconds",
        };
        Some(hint.to_owned())
    }
}

/// What is known of the node's state.
#[derive(Debug)]
pub(crate) struct Health {
    supervisor: Arc<Supervisor>,
    stopping: AtomicBool,
    /// Whether `disk_full` holds something: asked at every append.
    is_full: AtomicBool,
    disk_full: Mutex<Option<Obstacle>>,
    log_poisoned: OnceLock<PathBuf>,
}

impl Health {
    pub(crate) fn new(supervisor: Arc<Supervisor>) -> Arc<Self> {
        Arc::new(Self {
            supervisor,
            stopping: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            disk_full: Mutex::new(None),
            log_poisoned: OnceLock::new(),
        })
    }

    /// What is said of the full disk; cheap while there is room.
    pub(crate) fn disk_full(&self) -> Option<Obstacle> {
        let is_full = self.is_full.load(Ordering::Relaxed);
        is_full.then(|| self.disk_full.lock().clone()).flatten()
    }

    /// The worst of what stands against serving.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        if self.stopping.load(Ordering::SeqCst) {
            return Some(Obstacle::Stopping);
        }
        let poisoned = self.supervisor.poisoned();
        let poisoned = poisoned.map(|found| Obstacle::Poisoned { part: found.part });
        let log_poisoned = self.log_poisoned.get().cloned();
        let log_poisoned = log_poisoned.map(|path| Obstacle::LogPoisoned { path });
        poisoned.or(log_poisoned).or_else(|| self.disk_full())
    }

    /// Notes that a sync of the log has failed; only a restart clears that.
    pub(crate) fn note_log_poisoned(&self, path: &Path) {
        if self.log_poisoned.set(path.to_owned()).is_ok() {
            tracing::error!(path = %path.display(), "a sync failed: the log is closed for writes");
        }
    }

    /// As doors ask.
    pub(crate) fn ready(&self) -> Result<(), Problem> {
        self.obstacle()
            .map_or(Ok(()), |obstacle| Err(obstacle.problem()))
    }

    /// From now on nothing new is served.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Notes that the disk is full, or no longer; operators hear of the change alone.
    pub(crate) fn note_disk(&self, full: Option<Obstacle>) {
        let mut known = self.disk_full.lock();
        match (&*known, &full) {
            (None, Some(obstacle)) => tracing::error!(%obstacle, "writes are refused"),
            (Some(_), None) => tracing::info!("there is room again, writes are accepted"),
            _ => {}
        }
        self.is_full.store(full.is_some(), Ordering::Relaxed);
        *known = full;
    }
}

#[cfg(test)]
mod tests {
    use mainstem_kernel::{Spawn, metrics::Metrics};

    use super::*;

    #[test]
    fn a_full_disk_passes_and_a_poisoned_part_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let supervisor = Supervisor::new(runtime.handle().clone(), Metrics::new());
        let health = Health::new(Arc::clone(&supervisor));
        let code = || health.ready().err().map(|problem| problem.code.as_str());
        assert_eq!(code(), None);
        let (free, floor) = (ByteSize(1), ByteSize(2));
        let full = Obstacle::DiskFull {
            folder: "/d".into(),
            free,
            floor,
        };
        health.note_disk(Some(full));
        assert_eq!(code(), Some("NODE-009"));
        health.note_disk(None);
        assert_eq!(code(), None);
        supervisor
            .thread("log", Box::new(|| panic!("on purpose")))
            .unwrap();
        assert!(supervisor.join_within("log", Duration::from_secs(60)));
        assert_eq!(code(), Some("NODE-010"));
        health.stop();
        assert_eq!(code(), Some("NODE-015"));
    }
}
