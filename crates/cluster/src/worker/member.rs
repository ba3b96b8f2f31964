//! `Member`: fetches, has work done, and commits; until it is told to stop, whatever happens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use mainstem_kernel::{Offset, Problem, StreamId, fault::Fault, fault::chain};
use parking_lot::Mutex;

use super::{WorkerError, WorkersConfig};
use crate::{
    ClusterError,
    kafka::{Failed, Fetched, Group, GroupSpec, Message, Output, Place, Transaction},
};

/// Records of one transaction.
const FETCH_MAX: usize = 20_000;
/// How long a fetch waits for the first one.
const PATIENCE: Duration = Duration::from_millis(100);
/// Pauses before it begins again after a failure: the first and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often it looks whether it is to stop while it pauses.
const LOOK: Duration = Duration::from_millis(50);

/// What is done with records.
pub(super) trait Work: Send {
    /// Looks whether what is read is still what it was, as often as that makes sense; what an
    /// operator should know, though work goes on.
    fn look(&mut self) -> Result<Option<Problem>, WorkerError> {
        Ok(None)
    }

    /// A partition is ours and goes on at `next`: its state is rebuilt.
    fn taken(&mut self, place: &Place, next: Offset) -> Result<(), WorkerError>;

    /// A partition is not ours any more: its state is dropped.
    fn lost(&mut self, place: &Place);

    /// Writes what records come to.
    fn work(
        &mut self,
        messages: &[Message],
        transaction: &mut Transaction<'_>,
    ) -> Result<Counted, WorkerError>;

    /// What came of these records is there for ever.
    fn committed(&mut self, _messages: &[Message]) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Nothing of the last work is there: the same records come again.
    fn aborted(&mut self) -> Result<(), WorkerError>;
}

/// What became of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Records that were read.
    pub(super) rows: u64,
    /// Rows that were written.
    pub(super) out: u64,
    /// Rows that were set aside.
    pub(super) letters: u64,
}

impl Counted {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.out += other.out;
        self.letters += other.letters;
    }
}

/// How work goes.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) partitions: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) out: AtomicU64,
    pub(super) letters: AtomicU64,
    pub(super) problem: Mutex<Option<Problem>>,
}

impl Status {
    fn count(&self, counted: Counted) {
        self.rows.fetch_add(counted.rows, Ordering::Relaxed);
        self.out.fetch_add(counted.out, Ordering::Relaxed);
        self.letters.fetch_add(counted.letters, Ordering::Relaxed);
    }
}

/// Makes the work, each time it begins; gives it with the topic that is read.
pub(super) type Begin = Box<dyn Fn() -> Result<(Box<dyn Work>, String), WorkerError> + Send>;

/// Has work done by a member of its group.
pub(super) struct Member {
    pub(super) config: WorkersConfig,
    pub(super) object: StreamId,
    /// The consumer group that shares it.
    pub(super) group: String,
    /// Tells this node from all others, for ever.
    pub(super) instance: String,
    pub(super) begin: Begin,
    pub(super) status: Arc<Status>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Member {
    /// Works until it is stopped. Whatever goes wrong, it drops everything and begins again behind
    /// the last commit.
    pub(super) fn run(self) {
        let mut pause = PAUSE;
        for attempt in 0_u64.. {
            if self.is_stopped() {
                break;
            }
            let before = self.status.rows.load(Ordering::Relaxed);
            let Err(error) = self.attempt(attempt) else {
                break;
            };
            self.status.partitions.store(0, Ordering::Relaxed);
            tracing::warn!(object = %self.object, error = chain(&error), "work begins again");
            *self.status.problem.lock() = Some(error.problem());
            if self.status.rows.load(Ordering::Relaxed) > before {
                pause = PAUSE;
            }
            self.pause(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.status.partitions.store(0, Ordering::Relaxed);
    }

    fn attempt(&self, attempt: u64) -> Result<(), WorkerError> {
        let (mut work, topic) = (self.begin)()?;
        let kafka = &self.config.kafka;
        let name = format!("{}-{}-{attempt}", self.group, self.instance);
        let mut output = Output::open(kafka, &name, self.config.transaction_max)?;
        let spec = GroupSpec {
            name: self.group.clone(),
            topics: vec![topic],
            session_max: self.config.session_max,
        };
        let mut group = Group::join(kafka, spec, &name)?;
        while !self.is_stopped() {
            let fetched = group.fetch(FETCH_MAX, PATIENCE)?;
            self.turn((&mut group, &mut output), work.as_mut(), fetched)?;
        }
        Ok(())
    }

    fn turn(
        &self,
        (group, output): (&mut Group, &mut Output),
        work: &mut dyn Work,
        fetched: Fetched,
    ) -> Result<(), WorkerError> {
        for place in &fetched.lost {
            work.lost(place);
        }
        for (place, next) in &fetched.taken {
            work.taken(place, *next)?;
        }
        let owned = u64::try_from(group.owned().len()).unwrap_or(0);
        self.status.partitions.store(owned, Ordering::Relaxed);
        let notice = work.look()?;
        if owned > 0 {
            *self.status.problem.lock() = notice;
        }
        if fetched.messages.is_empty() {
            return Ok(());
        }
        let mut next: BTreeMap<Place, Offset> = BTreeMap::new();
        for message in &fetched.messages {
            next.insert(message.place.clone(), message.next());
        }
        let mut transaction = output.begin()?;
        let counted = work.work(&fetched.messages, &mut transaction)?;
        match transaction.commit_read(group, &next) {
            Ok(_) => {
                self.status.count(counted);
                work.committed(&fetched.messages)
            }
            Err(Failed::Aborted(error @ ClusterError::Superseded { .. })) => {
                tracing::debug!(object = %self.object, error = chain(&error), "partitions move");
                group.give_back(fetched.messages);
                work.aborted()
            }
            Err(failed) => Err(ClusterError::from(failed).into()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self, span: Duration) {
        let mut waited = Duration::ZERO;
        while waited < span && !self.is_stopped() {
            thread::sleep(LOOK);
            waited += LOOK;
        }
    }
}
