//! Views that are built: each from the first row of the streams below it, in slices between steps,
//! until it has reached the frontier.

mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use datafusion::arrow::buffer::BooleanBuffer;
use mainstem_catalog::{Definitions, ViewDef};
use mainstem_kernel::{Seq, StreamId};
use mainstem_store::KeyRange;
use mainstem_table::{Changed, Step};

use super::{Steps, lookups::SCAN_ROWS};
use crate::{
    change::Weighted,
    errors::FlowError,
    note::BuildNote,
    pane::Tells,
    state::SharedState,
    track::Track,
    unit::{Inputs, ReadChanges, Source, Unit},
    view::Kept,
};
use tables::{Wanted, change_lookups, check_room};

/// Operators of a view that is computed along with another have numbers from here on, those of the
/// one below it from twice that, and so on.
const ALONG: u8 = 64;

/// A view that is built.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) def: Arc<ViewDef>,
    /// Its last unit is the view; those before it are computed along, for it alone.
    pub(super) track: Track,
    pub(super) begun: Duration,
    /// Rows that were read before this start of the program.
    pub(super) rows_before: u64,
}

/// The views that are streams from the lowest up to this one, each once. A view reads older ones
/// only, so their ids say which is below.
fn chain(
    defs: &Definitions,
    def: &Arc<ViewDef>,
    state: &SharedState,
    kept: Kept,
) -> Result<Vec<Unit>, FlowError> {
    let mut units: Vec<Unit> = Vec::new();
    let mut open = vec![Arc::clone(def)];
    while let Some(view) = open.pop() {
        if units.iter().any(|unit| unit.def.id == view.id) {
            continue;
        }
        let first = u8::try_from(units.len())
            .ok()
            .and_then(|along| along.checked_mul(ALONG));
        let first = first.ok_or_else(|| FlowError::Plan {
            view: def.id,
            reason: "more than three views are below it that are streams".to_owned(),
        })?;
        let unit = Unit::open(defs, &view, (def.id, first), (state, kept))?;
        let derived = unit.sources.iter().rev().filter_map(|source| match source {
            Source::Derived { id, .. } => defs.views.get(id),
            Source::Stream { .. } | Source::Keyed { .. } => None,
        });
        open.extend(derived.cloned());
        units.push(unit);
    }
    units.sort_by_key(|unit| unit.def.id);
    Ok(units)
}

impl Build {
    /// From the first row.
    pub(super) fn begin(steps: &Steps, def: &Arc<ViewDef>) -> Result<Self, FlowError> {
        Self::open(steps, def, None)
    }

    /// From where a checkpoint says.
    pub(super) fn resume(
        steps: &Steps,
        def: &Arc<ViewDef>,
        note: &BuildNote,
    ) -> Result<Self, FlowError> {
        Self::open(steps, def, Some(note))
    }

    fn open(
        steps: &Steps,
        def: &Arc<ViewDef>,
        note: Option<&BuildNote>,
    ) -> Result<Self, FlowError> {
        let kept = if note.is_some() {
            Kept::State
        } else {
            Kept::Nothing
        };
        let mut track = Track::new(steps.sources.clone(), Seq::ZERO);
        track.units = chain(&steps.defs, def, &steps.state, kept)?;
        let mut lookups = BTreeMap::new();
        for table in track.units.iter().flat_map(|unit| &unit.lookups) {
            if let Some(def) = steps.table_defs.get(table) {
                lookups.insert(*table, Arc::clone(def));
            }
        }
        let at = note.map_or(Seq::ZERO, |note| note.at);
        let wanted = Wanted {
            tables: &lookups,
            at,
            room: steps.lookup_room(),
        };
        wanted.read(&mut track, steps.config.step_size_max.as_usize())?;
        track.at = at;
        let sources = track.units.iter().flat_map(|unit| unit.sources.clone());
        let kept = note.map(|note| note.watermarks.as_slice());
        for source in sources.collect::<Vec<_>>() {
            track.read_for(&source, &steps.defs, kept.unwrap_or_default());
        }
        let rows_before = note.map_or(0, |note| note.rows_read);
        track.rows_read = rows_before;
        Ok(Self {
            def: Arc::clone(def),
            track,
            begun: steps.clock.monotonic(),
            rows_before,
        })
    }
}

impl Steps {
    /// Goes on with what is built, one slice of one view; whether there was something to do.
    pub(super) fn build(&mut self) -> Result<bool, FlowError> {
        let mut has_worked = self.load()?;
        if self.builds.is_empty() {
            return Ok(has_worked);
        }
        let mut build = self.builds.remove(0);
        has_worked |= match self.slice(&mut build) {
            // What is missing below it, or has no room, stands against this view alone.
            Err(
                error @ (FlowError::Missing { .. }
                | FlowError::LookupFull { .. }
                | FlowError::History(_)
                | FlowError::Read(_)),
            ) => {
                self.pause_view(&build.def, &error);
                return Ok(true);
            }
            worked => worked?,
        };
        let has_joined = build.track.at >= self.live.at && self.can_join(&build.track.units);
        if has_joined {
            self.join(build)?;
            return Ok(true);
        }
        // The others have their turns first.
        self.builds.push(build);
        Ok(has_worked)
    }

