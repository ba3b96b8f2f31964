//! Checkpoints: state, outgoing rows and the note become one redo file; then rows leave.
//!
//! Steps seal, which needs no disk; a `Committer` does the rest beside them. There is one
//! checkpoint under way at a time.

use std::{ops::ControlFlow, time::Duration};

use mainstem_catalog::Stage;
use mainstem_store::KeyRange;
use mainstem_table::{Checkpoint, Room, StateDelta};

use super::{
    Steps,
    commit::{Commit, Emitted, Outcome},
    committer::Done,
};
use crate::{
    errors::FlowError,
    note::{BuildNote, Note},
    state::StateChange,
    track::Track,
};

/// How long it waits after the disk or the log refused.
const PENANCE: Duration = Duration::from_millis(500);
/// Sealing takes at most one part of the time in so many, while checkpoints need not be rarer than
/// `checkpoint_interval` for it.
const SEALING_SHARE: u32 = 5;

/// Changed state that was let go may take one part in so many of what state may.
const WAITING_PARTS: usize = 4;

/// A checkpoint that is under way.
#[derive(Debug)]
pub(super) enum Pending {
    /// To be gone on with.
    Here(Box<Commit>),
    /// The committer has it.
    Away,
}

impl Steps {
    /// How long after the last checkpoint the next one is due.
    pub(super) fn checkpoint_pause(&self) -> Duration {
        let longest = self.config.checkpoint_interval;
        if self.pending.is_some() {
            return PENANCE;
        }
        if self.outbox.is_empty() {
            return longest;
        }
        let fair = self.sealing.saturating_mul(SEALING_SHARE - 1).min(longest);
        self.config.outgoing_interval.max(fair)
    }

