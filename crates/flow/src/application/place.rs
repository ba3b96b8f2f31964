//! Where a view is run: with the live ones, in a build of its own, behind what it reads, or nowhere
//! any more; and what becomes of it when what it reads gets other names or columns.

use std::sync::Arc;

use mainstem_catalog::ViewDef;
use mainstem_kernel::{Fault, StreamId, fault::chain};
use mainstem_sql::view::Progress;

use super::{Steps, build::Build};
use crate::{
    errors::FlowError,
    note::Note,
    source::Reader,
    unit::{Source, Unit},
    view::Kept,
    watermark::KeptWatermark,
};

impl Steps {
    /// Begins to run a view, or goes on with it.
    pub(super) fn begin(
        &mut self,
        def: &Arc<ViewDef>,
        (resume, is_fresh): (Option<&Note>, bool),
    ) -> Result<(), FlowError> {
        self.is_dirty = true;
        let outcome = self.place(def, (resume, is_fresh));
        self.unless_refused(def, outcome)
    }

    /// A view that cannot be planned stands still; the others go on.
    pub(super) fn unless_refused(
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
            let kept = resume.map(|note| note.watermarks.as_slice());
            self.check_sources(&unit)?;
            return self.go_live(unit, kept.unwrap_or_default());
        }
        let note = resume.and_then(|note| note.builds.iter().find(|b| b.view == def.id));
        if let Some(note) = note {
            return self.go_on_building(def, Build::resume(self, def, note));
        }
        if let Some(note) = self.take_rested(def.id) {
            return self.go_on_building(def, Build::resume(self, def, &note));
        }
        // What it had is computed again: rows that it has shown are left out by their numbers.
        self.outbox.begin_again(def.id);
        self.void.push(def.id.0.to_be_bytes().to_vec());
        if !def.spec.emit.is_stream() {
            self.remove_rows(def)?;
        }
        let unit = Unit::open(&self.defs, def, (def.id, 0), (&self.state, Kept::Nothing))?;
        let is_keyed = |source: &Source| matches!(source, Source::Keyed { .. });
        if unit.sources.iter().all(is_keyed) {
            self.loading.push(unit);
            return Ok(());
        }
        self.go_on_building(def, Build::begin(self, def))
    }

    /// A view that looks up more than there is room for is not built; the live ones go on.
    fn go_on_building(
        &mut self,
        def: &ViewDef,
        build: Result<Build, FlowError>,
    ) -> Result<(), FlowError> {
        match build {
            Err(error @ FlowError::LookupFull { .. }) => self.pause_view(def, &error),
            build => self.builds.push(build?),
        }
        Ok(())
    }

    /// A view that reads one that stands still stands still too.
    fn check_sources(&self, unit: &Unit) -> Result<(), FlowError> {
        let is_live = |id: &StreamId| self.live.units.iter().any(|other| other.def.id == *id);
        let read = unit.sources.iter().map(Source::id);
        let mut read = read.filter(|id| !is_live(id));
        let still = read.find_map(|id| self.defs.views.get(&id).filter(|read| read.is_running()));
        match still {
            Some(read) => Err(FlowError::Plan {
                view: unit.def.id,
                reason: format!("view \"{}\", which it reads, stands still", read.spec.name),
            }),
            None => Ok(()),
        }
    }

    /// A view goes on with the live ones; `kept` is what is known of event time.
    pub(super) fn go_live(
        &mut self,
        unit: Unit,
        kept: &[(StreamId, KeptWatermark)],
    ) -> Result<(), FlowError> {
        for source in &unit.sources {
            self.live.read_for(source, &self.defs, kept);
        }
        for table in &unit.lookups {
            if !self.live.lookups.contains_key(table)
                && let Some(def) = self.table_defs.get(table).cloned()
            {
                self.load_lookup(&def)?;
            }
        }
        let units = &mut self.live.units;
        let at = units.partition_point(|other| other.def.id < unit.def.id);
        units.insert(at, unit);
        Ok(())
    }

    /// A view reads things of other names, or has another one.
    pub(super) fn replan(&mut self, def: &Arc<ViewDef>) -> Result<(), FlowError> {
        let defs = Arc::clone(&self.defs);
        let is_it = |unit: &&mut Unit| unit.def.id == def.id;
        let mut live = self.live.units.iter_mut().chain(&mut self.loading);
        if let Some(unit) = live.find(is_it) {
            if let Err(error) = unit.replan(&defs, def) {
                self.stop(def.id)?;
                return self.unless_refused(def, Err(error));
            }
            for source in unit.sources.clone() {
                if let Some(reader) = self.live.readers.get_mut(&source.id())
                    && let Some(stream) = defs.streams.get(&source.id())
                    && !Arc::ptr_eq(reader.def(), stream)
                {
                    reader.redefine(Arc::clone(stream));
                }
                self.live.read_for(&source, &defs, &[]);
            }
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
    pub(super) fn begin_stale_builds_again(&mut self) -> Result<(), FlowError> {
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
}
