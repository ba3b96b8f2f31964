//! `RowWriter`: from topics of changes to Cassandra. Any number of them share the partitions.
//!
//! # Protocol
//!
//! A member of the group `PREFIX-rows` reads records, writes what the newest of each key says at
//! its version, and commits the offsets behind them once a quorum has every row, or the row is
//! among the dead letters. Whoever dies between the two leaves the records to the next owner of the
//! partition, who writes the same at the same versions again. So it is harmless if two write the
//! same rows for a while, and if one that was held up writes what is old by then.
//!
//! While Cassandra does not answer, nothing is read on: the records are written again and again.
//! A relation whose table somebody has to mend is set aside for a while, with its topic; the others
//! go on.

mod letters;
mod round;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::Definitions;
use mainstem_kernel::{StreamId, fault::chain, metrics::Metrics, spawn::SharedSpawn};
use mainstem_log::SharedIntake;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch, time::Instant};

use super::{Followed, RowsError};
use crate::{
    ClusterError,
    cassandra::{Rows, Target},
    kafka::{Group, GroupSpec, KafkaConfig, Topics},
};

/// Name of the thread.
const THREAD: &str = "rows";
/// A member that is not heard of for as long is taken for dead.
const SESSION_MAX: Duration = Duration::from_secs(6);
/// How long a fetch waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two attempts after a failure, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often topics are looked for that are not there yet.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How long a relation is set aside whose table has to be mended.
const ASIDE: Duration = Duration::from_secs(15);

/// The group of all row writers.
#[must_use]
pub fn group_name(config: &KafkaConfig) -> String {
    format!("{}-rows", config.topic_prefix)
}

/// What a row writer works with.
#[derive(Debug)]
pub struct RowWriterParts {
    /// Where changes come from.
    pub kafka: KafkaConfig,
    /// Where rows go.
    pub rows: Arc<Rows>,
    /// What there is to follow.
    pub definitions: watch::Receiver<Arc<Definitions>>,
    /// Where rows go that cannot be kept.
    pub letters: SharedIntake,
    /// Runs what waits for Cassandra.
    pub runtime: Handle,
    /// Starts the thread.
    pub spawn: SharedSpawn,
    /// Counts what it does.
    pub metrics: Arc<Metrics>,
    /// Tells this writer from all others.
    pub instance: String,
}

/// What a row writer has done, and what stands against it.
#[derive(Clone, Debug, Default)]
pub struct RowWriterStatus {
    /// Records that are in Cassandra.
    pub records: u64,
    /// Rows that were written for them: of those with one key only the newest.
    pub rows: u64,
    /// Rows that were set aside.
    pub letters: u64,
    /// Partitions that are its own.
    pub partitions: usize,
    /// Why it does not go on, or not with everything.
    pub problem: Option<String>,
}

/// Writes rows until it is stopped.
#[derive(Debug)]
pub struct RowWriter {
    stop: watch::Sender<bool>,
    status: Mutex<RowWriterStatus>,
    ended: watch::Receiver<bool>,
}

impl RowWriter {
    /// Starts its thread. It connects by itself, as often as it takes.
    ///
    /// # Errors
    /// When the machine refuses another thread, or the settings make no client.
    pub fn start(parts: RowWriterParts) -> Result<Arc<Self>, ClusterError> {
        let (ending, ended) = watch::channel(false);
        let writer = Arc::new(Self {
            stop: watch::Sender::new(false),
            status: Mutex::default(),
            ended,
        });
        let spawn = Arc::clone(&parts.spawn);
        let mut thread = Writing::new(parts, Arc::clone(&writer))?;
        let body = move || {
            thread.run();
            drop(thread);
            ending.send_replace(true);
        };
        spawn
            .thread(THREAD, Box::new(body))
            .map_err(|source| ClusterError::Thread {
                name: THREAD,
                source,
            })?;
        Ok(writer)
    }

    /// What it has done so far.
    #[must_use]
    pub fn status(&self) -> RowWriterStatus {
        self.status.lock().clone()
    }

    /// Ends the thread. What is not committed is written again by the next owner.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the thread has ended.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // A thread that panicked has ended, too.
        let _gone = ended.wait_for(|ended| *ended).await.is_err();
    }
}

