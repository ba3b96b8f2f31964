//! Definitions are followed: tables and views come, change and go. Never a row is read here but
//! those of tables that are looked up.

use std::{collections::BTreeSet, sync::Arc};

use mainstem_catalog::{Definitions, Stage, StreamDef, TableDef, ViewDef};
use mainstem_kernel::{Fault, Seq, StreamId, fault::chain};
use mainstem_sql::view::Progress;
use mainstem_store::KeyRange;
use mainstem_table::{TableSchema, Tables};

use super::{Steps, build::Build, status::remaining};
use crate::{
    errors::FlowError,
    note::Note,
    source::{Reader, SourceColumn},
    table::LookupTable,
    unit::{Source, Unit},
    view::Kept,
};

/// Rows that a scan of a table gives at a time.
pub(super) const SCAN_ROWS: usize = 16_384;

impl Steps {
    /// Does what changed in the definitions since the last call.
    pub(super) fn follow(&mut self) -> Result<(), FlowError> {
        let defs = self.catalog.definitions();
        if Arc::ptr_eq(&defs, &self.defs) {
            return Ok(());
        }
        let older = std::mem::replace(&mut self.defs, Arc::clone(&defs));
        let resume = self.resume.take();
        if let Some(note) = &resume {
            self.forget_again(note)?;
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
                let lookup = lookup_table(&self.tables, def)?;
                Arc::make_mut(&mut self.live.lookups).insert(def.id, Arc::new(lookup));
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
                (false, true) => self.stop(def.id),
                (true, true) if !is_same || self.reads_changed(def, older) => self.replan(def)?,
                (true, true) | (false, false) => {}
            }
        }
        let gone = self.view_defs.keys();
        let gone = gone.filter(|id| !defs.views.contains_key(id));
        for id in gone.copied().collect::<Vec<_>>() {
            self.stop(id);
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

    /// Begins to run a view, or goes on with it.
    fn begin(
        &mut self,
        def: &Arc<ViewDef>,
        (resume, is_fresh): (Option<&Note>, bool),
    ) -> Result<(), FlowError> {
        self.is_dirty = true;
        let outcome = self.place(def, (resume, is_fresh));
        self.unless_refused(def, outcome)
    }

    /// A view that cannot be planned stands still; the others go on.
    fn unless_refused(
        &self,
        def: &ViewDef,
        outcome: Result<(), FlowError>,
    ) -> Result<(), FlowError> {
        match outcome {
            Err(error @ (FlowError::Planned { .. } | FlowError::Plan { .. })) => {
                self.pause_view(def, &error);
                Ok(())
            }
            other => other,
        }
    }

    /// A view stands still until it is another one, or the node starts again.
    pub(super) fn pause_view(&self, def: &ViewDef, error: &FlowError) {
        let (view, words) = (&def.spec.name, chain(error));
        tracing::error!(%view, error = words, "a view stands still");
        let mut status = self.application.status.lock();
        status.told(def.id).progress = Progress::Paused(error.problem());
    }

    fn place(
        &mut self,
        def: &Arc<ViewDef>,
        (resume, is_fresh): (Option<&Note>, bool),
    ) -> Result<(), FlowError> {
        let was_live = resume.is_some_and(|note| note.live.contains(&def.id));
        if was_live || is_fresh {
            let unit = Unit::open(&self.defs, def, (def.id, 0), (&self.state, Kept::State))?;
            let note = resume.map(|note| note.watermarks.as_slice());
            let kept = note.unwrap_or_default().iter();
            let mut kept = kept.filter(|(id, _)| *id == unit.source.id());
            let kept = kept.next().map(|(_, kept)| *kept);
            self.check_source(&unit)?;
            return self.go_live(unit, kept);
        }
        let note = resume.and_then(|note| note.builds.iter().find(|b| b.view == def.id));
        if let Some(note) = note {
            let build = Build::resume(self, def, note)?;
            self.builds.push(build);
            return Ok(());
        }
        let paused = self.paused.remove(&def.id);
        if paused.is_some() {
            // What it had is computed again: rows that it has shown are left out by their numbers.
            self.outbox.begin_again(def.id);
        }
        self.void.push(def.id.0.to_be_bytes().to_vec());
        if !def.spec.emit.is_stream() {
            self.remove_rows(def)?;
        }
        let unit = Unit::open(&self.defs, def, (def.id, 0), (&self.state, Kept::Nothing))?;
        match unit.source {
            Source::Keyed { .. } => self.loading.push(unit),
            Source::Stream { .. } | Source::Derived { .. } => {
                let build = Build::begin(self, def)?;
                self.builds.push(build);
            }
        }
        Ok(())
    }

    /// A view that reads one that stands still stands still too.
    fn check_source(&self, unit: &Unit) -> Result<(), FlowError> {
        let id = unit.source.id();
        let read = self.defs.views.get(&id);
        let is_live = self.live.units.iter().any(|other| other.def.id == id);
        match read {
            Some(read) if read.is_running() && !is_live => Err(FlowError::Plan {
                view: unit.def.id,
                reason: format!("view \"{}\", which it reads, stands still", read.spec.name),
            }),
            _ => Ok(()),
        }
    }

    /// A view goes on with the live ones.
    pub(super) fn go_live(
        &mut self,
        unit: Unit,
        kept: Option<crate::track::KeptWatermark>,
    ) -> Result<(), FlowError> {
        self.live.read_for(&unit.source, &self.defs, kept);
        for table in &unit.lookups {
            if !self.live.lookups.contains_key(table)
                && let Some(def) = self.table_defs.get(table)
            {
                let lookup = lookup_table(&self.tables, def)?;
                Arc::make_mut(&mut self.live.lookups).insert(*table, Arc::new(lookup));
            }
        }
        let units = &mut self.live.units;
        let at = units.partition_point(|other| other.def.id < unit.def.id);
        units.insert(at, unit);
        Ok(())
    }

    /// A view is not run any more; its rows and state stay until it is forgotten.
    fn stop(&mut self, id: StreamId) {
        let at = self.live.at;
        let was_live = self.live.units.iter().any(|unit| unit.def.id == id);
        self.live.units.retain(|unit| unit.def.id != id);
        self.builds.retain(|build| build.def.id != id);
        self.loading.retain(|unit| unit.def.id != id);
        if was_live {
            self.paused.insert(id, at);
        }
        let mut status = self.application.status.lock();
        status.views.remove(&id);
        status.ready.remove(&id);
        self.is_dirty = true;
    }

    fn forget_view(&mut self, id: StreamId) -> Result<(), FlowError> {
        self.tables.forget(id)?;
        self.tables.forget_state(&id.0.to_be_bytes());
        self.outbox.forget(id);
        self.paused.remove(&id);
        self.view_defs.remove(&id);
        self.forgotten.insert(id);
        Ok(())
    }

    /// A view reads things of other names, or has another one.
    fn replan(&mut self, def: &Arc<ViewDef>) -> Result<(), FlowError> {
        let defs = Arc::clone(&self.defs);
        let is_it = |unit: &&mut Unit| unit.def.id == def.id;
        let mut live = self.live.units.iter_mut().chain(&mut self.loading);
        if let Some(unit) = live.find(is_it) {
            if let Err(error) = unit.replan(&defs, def) {
                self.stop(def.id);
                return self.unless_refused(def, Err(error));
            }
            let source = unit.source.clone();
            if let Some(reader) = self.live.readers.get_mut(&source.id())
                && let Some(stream) = defs.streams.get(&source.id())
                && !Arc::ptr_eq(reader.def(), stream)
            {
                reader.redefine(Arc::clone(stream));
            }
            self.live.read_for(&source, &defs, None);
            return Ok(());
        }
        // What is built was planned with other names: it is begun again.
        let built = self.builds.iter().position(|build| build.def.id == def.id);
        if let Some(at) = built
            && !Arc::ptr_eq(&self.builds[at].def, def)
            && self.builds[at].def.spec == def.spec
        {
            self.builds[at].def = Arc::clone(def);
        } else if let Some(at) = built {
            self.builds.remove(at);
            self.outbox.begin_again(def.id);
            self.begin(def, (None, false))?;
        }
        Ok(())
    }

    /// What is built from a stream or table that has other columns now is begun again.
    fn begin_stale_builds_again(&mut self) -> Result<(), FlowError> {
        let defs = Arc::clone(&self.defs);
        let is_stale = |reader: &Reader| {
            let (id, def) = (reader.def().id, reader.def());
            let stream = defs.streams.get(&id);
            let table = defs.tables.get(&id);
            stream.is_some_and(|stream| !Arc::ptr_eq(stream, def))
                || table.is_some_and(|table| table.change_stream() != **def)
        };
        let builds = std::mem::take(&mut self.builds);
        let (stale, rest): (Vec<_>, Vec<_>) = builds
            .into_iter()
            .partition(|build| build.track.readers.values().any(is_stale));
        self.builds = rest;
        for build in stale {
            self.outbox.begin_again(build.def.id);
            self.begin(&build.def, (None, false))?;
        }
        Ok(())
    }

    /// Tells how views go, and which of them could be swapped in.
    pub(super) fn report(&mut self, frontier: Seq) {
        let has_caught_up = self.live.at >= frontier;
        let mut status = self.application.status.lock();
        for unit in &self.live.units {
            let is_ready = status.ready.contains(&unit.def.id) || has_caught_up;
            let progress = match (unit.def.stage, is_ready) {
                (Stage::Building, true) => {
                    status.ready.insert(unit.def.id);
                    Progress::Ready
                }
                (Stage::Building, false) => Progress::Building {
                    rows_done: self.live.rows_read,
                    rows_total: self.live.rows_read + self.live.rows_left(),
                    remaining: None,
                },
                (Stage::Live | Stage::Replaced { .. }, _) => {
                    status.ready.remove(&unit.def.id);
                    Progress::Live
                }
            };
            let told = status.told(unit.def.id);
            (told.at, told.progress) = (None, progress);
            (told.state_bytes, told.groups) = (unit.view.size(), unit.view.groups());
        }
        for build in &self.builds {
            let (read, left) = (build.track.rows_read, build.track.rows_left());
            let taken = self.clock.monotonic().saturating_sub(build.begun);
            let told = status.told(build.def.id);
            told.at = Some(build.track.at);
            told.progress = Progress::Building {
                rows_done: read,
                rows_total: read + left,
                remaining: remaining(read.saturating_sub(build.rows_before), left, taken),
            };
        }
    }
}

/// The columns of a change stream, in their order.
pub(super) fn declared(stream: &StreamDef) -> Vec<SourceColumn> {
    let columns = stream.spec.columns.0.iter();
    columns
        .map(|column| SourceColumn::Declared(column.id))
        .collect()
}

/// An empty table to look rows up in.
pub(super) fn empty_lookup(def: &TableDef) -> Result<LookupTable, FlowError> {
    let schema = TableSchema::of_table(def).row_schema();
    let key = def.spec.key.iter();
    let key = key.map(|name| schema.index_of(name.as_str()));
    let key = key.collect::<Result<_, _>>()?;
    Ok(LookupTable::new(schema, key, def.spec.ttl)?)
}

/// A table as it is at the frontier.
fn lookup_table(tables: &Tables, def: &TableDef) -> Result<LookupTable, FlowError> {
    let mut lookup = empty_lookup(def)?;
    let pointer = tables.pointer();
    let mut scan = pointer.scan(def.id, &KeyRange::all(), SCAN_ROWS)?;
    while let Some(rows) = scan.next() {
        let rows = rows?;
        lookup.load(&rows, scan.written())?;
    }
    lookup.settle()?;
    Ok(lookup)
}
