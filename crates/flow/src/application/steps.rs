//! `Steps`: the thread that drives one application: a step, a slice of what is built, a checkpoint
//! when one is due, again and again.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::{Catalog, Definitions, TableDef, ViewDef};
use mainstem_kernel::{
    Fault, Seq, StreamId,
    clock::SharedClock,
    fault::chain,
    spawn::{SharedSpawn, Spawn},
};
use mainstem_log::SharedLog;
use mainstem_table::Tables;

use super::{Application, FlowConfig, build::Build, checkpoint::Pending, committer::Committer};
use crate::{
    errors::FlowError,
    note::{BuildNote, Note},
    outbox::Outbox,
    pool::Pool,
    source::ReaderParts,
    state::{SharedState, StateChange},
    track::Track,
    unit::Unit,
};

/// How long it waits when there is nothing to do, if nobody wakes it.
const IDLE: Duration = Duration::from_secs(10);
/// Shortest time between two heartbeats of the log, and before one that failed is tried again.
const BEAT_PAUSE: Duration = Duration::from_millis(250);
/// How long it waits for the applier at a time.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// Drives one application.
#[derive(Debug)]
pub struct Steps {
    pub(super) application: Arc<Application>,
    pub(super) tables: Arc<Tables>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) log: SharedLog,
    pub(super) clock: SharedClock,
    pub(super) spawn: SharedSpawn,
    pub(super) config: FlowConfig,
    pub(super) sources: ReaderParts,
    pub(super) pool: Pool,
    pub(super) state: SharedState,
    /// What was followed last.
    pub(super) defs: Arc<Definitions>,
    pub(super) table_defs: BTreeMap<StreamId, Arc<TableDef>>,
    pub(super) view_defs: BTreeMap<StreamId, Arc<ViewDef>>,
    pub(super) live: Track,
    pub(super) builds: Vec<Build>,
    /// Views that the last checkpoint has among the live ones.
    pub(super) kept: BTreeSet<StreamId>,
    /// Views of changes by key that begin once what they read is live.
    pub(super) loading: Vec<Unit>,
    /// Views that stand still, and where they go on if they are brought back.
    pub(super) rested: BTreeMap<StreamId, BuildNote>,
    /// Their state that no checkpoint has yet.
    pub(super) left: BTreeMap<StreamId, Vec<StateChange>>,
    /// Views and tables that are gone.
    pub(super) forgotten: BTreeSet<StreamId>,
    pub(super) outbox: Outbox,
    /// Batches of stream views that readers find beside the log.
    pub(super) emitted: BTreeMap<StreamId, usize>,
    /// State of views that stopped, to be removed by the next checkpoint.
    pub(super) void: Vec<Vec<u8>>,
    /// Whether something happened since the last checkpoint.
    pub(super) is_dirty: bool,
    /// When the last checkpoint was taken.
    pub(super) checkpointed: Duration,
    /// How long sealing it took.
    pub(super) sealing: Duration,
    pub(super) pending: Option<Pending>,
    pub(super) committer: Committer,
    /// What the last checkpoint of an earlier run says; until definitions are followed.
    pub(super) resume: Option<Note>,
    pub(super) has_failed: bool,
    /// When it last asked the log for a heartbeat.
    pub(super) beat: Option<Duration>,
    /// Whether more rows have outlived their time than the last step let go of.
    pub(super) expires_more: bool,
}

impl Steps {
    /// Goes on until the application is closed, then takes a last checkpoint.
    pub fn run(mut self) {
        self.follow_log();
        let beside = self.committer.start(&self.spawn, &self.application);
        if let Err(error) = beside {
            tracing::warn!(%error, "steps wait for their checkpoints");
        }
        while !self.application.is_closing() {
            match self.work() {
                Ok(true) => {}
                Ok(false) if self.waits_for_room() => {
                    self.tables.wait_for_room(ROOM_PATIENCE);
                }
                Ok(false) => {
                    let patience = self.patience();
                    self.application.wait(patience);
                }
                // It was told; the others go on.
                Err(_told) => self.application.wait(IDLE),
            }
        }
        if let Err(error) = self.finish() {
            let error = chain(&error);
            tracing::warn!(app = %self.application.app.name, error, "no last checkpoint");
        }
    }

