//! The goal of a rollback. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_catalog::{Revision, StreamDef, StreamSpec, TableDef, TableSpec};
use mainstem_kernel::{Column, Columns, Problem, StreamId};
use mainstem_sql::{Declaration, Declared};

use super::{Goal, Scope, Want, Wanted, WantedView};

/// What an earlier revision had: the same objects and columns by id, whatever they are called by
/// now. A schema only goes forward, so what was added since is hidden and NOT NULL that was
/// dropped since stays dropped. Views are planned anew from the files of then, which `declared`
/// are; versions that compute the same are brought back.
pub(crate) fn earlier(
    scope: Scope<'_>,
    (revision, declared): (&Revision, &[Declared]),
    problems: &mut Vec<Problem>,
) -> Goal {
    let mut goal = Goal::default();
    let mut claimed = BTreeSet::new();
    for then in &revision.streams {
        match scope.clash(&then.spec.name, None) {
            Some(clash) => problems.push(clash),
            None => goal
                .wanted
                .push(Wanted::Stream(stream(scope, then, &mut claimed))),
        }
    }
    for then in &revision.tables {
        match scope.clash(&then.spec.name, None) {
            Some(clash) => problems.push(clash),
            None => goal
                .wanted
                .push(Wanted::Table(table(scope, then, &mut claimed))),
        }
    }
    let views = revision.views.iter();
    let views: BTreeMap<&str, StreamId> =
        views.map(|def| (def.spec.name.as_str(), def.id)).collect();
    for Declared { declaration, place } in declared {
        let Declaration::View(text) = declaration else {
            continue;
        };
        if let Some(clash) = scope.clash(&text.name, Some(place)) {
            problems.push(clash);
            continue;
        }
        let name = text.name.as_str();
        let was = match views.get(name) {
            Some(id) => scope.versions_beside(*id, name),
            None => scope.versions(name, name),
        };
        claimed.extend(was.running());
        goal.views.push(WantedView {
            text: text.as_ref().clone(),
            place: place.clone(),
            was,
        });
    }
    scope.leave(&mut goal, &claimed);
    goal
}

fn stream(
    scope: Scope<'_>,
    then: &StreamDef,
    claimed: &mut BTreeSet<StreamId>,
) -> Want<StreamSpec, StreamDef> {
    let now = scope.definitions.streams.get(&then.id);
    let Some(now) = now.filter(|def| scope.definitions.is_whole(def)) else {
        return empty(&then.spec);
    };
    claimed.insert(now.id);
    let (columns, notes) = back(&then.spec.columns, &now.spec.columns);
    Want {
        spec: StreamSpec {
            columns,
            ..then.spec.clone()
        },
        from: Some(Arc::clone(now)),
        notes,
    }
}

fn table(
    scope: Scope<'_>,
    then: &TableDef,
    claimed: &mut BTreeSet<StreamId>,
) -> Want<TableSpec, TableDef> {
    let Some(now) = scope.definitions.tables.get(&then.id) else {
        return empty(&then.spec);
    };
    claimed.insert(now.id);
    let (columns, notes) = back(&then.spec.columns, &now.spec.columns);
    Want {
        spec: TableSpec {
            columns,
            ..then.spec.clone()
        },
        from: Some(Arc::clone(now)),
        notes,
    }
}

fn empty<S: Clone, D>(spec: &S) -> Want<S, D> {
    Want {
        notes: vec!["= empty: its rows are gone since seven days after its drop".to_owned()],
        ..Want::new(spec)
    }
}

fn back(then: &Columns, now: &Columns) -> (Columns, Vec<String>) {
    let mut notes = Vec::new();
    let is_required = |id: u32| {
        let mut columns = now.0.iter();
        columns.any(|column| column.id == id && !column.nullable)
    };
    let columns = then.0.iter().map(|column| {
        let nullable = !is_required(column.id);
        if nullable && !column.nullable {
            notes.push(format!(
                "= column {} still allows NULL: rows may have it",
                column.name
            ));
        }
        Column {
            nullable,
            ..column.clone()
        }
    });
    (Columns(columns.collect()), notes)
}
