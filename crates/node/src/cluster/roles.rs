//! The roles of a node: each begins once the engines that it needs were reached, and what stands
//! against it is named.
//!
//! Once reached, an engine that goes away is the business of whoever speaks to it.

mod begin;
mod engines;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use mainstem_cluster::{
    cassandra::Rows,
    progress::ProgressView,
    rows::{Frontiers, RowWriter},
    spark::Spark,
    tables::{Owners, TableWrites},
    worker::Workers,
};
use mainstem_kernel::Problem;
use parking_lot::Mutex;
use tokio::sync::watch;

pub(super) use begin::start;

/// What runs, and what stands against it.
#[derive(Debug)]
pub(super) struct Roles {
    stop: watch::Sender<bool>,
    standing: Mutex<BTreeMap<&'static str, Problem>>,
    threads: Mutex<Vec<String>>,
    /// How far everything is.
    pub(super) progress: OnceLock<Arc<ProgressView>>,
    /// Whether rows are there that were waited for.
    pub(super) frontiers: OnceLock<Arc<Frontiers>>,
    /// Statements that write.
    pub(super) writes: OnceLock<Arc<TableWrites>>,
    /// Who decides them.
    pub(super) owners: OnceLock<Arc<Owners>>,
    /// Who looks up and deduplicates.
    pub(super) workers: OnceLock<Arc<Workers>>,
    /// Who writes rows to Cassandra.
    pub(super) writer: OnceLock<Arc<RowWriter>>,
    cassandra: OnceLock<Arc<Rows>>,
    spark: OnceLock<Spark>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            stop: watch::Sender::new(false),
            standing: Mutex::default(),
            threads: Mutex::default(),
            progress: OnceLock::new(),
            frontiers: OnceLock::new(),
            writes: OnceLock::new(),
            owners: OnceLock::new(),
            workers: OnceLock::new(),
            writer: OnceLock::new(),
            cassandra: OnceLock::new(),
            spark: OnceLock::new(),
        }
    }
}

impl Roles {
    /// What stands against a part, or that nothing does any more; operators hear of the change.
    pub(super) fn note(&self, part: &'static str, problem: Option<Problem>) {
        let mut standing = self.standing.lock();
        match (standing.contains_key(part), problem) {
            (false, Some(problem)) => {
                let code = problem.code;
                tracing::warn!(part, %code, problem = problem.message, "does not go on");
                standing.insert(part, problem);
            }
            (true, Some(problem)) => drop(standing.insert(part, problem)),
            (true, None) => {
                tracing::info!(part, "goes on");
                standing.remove(part);
            }
            (false, None) => {}
        }
    }

    /// What stands against parts of the node.
    pub(super) fn standing(&self) -> BTreeMap<&'static str, Problem> {
        self.standing.lock().clone()
    }

    /// A thread that has to end with the node.
    pub(super) fn has_thread(&self, name: &str) {
        self.threads.lock().push(name.to_owned());
    }

    /// The threads that have to end with the node.
    pub(super) fn threads(&self) -> Vec<String> {
        let mut threads = self.threads.lock().clone();
        threads.extend(
            self.owners
                .get()
                .map(|owners| owners.threads())
                .unwrap_or_default(),
        );
        threads.extend(
            self.workers
                .get()
                .map(|workers| workers.threads())
                .unwrap_or_default(),
        );
        threads
    }

    /// Tells every part to end.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        if let Some(writer) = self.writer.get() {
            writer.stop();
        }
        if let Some(workers) = self.workers.get() {
            workers.close();
        }
        if let Some(owners) = self.owners.get() {
            owners.close();
        }
    }

    /// Once no request is under way: what only requests need.
    pub(super) fn close(&self) {
        if let Some(writes) = self.writes.get() {
            writes.close();
        }
        if let Some(progress) = self.progress.get() {
            progress.close();
        }
    }
}
