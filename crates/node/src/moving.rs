//! `Moving`: whether writes are let in while the data of this node goes to another server.
//!
//! | doors are | writes | until |
//! |---|---|---|
//! | open | are taken | |
//! | paused | are refused with 429 | a moment of the monotonic clock: whoever moves may die |
//! | moved | are refused with 503 and the other server's address | they are opened again; it survives restarts, as the file `moved` of the data folder |
//!
//! Invariant: an append counts itself as under way before it looks at the state. So once the doors
//! are paused and nothing is under way, nothing more becomes durable: whoever reads up to the
//! frontier of then has everything that was ever acknowledged.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::sleep,
    time::Duration,
};

use mainstem_disk::{SharedDisk, write_durably};
use mainstem_gateway::Doors;
use mainstem_kernel::clock::SharedClock;
use mainstem_log::AppendError;
use parking_lot::Mutex;

use crate::errors::NodeError;

/// File of the data folder with the other server's address.
pub(crate) const MOVED_FILE: &str = "moved";
/// Doors are paused for no longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether appends are under way still.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Whether writes are let in.
#[derive(Debug)]
pub(crate) struct Moving {
    disk: SharedDisk,
    clock: SharedClock,
    file: PathBuf,
    /// Whether the state is another than open: asked at every append.
    is_closed: AtomicBool,
    state: Mutex<State>,
    /// Appends that were let in and have no outcome yet.
    under_way: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Until then, on the monotonic clock.
    Paused(Duration),
    /// To that address.
    Moved(String),
}

impl Moving {
    /// As the data folder says.
    pub(crate) fn open(
        disk: SharedDisk,
        clock: SharedClock,
        file: PathBuf,
    ) -> Result<Self, NodeError> {
        let fail = |source| NodeError::Folder {
            action: "read",
            path: file.clone(),
            source,
        };
        let state = match disk.stat(&file).map_err(fail)? {
            None => State::Open,
            Some(_) => {
                let text = disk.read(&file).map_err(fail)?;
                State::Moved(String::from_utf8_lossy(&text).trim().to_owned())
            }
        };
        Ok(Self {
            disk,
            clock,
            file,
            is_closed: AtomicBool::new(state != State::Open),
            state: Mutex::new(state),
            under_way: AtomicU64::new(0),
        })
    }

    /// Lets an append in, which then is under way until `leave`.
    pub(crate) fn enter(&self) -> Result<(), AppendError> {
        // Sequentially consistent with `change`: of the two, one sees the other.
        self.under_way.fetch_add(1, Ordering::SeqCst);
        if !self.is_closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let refusal = self.refusal();
        if refusal.is_some() {
            self.leave();
        }
        refusal.map_or(Ok(()), Err)
    }

    /// An append has its outcome.
    pub(crate) fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }

    fn refusal(&self) -> Option<AppendError> {
        let mut state = self.state.lock();
        match &*state {
            State::Open => None,
            State::Moved(to) => Some(AppendError::Moved { to: to.clone() }),
            State::Paused(until) => {
                let wait = until.saturating_sub(self.clock.monotonic());
                if !wait.is_zero() {
                    return Some(AppendError::Paused { wait });
                }
                *state = State::Open;
                self.is_closed.store(false, Ordering::SeqCst);
                tracing::warn!("whoever paused the doors has not come back: they are open again");
                None
            }
        }
    }

    /// Opens or closes the doors. When it returns after closing them, nothing is under way.
    pub(crate) fn change(&self, doors: Doors) -> Result<(), NodeError> {
        let state = match doors {
            Doors::Open => State::Open,
            Doors::Paused { milliseconds } => {
                let span = Duration::from_millis(milliseconds).min(PAUSE_MAX);
                State::Paused(self.clock.monotonic().saturating_add(span))
            }
            Doors::Moved { to } => State::Moved(to),
        };
        self.write(&state)?;
        let is_closed = state != State::Open;
        tracing::info!(?state, "doors");
        *self.state.lock() = state;
        self.is_closed.store(is_closed, Ordering::SeqCst);
        while is_closed && self.under_way.load(Ordering::SeqCst) > 0 {
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The state that survives a restart.
    fn write(&self, state: &State) -> Result<(), NodeError> {
        let written = match state {
            State::Moved(to) => {
                write_durably(&*self.disk, &self.file, format!("{to}\n").as_bytes())
            }
            State::Open | State::Paused(_) => match self.disk.stat(&self.file) {
                Ok(None) => Ok(()),
                Ok(Some(_)) => self.disk.remove_file(&self.file),
                Err(error) => Err(error),
            },
        };
        written.map_err(|source| NodeError::Folder {
            action: "write",
            path: self.file.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use mainstem_disk::RealDisk;
    use mainstem_kernel::{Fault, Timestamp, clock::ManualClock};

    use super::*;

    fn open(folder: &Path, clock: &Arc<ManualClock>) -> Moving {
        let clock: SharedClock = Arc::<ManualClock>::clone(clock);
        Moving::open(Arc::new(RealDisk), clock, folder.join(MOVED_FILE)).unwrap()
    }

    fn code(moving: &Moving) -> &'static str {
        match moving.enter() {
            Ok(()) => {
                moving.leave();
                "taken"
            }
            Err(error) => error.answer().code.as_str(),
        }
    }

    #[test]
    fn a_pause_ends_by_itself_and_a_move_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let moving = open(folder.path(), &clock);
        assert_eq!(code(&moving), "taken");
        let pause = |milliseconds| Doors::Paused { milliseconds };
        moving.change(pause(2_000)).unwrap();
        assert_eq!(code(&moving), "NODE-020");
        clock.advance(Duration::from_secs(2));
        assert_eq!(code(&moving), "taken");
        moving.change(pause(u64::MAX)).unwrap();
        clock.advance(PAUSE_MAX);
        assert_eq!(
            code(&moving),
            "taken",
            "no pause is longer than ten seconds"
        );
        let to = "http://elsewhere:7400".to_owned();
        moving.change(Doors::Moved { to }).unwrap();
        assert_eq!(code(&moving), "NODE-021");
        let moving = open(folder.path(), &clock);
        assert_eq!(code(&moving), "NODE-021");
        moving.change(Doors::Open).unwrap();
        assert_eq!(code(&moving), "taken");
        assert_eq!(code(&open(folder.path(), &clock)), "taken");
    }

    #[test]
    fn a_pause_waits_for_what_is_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let moving = open(folder.path(), &Arc::new(ManualClock::at(Timestamp(0))));
        moving.enter().unwrap();
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| moving.change(Doors::Paused { milliseconds: 1 }));
            while code(&moving) == "taken" {
                std::thread::yield_now();
            }
            assert!(!pausing.is_finished(), "an append is under way");
            moving.leave();
            pausing.join().unwrap().unwrap();
        });
    }
}