    fn slice(&mut self, build: &mut Build) -> Result<bool, FlowError> {
        let track = &mut build.track;
        let size_max = self.config.step_size_max.as_usize();
        let through = track.fill(self.live.at, size_max)?.min(self.live.at);
        if through <= track.at {
            return Ok(false);
        }
        let is_table = |id: StreamId| self.table_defs.contains_key(&id);
        let (mut inputs, pieces) = track.take(through, is_table)?;
        change_lookups(track, &pieces)?;
        check_room(track, self.lookup_room())?;
        let mut step = self.no_step();
        let mut units = std::mem::take(&mut track.units);
        let last = units.len().saturating_sub(1);
        let read = ReadChanges::of(&units);
        for (at, unit) in units.iter_mut().enumerate() {
            let tells = read.tells(unit.def.id);
            let (output, moment) = unit.step(&inputs, (&track.lookups, tells), &self.pool)?;
            inputs.moments.insert(unit.def.id, moment);
            if at == last {
                self.tell(&unit.def, &output, &mut step)?;
            }
            inputs.changes.insert(unit.def.id, output.rows);
        }
        track.units = units;
        track.settle_lookups()?;
        self.is_dirty = true;
        self.advance(step)?;
        Ok(true)
    }

    /// A step that stays where the frontier is.
    fn no_step(&self) -> Step {
        Step {
            through: self.live.at,
            ..Step::default()
        }
    }

    /// Whether what a view reads is live, so that it can go on with it.
    fn can_join(&self, units: &[Unit]) -> bool {
        let is_live = |source: &Source| match source {
            Source::Stream { .. } => true,
            Source::Derived { id, .. } | Source::Keyed { id } => {
                self.table_defs.contains_key(id)
                    || self.live.units.iter().any(|unit| unit.def.id == *id)
            }
        };
        units
            .last()
            .is_none_or(|unit| unit.sources.iter().all(is_live))
    }

    /// The view is at the frontier: from now on it goes on with the live ones.
    fn join(&mut self, build: Build) -> Result<(), FlowError> {
        let mut track = build.track;
        let Some(unit) = track.units.pop() else {
            return Ok(());
        };
        let kept: Vec<_> = track.kept_watermarks().into_iter().collect();
        for along in 1..=track.units.len() {
            let first = u8::try_from(along).unwrap_or(u8::MAX).saturating_mul(ALONG);
            for operator in first..first.saturating_add(ALONG - 1) {
                let view = build.def.id.0.to_be_bytes();
                self.void.push([view.as_slice(), &[operator]].concat());
            }
        }
        // At one seq a table is the same, whoever has read it.
        let live = Arc::make_mut(&mut self.live.lookups);
        for (table, lookup) in track.lookups.iter() {
            if unit.lookups.contains(table) {
                live.entry(*table).or_insert_with(|| Arc::clone(lookup));
            }
        }
        self.is_dirty = true;
        tracing::info!(view = %build.def.spec.name, rows = track.rows_read, "view has caught up");
        self.go_live(unit, &kept)
    }

    /// Views of changes by key begin with the rows that are there, once what they read is live.
    fn load(&mut self) -> Result<bool, FlowError> {
        let waiting = std::mem::take(&mut self.loading);
        let mut has_worked = false;
        for mut unit in waiting {
            if !self.can_join(std::slice::from_ref(&unit)) {
                self.loading.push(unit);
                continue;
            }
            self.load_rows(&mut unit)?;
            self.go_live(unit, &[])?;
            (has_worked, self.is_dirty) = (true, true);
        }
        Ok(has_worked)
    }

    /// Feeds a view with all rows of what it reads.
    fn load_rows(&mut self, unit: &mut Unit) -> Result<(), FlowError> {
        let pointer = self.tables.pointer();
        let read: BTreeSet<StreamId> = unit.sources.iter().map(Source::id).collect();
        for id in read {
            for rows in pointer.scan(id, &KeyRange::all(), SCAN_ROWS)? {
                let mut inputs = Inputs::new(self.live.at);
                inputs
                    .changes
                    .insert(id, vec![Weighted::inserts(rows?, self.live.at)]);
                let mut step = self.no_step();
                let (output, _) =
                    unit.step(&inputs, (&self.live.lookups, Tells::Changes), &self.pool)?;
                self.tell(&unit.def, &output, &mut step)?;
                self.advance(step)?;
            }
        }
        Ok(())
    }

    /// Removes the rows that a keyed view has from before.
    pub(super) fn remove_rows(&mut self, def: &ViewDef) -> Result<(), FlowError> {
        let pointer = self.tables.pointer();
        for rows in pointer.scan(def.id, &KeyRange::all(), SCAN_ROWS)? {
            let rows = rows?;
            let count = rows.num_rows();
            let mut step = self.no_step();
            step.changed.push(Changed {
                table: def.id,
                rows,
                deleted: BooleanBuffer::new_set(count),
                written: vec![self.live.at; count],
            });
            self.advance(step)?;
        }
        Ok(())
    }
}
