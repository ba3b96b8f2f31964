//! `Gate`: the log as writers see it: slower when the journal nears its limit, closed while the
//! disk is almost full and while data is moved elsewhere. Reads and trims go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, ReadError, ReadFrom, SharedLog};
use tokio::sync::watch;

use crate::{
    health::{Health, Obstacle},
    moving::Moving,
};

/// Percent of the journal's limit from which appends are slowed down.
const SLOW_FROM: u64 = 80;
/// Wait before an append for each percent above.
const WAIT_PER_PERCENT: Duration = Duration::from_millis(2);

/// The log as writers see it.
#[derive(Debug)]
pub(crate) struct Gate {
    log: SharedLog,
    health: Arc<Health>,
    moving: Arc<Moving>,
    /// Percent of the journal's limit that is in use.
    fill: AtomicU64,
}

impl Gate {
    pub(crate) fn new(log: SharedLog, health: Arc<Health>, moving: Arc<Moving>) -> Arc<Self> {
        let fill = AtomicU64::new(0);
        Arc::new(Self {
            log,
            health,
            moving,
            fill,
        })
    }

    /// Notes how full the journal is, in percent of its limit.
    pub(crate) fn note_fill(&self, percent: u64) {
        self.fill.store(percent, Ordering::Relaxed);
    }

    /// Waits on the writer's thread, so that its queue fills and senders are told to slow down.
    fn slow_down(&self) {
        let above = self
            .fill
            .load(Ordering::Relaxed)
            .min(100)
            .saturating_sub(SLOW_FROM);
        if above > 0 {
            sleep(WAIT_PER_PERCENT.saturating_mul(u32::try_from(above).unwrap_or(0)));
        }
    }

    /// What an append is told instead of being taken.
    fn refusal(&self) -> Option<AppendError> {
        match self.health.disk_full()? {
            Obstacle::DiskFull {
                folder,
                free,
                floor,
            } => Some(AppendError::Reserve {
                folder,
                free,
                floor,
            }),
            Obstacle::Poisoned { .. } | Obstacle::LogPoisoned { .. } | Obstacle::Stopping => None,
        }
    }
}

impl Log for Gate {
    fn append(&self, append: Append, done: Done) {
        if let Some(error) = self.refusal() {
            return done(Err(error));
        }
        if let Err(error) = self.moving.enter() {
            return done(Err(error));
        }
        self.slow_down();
        let (health, moving) = (Arc::clone(&self.health), Arc::clone(&self.moving));
        let watched = move |outcome: Result<_, AppendError>| {
            if let Err(AppendError::Poisoned { path }) = &outcome {
                health.note_log_poisoned(path);
            }
            moving.leave();
            done(outcome);
        };
        self.log.append(append, Box::new(watched));
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

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        self.moving.enter()?;
        let outcome = self.log.heartbeat();
        if let Err(AppendError::Poisoned { path }) = &outcome {
            self.health.note_log_poisoned(path);
        }
        self.moving.leave();
        outcome
    }

    fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.log.watch()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use mainstem_disk::RealDisk;
    use mainstem_kernel::{ByteSize, Fault, clock::SystemClock, metrics::Metrics};
    use mainstem_log::MemoryLog;

    use super::*;
    use crate::{moving::MOVED_FILE, supervisor::Supervisor};

    /// The log's own refusal of an append without rows: it says that the gate let it through.
    const LET_THROUGH: Option<&str> = Some("LOG-006");

    /// Code of the outcome of an append without rows.
    fn append(gate: &Gate) -> Option<&'static str> {
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        let done = move |result: Result<_, AppendError>| {
            *told.lock().unwrap() = Some(result.err().map(|error| error.answer().code.as_str()));
        };
        gate.append(Append { frames: Vec::new() }, Box::new(done));
        outcome.lock().unwrap().take().unwrap()
    }

    #[test]
    fn writes_are_refused_while_the_disk_is_full_and_taken_again_after() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let health = Health::new(Supervisor::new(runtime.handle().clone(), Metrics::new()));
        let log = Arc::new(MemoryLog::new(Arc::new(SystemClock)));
        let folder = tempfile::tempdir().unwrap();
        let moving = Moving::open(
            Arc::new(RealDisk),
            Arc::new(SystemClock),
            folder.path().join(MOVED_FILE),
        );
        let gate = Gate::new(log, Arc::clone(&health), Arc::new(moving.unwrap()));
        assert_eq!(append(&gate), LET_THROUGH);
        let (free, floor) = (ByteSize(1), ByteSize(2));
        health.note_disk(Some(Obstacle::DiskFull {
            folder: "/d".into(),
            free,
            floor,
        }));
        assert_eq!(append(&gate), Some("NODE-009"));
        assert!(gate.extents().is_empty(), "reads go on");
        health.note_disk(None);
        assert_eq!(append(&gate), LET_THROUGH);
    }
}
