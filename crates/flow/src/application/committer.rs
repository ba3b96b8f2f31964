//! `Committer`: where checkpoints are committed: in the caller's thread, or in one beside steps, so
//! that these never wait for the disk. It has one checkpoint at a time.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use mainstem_kernel::spawn::SharedSpawn;

use super::{
    Application,
    commit::{Commit, CommitParts, Outcome},
    steps::words,
};
use crate::errors::FlowError;

/// Commits checkpoints.
pub(super) struct Committer {
    parts: CommitParts,
    thread: Option<Thread>,
}

struct Thread {
    jobs: Sender<Box<Commit>>,
    done: Receiver<Done>,
}

/// A checkpoint that was run once, and how far it is.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) commit: Box<Commit>,
    pub(super) outcome: Result<Outcome, FlowError>,
}

impl Committer {
    /// One that works in the caller's thread.
    pub(super) const fn here(parts: CommitParts) -> Self {
        Self {
            parts,
            thread: None,
        }
    }

    /// Works in a thread of its own from now on, which wakes the application after each.
    ///
    /// # Errors
    /// When the machine refuses a thread; it goes on in the caller's then.
    pub(super) fn start(
        &mut self,
        spawn: &SharedSpawn,
        application: &Arc<Application>,
    ) -> io::Result<()> {
        let (jobs, rx) = bounded::<Box<Commit>>(1);
        let (tx, done) = bounded(1);
        let (parts, application) = (self.parts.clone(), Arc::clone(application));
        let name = format!("commit-{}", application.app.name);
        let body = move || {
            for commit in rx {
                // Steps are gone: so is the need.
                if tx.send(run(commit, &parts)).is_err() {
                    return;
                }
                application.wake();
            }
        };
        spawn.thread(&name, Box::new(body))?;
        self.thread = Some(Thread { jobs, done });
        Ok(())
    }

    /// Runs a checkpoint; `None` if that goes on beside the caller.
    pub(super) fn give(&self, commit: Box<Commit>) -> Option<Done> {
        let Some(thread) = &self.thread else {
            return Some(run(commit, &self.parts));
        };
        match thread.jobs.send(commit) {
            Ok(()) => None,
            Err(refused) => Some(run(refused.into_inner(), &self.parts)),
        }
    }

    /// The checkpoint that was given, if it is done.
    pub(super) fn poll(&self) -> Option<Done> {
        self.thread.as_ref()?.done.try_recv().ok()
    }

    /// The checkpoint that was given, as soon as it is done.
    pub(super) fn wait(&self) -> Option<Done> {
        self.thread.as_ref()?.done.recv().ok()
    }
}

fn run(mut commit: Box<Commit>, parts: &CommitParts) -> Done {
    let outcome = catch_unwind(AssertUnwindSafe(|| commit.run(parts)));
    let outcome = outcome.unwrap_or_else(|panic| {
        let words = words(panic.as_ref());
        Err(FlowError::Panicked { words })
    });
    Done { commit, outcome }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer")
            .field("is_beside", &self.thread.is_some())
            .finish_non_exhaustive()
    }
}