    /// Does what there is to do now; whether there was something. For tests, and for whoever has a
    /// thread for several applications.
    ///
    /// # Errors
    /// Why the application stands still from now on, once; `false` is all that is said afterwards.
    pub fn work(&mut self) -> Result<bool, FlowError> {
        if self.has_failed || self.application.is_paused() {
            return Ok(false);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.round()));
        let outcome = outcome.unwrap_or_else(|panic| {
            let words = words(panic.as_ref());
            Err(FlowError::Panicked { words })
        });
        if let Err(error) = &outcome {
            self.has_failed = true;
            let (app, words) = (&self.application.app.name, chain(error));
            tracing::error!(%app, error = words, "an application stands still");
            self.application.status.lock().problem = Some(error.problem());
        }
        outcome
    }

    /// Takes a last checkpoint.
    ///
    /// # Errors
    /// As `work`.
    pub fn finish(&mut self) -> Result<(), FlowError> {
        if !self.has_failed && (self.is_dirty || self.pending.is_some()) {
            self.last_checkpoint()?;
        }
        Ok(())
    }

    fn round(&mut self) -> Result<bool, FlowError> {
        let frontier = self.log.frontier();
        // Definitions are taken after the frontier: whatever is below it was written by them.
        self.follow()?;
        let (has_moved, room) = match self.is_held_up() {
            true => (false, self.tables.room()),
            false => {
                let (has_stepped, room) = self.step(frontier)?;
                let has_moved = self.build()? || has_stepped;
                (has_moved || self.beat_if_due(), room)
            }
        };
        self.checkpoint_if_due(room)?;
        self.report(frontier);
        Ok(has_moved)
    }

    /// Lets the log move on without rows, if a view waits for event time that goes on by itself, or a
    /// row has outlived its time; whether it did.
    fn beat_if_due(&mut self) -> bool {
        if self.until_beat() != Some(Duration::ZERO) {
            return false;
        }
        self.beat = Some(self.clock.monotonic());
        let outcome = self.log.heartbeat();
        if let Err(error) = &outcome {
            let error = chain(error);
            tracing::debug!(app = %self.application.app.name, error, "no heartbeat");
        }
        outcome.is_ok()
    }

    /// How long until a heartbeat is due, if something waits for one.
    fn until_beat(&self) -> Option<Duration> {
        // Event time moves just before the millisecond that is due.
        let moves = self.live.next_move();
        let moves = moves.map(|moves| moves.millis().saturating_add(1));
        let expires = self.next_expiry().map(Seq::millis);
        let millis = moves.into_iter().chain(expires).min()?;
        let due = Seq::from_millis(millis).ahead_of(self.clock.now());
        let since = |beat| self.clock.monotonic().saturating_sub(beat);
        let pause = self.beat.map(|beat| BEAT_PAUSE.saturating_sub(since(beat)));
        Some(due.max(pause.unwrap_or_default()))
    }

    /// When rows go next. What stands against the store the next step says.
    fn next_expiry(&self) -> Option<Seq> {
        match self.expires_more {
            true => Some(self.live.at),
            false => self.tables.next_expiry().unwrap_or_default(),
        }
    }

    /// How long there is nothing to do.
    fn patience(&self) -> Duration {
        let until = self.until_checkpoint();
        match self.until_beat() {
            Some(beat) if !self.is_held_up() => until.min(beat.max(Duration::from_millis(1))),
            _ => until,
        }
    }

    /// How long no checkpoint is due.
    fn until_checkpoint(&self) -> Duration {
        // The committer wakes it.
        let is_away = matches!(self.pending, Some(Pending::Away));
        if is_away || !self.is_dirty && self.pending.is_none() {
            return IDLE;
        }
        let since = self.clock.monotonic().saturating_sub(self.checkpointed);
        self.checkpoint_pause().saturating_sub(since)
    }

    /// Is woken whenever the log's frontier moves.
    fn follow_log(&self) {
        let application = Arc::clone(&self.application);
        let mut frontier = self.log.watch();
        let mut closing = application.closing.subscribe();
        let body = async move {
            loop {
                tokio::select! {
                    moved = frontier.changed() => if moved.is_err() { return },
                    _ = closing.wait_for(|closing| *closing) => return,
                }
                application.wake();
            }
        };
        let name = format!("flow-{}", self.application.app.name);
        Spawn::task(self.spawn.as_ref(), &name, Box::pin(body));
    }
}

/// What a panic says.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
