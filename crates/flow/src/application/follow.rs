//! Definitions are followed: tables and views come, change and go. Where a view is run is decided in
//! `place`; never a row is read here but those of tables that are looked up.

use std::{collections::BTreeSet, sync::Arc};

use mainstem_catalog::{Definitions, StreamDef, TableDef, ViewDef};
use mainstem_kernel::{Seq, StreamId};
use mainstem_sql::view::Progress;
use mainstem_table::TableSchema;

use super::{Steps, lookups::declared};
use crate::{errors::FlowError, note::Note};

impl Steps {
    /// Does what changed in the definitions since the last call.
    pub(super) fn follow(&mut self) -> Result<(), FlowError> {
        let defs = self.catalog.definitions();
        if Arc::ptr_eq(&defs, &self.defs) {
            return Ok(());
        }
        self.keep_rested(&defs)?;
        let older = std::mem::replace(&mut self.defs, Arc::clone(&defs));
        let resume = self.resume.take();
        if let Some(note) = &resume {
            self.forget_again(note)?;
            self.rest_again(note);
        }
        let is_first = older.seq == Seq::ZERO && self.view_defs.is_empty();
        self.follow_tables()?;
        self.follow_views(&older, (resume.as_ref(), is_first))?;
        self.begin_stale_builds_again()?;
        let tables: BTreeSet<StreamId> = self.table_defs.keys().copied().collect();
        self.live.leave_unread(|id| tables.contains(&id));
        Ok(())
    }

    /// What was gone before the last start may still be in the store.
    fn forget_again(&mut self, note: &Note) -> Result<(), FlowError> {
        let is_defined =
            |id: &StreamId| self.defs.tables.contains_key(id) || self.defs.views.contains_key(id);
        let known = note.known.iter().chain(&note.forgotten);
        let gone: Vec<StreamId> = known.filter(|id| !is_defined(id)).copied().collect();
        for id in gone {
            self.tables.forget(id)?;
            self.tables.forget_state(&id.0.to_be_bytes());
            self.rested.remove(&id);
            self.forgotten.insert(id);
        }
        Ok(())
    }

    fn follow_tables(&mut self) -> Result<(), FlowError> {
        let defs = Arc::clone(&self.defs);
        let app = self.application.app.clone();
        let own = |def: &&Arc<TableDef>| def.tenant == app.tenant && def.app == app.name;
        for def in defs.tables.values().filter(own) {
            let known = self.table_defs.get(&def.id);
            if known.is_some_and(|known| Arc::ptr_eq(known, def)) {
                continue;
            }
            self.tables.define(TableSchema::of_table(def))?;
            self.read_table(&Arc::new(def.change_stream()));
            self.table_defs.insert(def.id, Arc::clone(def));
            if self.live.lookups.contains_key(&def.id) {
                self.load_lookup(def)?;
            }
            self.is_dirty = true;
        }
        let gone = self.table_defs.keys();
        let gone = gone.filter(|id| !defs.tables.contains_key(id));
        for id in gone.copied().collect::<Vec<_>>() {
            self.tables.forget(id)?;
            self.table_defs.remove(&id);
            self.live.readers.remove(&id);
            self.forgotten.insert(id);
            self.is_dirty = true;
        }
        Ok(())
    }

    fn read_table(&mut self, stream: &Arc<StreamDef>) {
        if let Some(reader) = self.live.readers.get_mut(&stream.id) {
            reader.redefine(Arc::clone(stream));
        }
        self.live.reader(stream).want(&declared(stream));
    }

    fn follow_views(
        &mut self,
        older: &Definitions,
        (resume, is_first): (Option<&Note>, bool),
    ) -> Result<(), FlowError> {
        let defs = Arc::clone(&self.defs);
        let app = self.application.app.clone();
        let own = |def: &&Arc<ViewDef>| def.tenant == app.tenant && def.app == app.name;
        for def in defs.views.values().filter(own) {
            let known = self.view_defs.insert(def.id, Arc::clone(def));
            let is_same = known.as_ref().is_some_and(|known| Arc::ptr_eq(known, def));
            if known.is_none() {
                self.define_view(def)?;
            }
            match (def.is_running(), self.is_placed(def.id)) {
                (true, false) => self.begin(def, (resume, is_first && resume.is_none()))?,
                (false, true) => self.stop(def.id)?,
                (true, true) if !is_same || self.reads_changed(def, older) => self.replan(def)?,
                (true, true) | (false, false) => {}
            }
        }
        let gone = self.view_defs.keys();
        let gone = gone.filter(|id| !defs.views.contains_key(id));
        for id in gone.copied().collect::<Vec<_>>() {
            self.stop(id)?;
            self.forget_view(id)?;
        }
        Ok(())
    }

    fn define_view(&mut self, def: &ViewDef) -> Result<(), FlowError> {
        self.is_dirty = true;
        match TableSchema::of_view(def) {
            Some(schema) => self.tables.define(schema)?,
            // What the log has of it was committed.
            None => self.tables.appended(def.id, 0, self.log.frontier())?,
        }
        Ok(())
    }

    /// Whether a view is run somewhere, or cannot be.
    fn is_placed(&self, id: StreamId) -> bool {
        let live = self.live.units.iter().chain(&self.loading);
        let mut placed = live.map(|unit| unit.def.id);
        let status = self.application.status.lock();
        let told = status.views.get(&id);
        placed.any(|placed| placed == id)
            || self.builds.iter().any(|build| build.def.id == id)
            || told.is_some_and(|told| matches!(told.progress, Progress::Paused(_)))
    }

    fn reads_changed(&self, def: &ViewDef, older: &Definitions) -> bool {
        def.spec.reads.iter().any(|id| {
            match (self.defs.streams.get(id), older.streams.get(id)) {
                (Some(new), Some(old)) if !Arc::ptr_eq(new, old) => return true,
                _ => {}
            }
            match (self.defs.tables.get(id), older.tables.get(id)) {
                (Some(new), Some(old)) => !Arc::ptr_eq(new, old),
                _ => false,
            }
        })
    }
}
