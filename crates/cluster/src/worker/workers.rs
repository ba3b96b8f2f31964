//! `Workers`: what a node with the role `workers` does for streams and views: a member of the group of
//! each that has work. What is declared later begins within a second.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use mainstem_catalog::Definitions;
use mainstem_kernel::{
    Problem, Seq, StreamId, StreamName, clock::SharedClock, fault::chain, spawn::SharedSpawn,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    WorkersConfig,
    member::{Member, Status},
    tasks::{Bench, Duty, Task, begin, tasks},
};
use crate::ClusterError;

/// How often definitions are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The thread that looks.
const NAME: &str = "workers";

/// What workers need.
#[derive(Clone)]
pub struct WorkersParts {
    /// How they work.
    pub config: WorkersConfig,
    /// What is declared (`Catalog::watch`). Somebody else follows it.
    pub definitions: watch::Receiver<Arc<Definitions>>,
    /// Their threads.
    pub spawn: SharedSpawn,
    /// What event times of others are judged by.
    pub clock: SharedClock,
    /// Tells this node from all others, for ever.
    pub instance: String,
}

impl fmt::Debug for WorkersParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkersParts")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// How work for a stream or a view goes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerHealth {
    /// The stream or the version of the view.
    pub object: StreamId,
    /// Its name.
    pub name: StreamName,
    /// Partitions that this node has.
    pub partitions: u64,
    /// Rows that were read here since the start.
    pub rows: u64,
    /// Rows that were written.
    pub out: u64,
    /// Rows that were set aside.
    pub letters: u64,
    /// Why it had to begin again, until it has partitions.
    pub problem: Option<Problem>,
}

/// The workers of a node.
#[derive(Debug)]
pub struct Workers {
    parts: WorkersParts,
    running: Mutex<BTreeMap<(StreamId, Duty), Running>>,
    /// Names of all threads that were started.
    threads: Mutex<Vec<String>>,
    stop: AtomicBool,
}

#[derive(Debug)]
struct Running {
    task: Task,
    status: Arc<Status>,
    stop: Arc<AtomicBool>,
}

impl Workers {
    /// Starts a member for everything that has work, now and later.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(parts: WorkersParts) -> Result<Arc<Self>, ClusterError> {
        let spawn = Arc::clone(&parts.spawn);
        let workers = Arc::new(Self {
            parts,
            running: Mutex::default(),
            threads: Mutex::new(vec![NAME.to_owned()]),
            stop: AtomicBool::new(false),
        });
        let own = Arc::clone(&workers);
        spawn
            .thread(NAME, Box::new(move || own.run()))
            .map_err(|source| ClusterError::Thread { name: NAME, source })?;
        Ok(workers)
    }

    fn run(&self) {
        let mut known: Option<Seq> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let definitions = Arc::clone(&self.parts.definitions.borrow());
            if known != Some(definitions.seq) {
                match self.follow(&definitions) {
                    Ok(()) => known = Some(definitions.seq),
                    Err(error) => tracing::error!(error = chain(&error), "workers"),
                }
            }
            thread::sleep(LOOK);
        }
        for running in self.running.lock().values() {
            running.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Starts what is missing, ends what is no more.
    fn follow(&self, definitions: &Arc<Definitions>) -> Result<(), ClusterError> {
        let tasks = tasks(definitions);
        let mut running = self.running.lock();
        running.retain(|id, own| {
            let stays = tasks.get(id) == Some(&own.task);
            own.stop.store(!stays, Ordering::Relaxed);
            stays
        });
        for (id, task) in tasks {
            if let Entry::Vacant(place) = running.entry(id) {
                let begun = self.begin(*place.key(), task, definitions)?;
                place.insert(begun);
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        (object, duty): (StreamId, Duty),
        task: Task,
        definitions: &Arc<Definitions>,
    ) -> Result<Running, ClusterError> {
        let own = Running {
            task: task.clone(),
            status: Arc::default(),
            stop: Arc::default(),
        };
        let bench = Bench {
            config: self.parts.config.clone(),
            definitions: Arc::clone(definitions),
            clock: Arc::clone(&self.parts.clock),
        };
        let name = format!("{}-{}-{}", duty.word(), object.0, definitions.seq.0);
        let member = Member {
            config: self.parts.config.clone(),
            group: duty.group(&self.parts.config.kafka, object),
            object,
            instance: format!("{}-{}", self.parts.instance, definitions.seq.0),
            begin: Box::new(move || begin(&task, &bench)),
            status: Arc::clone(&own.status),
            stop: Arc::clone(&own.stop),
        };
        self.parts
            .spawn
            .thread(&name, Box::new(move || member.run()))
            .map_err(|source| ClusterError::Thread { name: NAME, source })?;
        self.threads.lock().push(name);
        Ok(own)
    }

    /// The names of its threads, for whoever waits for their end.
    #[must_use]
    pub fn threads(&self) -> Vec<String> {
        self.threads.lock().clone()
    }

    /// How the work for each stream and view goes here.
    #[must_use]
    pub fn health(&self) -> Vec<WorkerHealth> {
        let running = self.running.lock();
        let health = running.iter().map(|((object, _), own)| WorkerHealth {
            object: *object,
            name: own.task.name().clone(),
            partitions: own.status.partitions.load(Ordering::Relaxed),
            rows: own.status.rows.load(Ordering::Relaxed),
            out: own.status.out.load(Ordering::Relaxed),
            letters: own.status.letters.load(Ordering::Relaxed),
            problem: own.status.problem.lock().clone(),
        });
        health.collect()
    }

    /// Ends all threads after what they are at.
    pub fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for running in self.running.lock().values() {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}
