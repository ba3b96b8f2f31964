//! The goal that declarations ask for. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_catalog::{Object, StreamDef, StreamSpec, TableDef, TableSpec};
use mainstem_kernel::{Place, Problem, StreamId};
use mainstem_sql::{Declaration, Declared, ViewText};

use super::{Goal, Scope, Want, Wanted, WantedView};
use crate::{
    evolution,
    names::{Known, Renames},
};

/// What the declarations ask for; every mistake goes to `problems`.
pub(crate) fn declared(
    scope: Scope<'_>,
    declared: &[Declared],
    problems: &mut Vec<Problem>,
) -> Goal {
    let live = scope.live();
    let renames = Renames::read(declared, &live, problems);
    let mut reading = Reading {
        scope,
        live,
        renames,
        problems,
        goal: Goal::default(),
        claimed: BTreeSet::new(),
    };
    for Declared { declaration, place } in declared {
        match declaration {
            Declaration::Stream(spec) => reading.stream(spec, place),
            Declaration::Table(spec) => reading.table(spec, place),
            Declaration::View(text) => reading.view(text, place),
            _ => {}
        }
    }
    let Reading {
        mut goal, claimed, ..
    } = reading;
    scope.leave(&mut goal, &claimed);
    goal
}

struct Reading<'a> {
    scope: Scope<'a>,
    live: BTreeMap<&'a str, Object<'a>>,
    renames: Renames<'a>,
    problems: &'a mut Vec<Problem>,
    goal: Goal,
    claimed: BTreeSet<StreamId>,
}

impl<'a> Reading<'a> {
    /// Which live object a declared one is: of another kind, it is none.
    fn known(&self, name: &str) -> Option<Object<'a>> {
        let renamed = self.renames.object(name);
        renamed.or_else(|| self.live.get(name).copied())
    }

    fn is_free(&mut self, name: &mainstem_kernel::StreamName, place: &Place) -> bool {
        let clash = self.scope.clash(name, Some(place));
        let is_free = clash.is_none();
        self.problems.extend(clash);
        is_free
    }

    fn stream(&mut self, spec: &StreamSpec, place: &Place) {
        if !self.is_free(&spec.name, place) {
            return;
        }
        let wanted = match self.known(spec.name.as_str()) {
            Some(Object::Stream(def)) => {
                self.claimed.insert(def.id);
                self.evolved_stream(spec, def, place)
            }
            _ => restored_stream(self.scope, spec, place).unwrap_or_else(|| Want::new(spec)),
        };
        self.goal.wanted.push(Wanted::Stream(wanted));
    }

    fn evolved_stream(
        &mut self,
        spec: &StreamSpec,
        def: &Arc<StreamDef>,
        place: &Place,
    ) -> Want<StreamSpec, StreamDef> {
        let spec = stream_with_ids(spec, &self.renames, def, self.problems);
        let stored = self.scope.stored.streams.get(def.spec.name.as_str());
        let none = Renames::default();
        let stored = stored.map(|stored| stream_with_ids(stored, &none, def, &mut Vec::new()));
        let spec = evolution::settle_stream(&spec, def, stored.as_ref());
        let refusals = evolution::stream_refusals(def, &spec, place);
        self.problems.extend(refusals);
        Want::from(spec, def)
    }

    fn table(&mut self, spec: &TableSpec, place: &Place) {
        if !self.is_free(&spec.name, place) {
            return;
        }
        let wanted = match self.known(spec.name.as_str()) {
            Some(Object::Table(def)) => {
                self.claimed.insert(def.id);
                self.evolved_table(spec, def, place)
            }
            _ => restored_table(self.scope, spec, place).unwrap_or_else(|| Want::new(spec)),
        };
        self.goal.wanted.push(Wanted::Table(wanted));
    }

    fn evolved_table(
        &mut self,
        spec: &TableSpec,
        def: &Arc<TableDef>,
        place: &Place,
    ) -> Want<TableSpec, TableDef> {
        let spec = table_with_ids(spec, &self.renames, def, self.problems);
        let stored = self.scope.stored.tables.get(def.spec.name.as_str());
        let none = Renames::default();
        let stored = stored.map(|stored| table_with_ids(stored, &none, def, &mut Vec::new()));
        let spec = evolution::settle_table(&spec, def, stored.as_ref());
        let refusals = evolution::table_refusals(def, &spec, place);
        self.problems.extend(refusals);
        Want::from(spec, def)
    }

    fn view(&mut self, text: &ViewText, place: &Place) {
        if !self.is_free(&text.name, place) {
            return;
        }
        let name = text.name.as_str();
        let was = match self.known(name) {
            Some(Object::View(def)) => self.scope.versions(def.spec.name.as_str(), name),
            _ => self.scope.versions(name, name),
        };
        self.claimed.extend(was.running());
        self.goal.views.push(WantedView {
            text: text.clone(),
            place: place.clone(),
            was,
        });
    }
}

impl<S: Clone, D> Want<S, D> {
    pub(super) fn new(spec: &S) -> Self {
        Self {
            spec: spec.clone(),
            from: None,
            notes: Vec::new(),
        }
    }

    fn from(spec: S, def: &Arc<D>) -> Self {
        Self {
            spec,
            from: Some(Arc::clone(def)),
            notes: Vec::new(),
        }
    }
}

/// The stream of that name that was dropped last, if it can become what is declared.
fn restored_stream(
    scope: Scope<'_>,
    spec: &StreamSpec,
    place: &Place,
) -> Option<Want<StreamSpec, StreamDef>> {
    let dropped = scope.definitions;
    let def = dropped.dropped(scope.tenant, scope.app, &spec.name)?;
    let spec = stream_with_ids(spec, &Renames::default(), def, &mut Vec::new());
    let is_fit = evolution::stream_refusals(def, &spec, place).is_empty();
    is_fit.then(|| Want::from(spec, def))
}

/// The table of that name that was dropped last, if it can become what is declared.
fn restored_table(
    scope: Scope<'_>,
    spec: &TableSpec,
    place: &Place,
) -> Option<Want<TableSpec, TableDef>> {
    let dropped = scope.definitions;
    let def = dropped.dropped_table(scope.tenant, scope.app, &spec.name)?;
    let spec = table_with_ids(spec, &Renames::default(), def, &mut Vec::new());
    let is_fit = evolution::table_refusals(def, &spec, place).is_empty();
    is_fit.then(|| Want::from(spec, def))
}

/// A declared stream with the ids that its columns have.
pub(crate) fn stream_with_ids(
    spec: &StreamSpec,
    renames: &Renames<'_>,
    def: &StreamDef,
    problems: &mut Vec<Problem>,
) -> StreamSpec {
    let declared = (spec.name.as_str(), &spec.columns);
    StreamSpec {
        columns: renames.with_ids(declared, &Known::stream(def), problems),
        ..spec.clone()
    }
}

/// A declared table with the ids that its columns have.
pub(crate) fn table_with_ids(
    spec: &TableSpec,
    renames: &Renames<'_>,
    def: &TableDef,
    problems: &mut Vec<Problem>,
) -> TableSpec {
    let declared = (spec.name.as_str(), &spec.columns);
    TableSpec {
        columns: renames.with_ids(declared, &Known::table(def), problems),
        ..spec.clone()
    }
}
