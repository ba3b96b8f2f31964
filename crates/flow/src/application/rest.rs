//! Views that stand still: what is kept of them, so that one that is brought back goes on where it
//! stopped instead of being computed again. A catalog forgets them in time, and then all of it goes.
//!
//! Kept is what a view that reads streams needs: its state, how far it is, and how far event time
//! was. A view that reads other views, or changes by key, is computed again from these.

use mainstem_catalog::{Definitions, ViewDef};
use mainstem_kernel::StreamId;

use super::{Steps, checkpoint::Pending};
use crate::{
    errors::FlowError,
    note::{BuildNote, Note},
    unit::Source,
};

impl Steps {
    /// A view is not run any more; its rows and state stay until it is forgotten.
    pub(super) fn stop(&mut self, id: StreamId) -> Result<(), FlowError> {
        let units = &mut self.live.units;
        if let Some(at) = units.iter().position(|unit| unit.def.id == id) {
            let mut unit = units.remove(at);
            let is_stream = |source: &Source| matches!(source, Source::Stream { .. });
            // A view that is looked up is among what it reads, and none of its sources.
            let is_whole = reads_streams(&self.defs, &unit.def);
            if unit.sources.iter().all(is_stream) && is_whole {
                let watermarks = self.live.kept_watermarks().into_iter();
                let note = BuildNote {
                    view: id,
                    at: self.live.at,
                    watermarks: watermarks.filter(|(id, _)| unit.reads(*id)).collect(),
                    rows_read: 0,
                };
                self.left.insert(id, unit.view.checkpoint()?);
                self.rested.insert(id, note);
            }
        }
        self.builds.retain(|build| build.def.id != id);
        self.loading.retain(|unit| unit.def.id != id);
        let mut status = self.application.status.lock();
        status.views.remove(&id);
        status.ready.remove(&id);
        self.is_dirty = true;
        Ok(())
    }

    /// Views that were live at the last checkpoint and stopped behind it: the checkpoint has all
    /// that is kept of them.
    pub(super) fn rest_again(&mut self, note: &Note) {
        for def in self.defs.views.values() {
            let is_at_rest = !def.is_running() && note.live.contains(&def.id);
            if is_at_rest && reads_streams(&self.defs, def) {
                let watermarks = note.watermarks.iter();
                let own = watermarks.filter(|(id, _)| def.spec.reads.contains(id));
                let kept = BuildNote {
                    view: def.id,
                    at: self.live.at,
                    watermarks: own.copied().collect(),
                    rows_read: 0,
                };
                self.rested.insert(def.id, kept);
            }
        }
    }

    /// What stopped since the last checkpoint goes into one, if it is about to be brought back.
    pub(super) fn keep_rested(&mut self, defs: &Definitions) -> Result<(), FlowError> {
        let is_back = |id: &StreamId| defs.views.get(id).is_some_and(|def| def.is_running());
        let is_unkept = !self.left.is_empty() || matches!(self.pending, Some(Pending::Away));
        if is_unkept && self.rested.keys().any(is_back) {
            self.last_checkpoint()?;
        }
        Ok(())
    }

    /// Where a view that is brought back goes on; nothing if it has to begin anew.
    pub(super) fn take_rested(&mut self, id: StreamId) -> Option<BuildNote> {
        let note = self.rested.remove(&id)?;
        // The disk refuses: the store does not have it.
        let is_left = self.left.remove(&id).is_some();
        let is_unkept = match &self.pending {
            Some(Pending::Here(commit)) => !commit.is_committed,
            Some(Pending::Away) => true,
            None => false,
        };
        (!is_left && !is_unkept).then_some(note)
    }

    /// Nothing is left of a view.
    pub(super) fn forget_view(&mut self, id: StreamId) -> Result<(), FlowError> {
        self.tables.forget(id)?;
        self.tables.forget_state(&id.0.to_be_bytes());
        self.outbox.forget(id);
        self.rested.remove(&id);
        self.left.remove(&id);
        self.view_defs.remove(&id);
        self.forgotten.insert(id);
        Ok(())
    }
}

/// Whether a view reads streams, and no other view.
fn reads_streams(defs: &Definitions, def: &ViewDef) -> bool {
    let mut reads = def.spec.reads.iter();
    let is_view = |id: &&StreamId| defs.views.contains_key(id);
    reads.clone().any(|id| defs.streams.contains_key(id)) && !reads.any(|id| is_view(&id))
}
