//! What was changed by other means since the last apply, in lines. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::{AppDef, Kind, Object, Stage, StreamSpec, TableSpec, ViewDef};
use mainstem_kernel::StreamName;
use mainstem_sql::{Declaration, ViewText};

use crate::{
    describe,
    goal::{Scope, stream_with_ids, table_with_ids},
    names::Renames,
    words,
};

/// The statements of an application as they were applied last, by name.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) streams: BTreeMap<String, StreamSpec>,
    pub(crate) tables: BTreeMap<String, TableSpec>,
    views: BTreeMap<String, ViewText>,
}

impl Stored {
    /// Reads them; empty if this version does not read them any more.
    pub(crate) fn read(app: &AppDef) -> Self {
        let mut stored = Self::default();
        let declared = mainstem_sql::declarations(&app.files).unwrap_or_default();
        for declared in declared {
            match declared.declaration {
                Declaration::Stream(spec) => {
                    stored.streams.insert(spec.name.to_string(), spec);
                }
                Declaration::Table(spec) => {
                    stored.tables.insert(spec.name.to_string(), spec);
                }
                Declaration::View(text) => {
                    stored.views.insert(text.name.to_string(), *text);
                }
                _ => {}
            }
        }
        stored
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        let stream = self.streams.get(name).map(|_| Kind::Stream);
        let table = self.tables.get(name).map(|_| Kind::Table);
        let view = self.views.get(name).map(|_| Kind::View);
        stream.or(table).or(view)
    }
}

/// Where the objects differ from what was applied.
pub(crate) fn find(scope: Scope<'_>) -> Vec<String> {
    let live = scope.live();
    let stored = scope.stored;
    let names = live.keys().copied();
    let names = names.chain(stored.streams.keys().map(String::as_str));
    let names = names.chain(stored.tables.keys().map(String::as_str));
    let names: BTreeSet<&str> = names
        .chain(stored.views.keys().map(String::as_str))
        .collect();
    let mut lines = Vec::new();
    for name in names {
        let applied = stored.kind(name);
        let object = live.get(name).copied();
        let is_same_kind = object.is_some_and(|object| Some(object.kind()) == applied);
        if let Some(object) = object.filter(|_| is_same_kind) {
            let label = object.label();
            let changed = changed(scope, name, object);
            lines.extend(changed.iter().map(|line| format!("{label}: {line}")));
            continue;
        }
        if let (Some(kind), Ok(name)) = (applied, StreamName::new(name)) {
            lines.push(format!("{} is gone", words::label(kind, &name)));
        }
        if let Some(object) = object {
            lines.push(format!("{} is not declared", object.label()));
        }
    }
    lines
}

/// What differs of one object.
fn changed(scope: Scope<'_>, name: &str, object: Object<'_>) -> Vec<String> {
    let (stored, none) = (scope.stored, Renames::default());
    let lines = match object {
        Object::Stream(def) => stored.streams.get(name).map(|stored| {
            let stored = stream_with_ids(stored, &none, def, &mut Vec::new());
            describe::between(&stored, &def.spec).lines
        }),
        Object::Table(def) => stored.tables.get(name).map(|stored| {
            let stored = table_with_ids(stored, &none, def, &mut Vec::new());
            describe::between_tables(&stored, &def.spec).lines
        }),
        Object::View(def) => stored.views.get(name).map(|stored| {
            let is_other = newest(scope, def).spec.sql != stored.sql;
            is_other.then(|| "~ text".to_owned()).into_iter().collect()
        }),
    };
    lines.unwrap_or_default()
}

/// The version that was applied last: the one that is being built, if there is one.
fn newest<'a>(scope: Scope<'a>, def: &'a ViewDef) -> &'a ViewDef {
    let mut versions = scope.definitions.views_of(scope.tenant, scope.app);
    let building =
        versions.find(|other| other.stage == Stage::Building && other.spec.name == def.spec.name);
    building.map_or(def, |building| building.as_ref())
}