    /// Takes a checkpoint if it is time, or there is no room for more changes.
    pub(super) fn checkpoint_if_due(&mut self, room: Room) -> Result<(), FlowError> {
        if matches!(self.pending, Some(Pending::Away))
            && let Some(done) = self.committer.poll()
        {
            self.done(done)?;
        }
        let room = self.make_room(room)?;
        let since = self.clock.monotonic().saturating_sub(self.checkpointed);
        let is_wanted_now = self.pending.is_none() && self.has_unkept();
        self.is_dirty |= is_wanted_now;
        let is_due = is_wanted_now || since >= self.checkpoint_pause();
        let is_wanted = match self.pending {
            None => self.is_dirty,
            Some(Pending::Here(_)) => true,
            Some(Pending::Away) => false,
        };
        if is_wanted && (is_due || room == Room::Full) {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Whether a view that was built is to be swapped in, as soon as a checkpoint has it: a crash
    /// must not make it begin again once readers have it.
    fn has_unkept(&self) -> bool {
        let mut units = self.live.units.iter();
        units.any(|unit| unit.def.stage == Stage::Building && !self.kept.contains(&unit.def.id))
    }

    /// Takes a checkpoint, or goes on with the last one, if that has not left yet.
    pub(super) fn checkpoint(&mut self) -> Result<(), FlowError> {
        let begun = self.clock.monotonic();
        let commit = match self.pending.take() {
            Some(Pending::Here(commit)) => commit,
            None if self.is_dirty => Box::new(self.seal()?),
            none_or_away => {
                self.pending = none_or_away;
                return Ok(());
            }
        };
        self.checkpointed = self.clock.monotonic();
        self.sealing = self.checkpointed.saturating_sub(begun);
        match self.committer.give(commit) {
            Some(done) => self.done(done),
            None => {
                self.pending = Some(Pending::Away);
                Ok(())
            }
        }
    }

    /// Takes a last checkpoint, and sees it through.
    pub(super) fn last_checkpoint(&mut self) -> Result<(), FlowError> {
        self.settle_pending()?;
        self.checkpoint()?;
        self.settle_pending()
    }

    fn settle_pending(&mut self) -> Result<(), FlowError> {
        if matches!(self.pending, Some(Pending::Away))
            && let Some(done) = self.committer.wait()
        {
            self.done(done)?;
        }
        Ok(())
    }

    fn done(&mut self, done: Done) -> Result<(), FlowError> {
        let Done { commit, outcome } = done;
        self.pending = None;
        let outcome = outcome?;
        if commit.is_committed {
            self.kept.clone_from(&commit.live);
            self.let_go()?;
        }
        match outcome {
            Outcome::Gone => self.application.status.lock().checkpoints += 1,
            Outcome::Waits => self.pending = Some(Pending::Here(commit)),
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<Commit, FlowError> {
        let mut state = StateDelta::default();
        let pointer = self.tables.pointer();
        for prefix in self.void.drain(..) {
            let mut keys = Vec::new();
            let mut visit = |key: &[u8], _: &[u8]| {
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            };
            pointer.scan_state(&KeyRange::prefix(&prefix), &mut visit)?;
            keys.into_iter().for_each(|key| state.remove(key));
        }
        drop(pointer);
        let left = std::mem::take(&mut self.left);
        left.into_values()
            .flatten()
            .for_each(|change| put(&mut state, change));
        let tracks = self.builds.iter_mut().map(|build| &mut build.track);
        for track in tracks.chain([&mut self.live]) {
            for unit in &mut track.units {
                for change in unit.view.checkpoint()? {
                    put(&mut state, change);
                }
            }
        }
        let outgoing = self.outbox.seal()?;
        let note = self.note().encode();
        let sealed = self.tables.seal(Checkpoint {
            state,
            outgoing,
            note,
        })?;
        self.is_dirty = false;
        let emitted = Emitted {
            views: self.view_defs.keys().copied().collect(),
            batches: std::mem::take(&mut self.emitted),
        };
        let live = self.live.units.iter().map(|unit| unit.def.id);
        Ok(Commit::sealed(sealed, emitted, live.collect()))
    }

    fn note(&self) -> Note {
        let watermarks = |track: &Track| track.kept_watermarks().into_iter().collect();
        let builds = self.builds.iter().map(|build| BuildNote {
            view: build.def.id,
            at: build.track.at,
            watermarks: watermarks(&build.track),
            rows_read: build.track.rows_read,
        });
        let paused = self.rested.values().map(|kept| (kept.view, kept.at));
        let known = self.table_defs.keys().chain(self.view_defs.keys());
        Note {
            live: self.live.units.iter().map(|unit| unit.def.id).collect(),
            watermarks: watermarks(&self.live),
            builds: builds.collect(),
            paused: paused.collect(),
            rested: self.rested.values().cloned().collect(),
            numbers: self.outbox.numbers(),
            forgotten: self.forgotten.iter().copied().collect(),
            known: known.copied().collect(),
            ..Note::default()
        }
    }

    /// Lets go of state beyond the limit.
    fn let_go(&mut self) -> Result<(), FlowError> {
        let builds = self.builds.iter_mut().map(|build| &mut build.track);
        let tracks = builds.chain([&mut self.live]);
        let mut units: Vec<_> = tracks.flat_map(|track| &mut track.units).collect();
        let share = self.config.state_size_max.as_usize() / units.len().max(1);
        for unit in &mut units {
            unit.view.let_go(share)?;
        }
        let lookups = self.live.lookups.values();
        let mut status = self.application.status.lock();
        status.lookup_rows = lookups.clone().map(|table| table.rows()).sum();
        status.lookup_bytes = lookups.map(|table| table.size()).sum();
        Ok(())
    }

    /// Whether changed state that was let go takes as much memory as it may until a checkpoint.
    fn is_state_waiting(&self) -> bool {
        let builds = self.builds.iter().map(|build| &build.track);
        let units = builds.chain([&self.live]).flat_map(|track| &track.units);
        let waiting: usize = units.map(|unit| unit.view.waiting()).sum();
        waiting > self.config.state_size_max.as_usize() / WAITING_PARTS
    }

    /// Whether nothing can go on before the disk, the log or the store takes what there is.
    pub(super) fn is_held_up(&self) -> bool {
        let is_refused = matches!(self.pending, Some(Pending::Here(_)));
        is_refused && self.is_state_waiting() || self.waits_for_room()
    }

    /// Whether changes of tables have all the memory that they may, and some of them are on their way
    /// to the store. Writes that a step is still to take in are none: no step, no room.
    pub(super) fn waits_for_room(&self) -> bool {
        let is_on_its_way = self.is_dirty || self.pending.is_some() || self.tables.is_applying();
        is_on_its_way && self.tables.room() == Room::Full
    }

    /// Changes wait for a checkpoint in memory, those of tables and state that was let go: one comes
    /// at once when they take all of what they may, or a good part of it, and steps wait for the one
    /// before it.
    fn make_room(&mut self, room: Room) -> Result<Room, FlowError> {
        if room == Room::Ample && !self.is_state_waiting() {
            return Ok(room);
        }
        self.settle_pending()?;
        Ok(match self.pending {
            None => Room::Full,
            Some(_) => room,
        })
    }
}

fn put(state: &mut StateDelta, change: StateChange) {
    let StateChange { key, value } = change;
    match value {
        Some(value) => state.put(key, value),
        None => state.remove(key),
    }
}