/// The state of the thread.
struct Writing {
    parts: RowWriterParts,
    writer: Arc<RowWriter>,
    stop: watch::Receiver<bool>,
    topics: Topics,
    group: Option<Group>,
    followed: Followed,
    /// Of each topic that is read, the relation.
    subscribed: BTreeMap<String, StreamId>,
    targets: HashMap<StreamId, Target>,
    /// Relations that are set aside, and until when.
    aside: HashMap<StreamId, Instant>,
    looked: Option<Instant>,
}

impl Writing {
    fn new(parts: RowWriterParts, writer: Arc<RowWriter>) -> Result<Self, ClusterError> {
        Ok(Self {
            topics: Topics::new(&parts.kafka)?,
            stop: writer.stop.subscribe(),
            parts,
            writer,
            group: None,
            followed: Followed::default(),
            subscribed: BTreeMap::new(),
            targets: HashMap::new(),
            aside: HashMap::new(),
            looked: None,
        })
    }

    fn run(&mut self) {
        let mut pause = PAUSE;
        // Marked as seen by the first round.
        self.parts.definitions.mark_changed();
        while !*self.stop.borrow() {
            match self.round() {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    self.tell(&error);
                    self.rest(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Follows what is declared, fetches, writes and commits.
    fn round(&mut self) -> Result<(), RowsError> {
        self.follow()?;
        if self.subscribed.is_empty() {
            self.rest(PATIENCE);
            return Ok(());
        }
        self.take()
    }

    fn tell(&self, error: &RowsError) {
        let text = chain(error);
        tracing::warn!(error = text, "rows wait");
        self.writer.status.lock().problem = Some(text);
    }

    /// Waits, unless it is stopped.
    fn rest(&mut self, pause: Duration) {
        let stop = &mut self.stop;
        let waited = async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        self.parts.runtime.block_on(waited);
    }

    /// Reads the topics of everything that is declared.
    fn follow(&mut self) -> Result<(), RowsError> {
        let now = self.now();
        let is_changed = self.parts.definitions.has_changed().unwrap_or(false);
        let is_time = self.looked.is_none_or(|looked| now >= looked + LOOK_PAUSE);
        let is_all = self.subscribed.len() == self.followed.relations.len();
        let is_back = self.aside.values().any(|until| now >= *until);
        if !is_changed && !is_back && (is_all || !is_time) {
            return Ok(());
        }
        if is_changed {
            let definitions = Arc::clone(&self.parts.definitions.borrow_and_update());
            self.adopt(Followed::of(&definitions));
        }
        self.aside.retain(|_, until| now < *until);
        self.looked = Some(now);
        self.subscribe()
    }

    /// Takes over what is declared now. A relation that has other columns is met anew.
    fn adopt(&mut self, followed: Followed) {
        for error in &followed.failed {
            self.tell(error);
        }
        let before = &self.followed.relations;
        self.targets.retain(|id, _| {
            let table = |relation: &Arc<super::Relation>| format!("{:?}", relation.table);
            let (before, now) = (before.get(id), followed.relations.get(id));
            now.is_some() && before.map(table) == now.map(table)
        });
        self.followed = followed;
    }

    fn subscribe(&mut self) -> Result<(), RowsError> {
        let there = self.topics.names()?;
        let mut wanted = self.followed.topics(&self.parts.kafka, &there);
        wanted.retain(|_, id| !self.aside.contains_key(id));
        if wanted == self.subscribed && self.group.is_some() {
            return Ok(());
        }
        let names: Vec<String> = wanted.keys().cloned().collect();
        match &mut self.group {
            Some(group) => group.subscribe(names)?,
            None if names.is_empty() => {}
            None => {
                let spec = GroupSpec {
                    name: group_name(&self.parts.kafka),
                    topics: names,
                    session_max: SESSION_MAX,
                };
                self.group = Some(Group::join(&self.parts.kafka, spec, &self.parts.instance)?);
            }
        }
        self.subscribed = wanted;
        Ok(())
    }

    /// Reads and writes; whatever the group says against it, this member is dropped and joins anew.
    fn take(&mut self) -> Result<(), RowsError> {
        let Some(mut group) = self.group.take() else {
            self.subscribed.clear();
            return Ok(());
        };
        match self.write_next(&mut group) {
            Ok(()) => {
                self.writer.status.lock().partitions = group.owned().len();
                self.group = Some(group);
                Ok(())
            }
            Err(error) => {
                let is_kept = !matches!(error, RowsError::Kafka(_));
                self.group = is_kept.then_some(group);
                if !is_kept {
                    self.subscribed.clear();
                    self.looked = None;
                }
                Err(error)
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}
