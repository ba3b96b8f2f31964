//! `Owner`: a member of the group that owns the writes of one application. At most one of them has
//! the partition; the others stand by.
//!
//! Whatever goes wrong, it forgets all that it holds and begins again: what is true is in Kafka.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use mainstem_kernel::{Problem, fault::Fault, fault::chain};
use mainstem_sql::Compiler;
use mainstem_table::AppId;
use parking_lot::Mutex;

use super::{OwnersParts, TablesError, held::Held, topics::AppTopics};
use crate::kafka::{Group, GroupSpec, Topics};

/// Statements that are fetched at once.
const FETCH_MAX: usize = 4_000;
/// How long a fetch waits for the first statement.
const PATIENCE: Duration = Duration::from_millis(100);
/// Pauses before it begins again after a failure: the first and the longest.
const PENANCE: Duration = Duration::from_millis(200);
const PENANCE_MAX: Duration = Duration::from_secs(5);
/// How often it looks whether it is to stop while it pauses.
const LOOK: Duration = Duration::from_millis(50);

/// How an owner goes.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) is_owner: AtomicBool,
    pub(super) statements: AtomicU64,
    pub(super) problem: Mutex<Option<Problem>>,
}

/// A member of the group that owns the writes of one application.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) app: AppId,
    pub(super) parts: Arc<OwnersParts>,
    pub(super) compiler: Compiler,
    pub(super) status: Arc<Status>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Owner {
    /// Stands by and owns, until it is stopped.
    pub(super) fn run(self) {
        let mut penance = PENANCE;
        while !self.is_stopped() {
            let before = self.status.statements.load(Ordering::Relaxed);
            let Err(error) = self.stand_by() else {
                break;
            };
            self.status.is_owner.store(false, Ordering::Relaxed);
            tracing::warn!(app = %self.app.name, error = chain(&error), "ownership begins again");
            *self.status.problem.lock() = Some(error.problem());
            if self.status.statements.load(Ordering::Relaxed) > before {
                penance = PENANCE;
            }
            self.pause(penance);
            penance = (penance * 2).min(PENANCE_MAX);
        }
        self.status.is_owner.store(false, Ordering::Relaxed);
    }

    /// Joins the group, and serves whenever the partition is ours.
    fn stand_by(&self) -> Result<(), TablesError> {
        let config = &self.parts.config;
        let topics = AppTopics::of(&config.kafka, &self.app);
        let names = Topics::new(&config.kafka)?;
        for wanted in [&topics.writes, &topics.answers, &topics.requests] {
            names.ensure(wanted, None)?;
        }
        let spec = GroupSpec {
            name: topics.writes.name.clone(),
            topics: vec![topics.writes.name.clone()],
            session_max: config.session_max,
        };
        let instance = format!("{}-{}", self.parts.instance, topics.writes.name);
        let mut group = Group::join(&config.kafka, spec, &instance)?;
        let mut held: Option<Held> = None;
        while !self.is_stopped() {
            let fetched = group.fetch(FETCH_MAX, PATIENCE)?;
            if !fetched.lost.is_empty() {
                held = None;
            }
            if !fetched.taken.is_empty() {
                held = Some(Held::open(self, &topics)?);
                *self.status.problem.lock() = None;
            }
            self.status
                .is_owner
                .store(held.is_some(), Ordering::Relaxed);
            if let Some(held) = &mut held {
                if !fetched.messages.is_empty() {
                    held.serve(self, &mut group, fetched.messages)?;
                }
                held.look(self)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Notes statements that were decided.
    pub(super) fn count(&self, statements: usize) {
        let statements = u64::try_from(statements).unwrap_or(0);
        self.status
            .statements
            .fetch_add(statements, Ordering::Relaxed);
    }

    fn pause(&self, span: Duration) {
        let mut waited = Duration::ZERO;
        while waited < span && !self.is_stopped() {
            thread::sleep(LOOK);
            waited += LOOK;
        }
    }
}
