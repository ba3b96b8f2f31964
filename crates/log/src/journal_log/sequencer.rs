//! The sequencer: one thread that turns waiting appends into groups.
//!
//! It never looks at rows. While a group is being synced the next appends gather in the queue.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use mainstem_kernel::{ByteSize, Seq};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    AppendError, Done,
    journal::{Journal, Prepared},
};

/// An append that waits, or what is wrong with it.
pub(super) struct Job {
    pub(super) prepared: Result<Prepared, AppendError>,
    pub(super) done: Done,
}

/// The thread's state.
pub(super) struct Sequencer {
    pub(super) journal: Arc<Mutex<Journal>>,
    pub(super) jobs: Receiver<Job>,
    pub(super) frontier: watch::Sender<Seq>,
    pub(super) group_size_max: ByteSize,
    /// Did not fit into the last group.
    pub(super) held: Option<Job>,
}

/// Shows a frontier to whoever watches, unless a later one was shown already.
pub(super) fn show(watched: &watch::Sender<Seq>, frontier: Seq) {
    watched.send_if_modified(|seen| {
        let is_new = frontier > *seen;
        *seen = frontier.max(*seen);
        is_new
    });
}

impl Sequencer {
    /// Runs until the log is closed and nothing waits.
    pub(super) fn run(mut self) {
        while let Some((appends, dones)) = self.gather() {
            let mut journal = self.journal.lock();
            let results = if appends.is_empty() {
                Vec::new()
            } else {
                journal.commit(appends)
            };
            let frontier = journal.frontier();
            drop(journal);
            show(&self.frontier, frontier);
            let mut results = results.into_iter();
            for (refused, done) in dones {
                let result = match refused {
                    Some(error) => Err(error),
                    None => results.next().unwrap_or(Err(AppendError::Closed)),
                };
                done(result);
            }
        }
    }

    /// Everything that waits, up to the size of a group; waits for the first.
    #[expect(
        clippy::type_complexity,
        reason = "what to commit, and whom to tell what"
    )]
    fn gather(&mut self) -> Option<(Vec<Prepared>, Vec<(Option<AppendError>, Done)>)> {
        let mut next = match self.held.take() {
            Some(held) => Some(held),
            None => Some(self.jobs.recv().ok()?),
        };
        let (mut appends, mut dones) = (Vec::new(), Vec::new());
        let mut size = 0_u64;
        while let Some(job) = next {
            match job.prepared {
                Ok(prepared) => {
                    size = size.saturating_add(prepared.size());
                    if size > self.group_size_max.0 && !appends.is_empty() {
                        self.held = Some(Job {
                            prepared: Ok(prepared),
                            done: job.done,
                        });
                        break;
                    }
                    appends.push(prepared);
                    dones.push((None, job.done));
                }
                Err(error) => dones.push((Some(error), job.done)),
            }
            next = self.jobs.try_recv().ok();
        }
        Some((appends, dones))
    }
}
