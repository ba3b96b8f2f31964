//! What an application's streams are to be: from its declarations, or from an earlier revision.
//!
//! It never changes anything, and never reads anything but definitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_catalog::{Definitions, Revision, StreamDef, StreamSpec};
use mainstem_kernel::{AppName, Code, Column, Columns, Place, Problem, StreamId, TenantId};
use mainstem_sql::{Declaration, Declared};

use crate::{evolution, names::Renames, words::problem};

/// What the streams of an application are to be.
#[derive(Debug, Default)]
pub(crate) struct Goal {
    /// In the order of the files.
    pub(crate) wanted: Vec<Wanted>,
    /// Live streams that are not wanted any more.
    pub(crate) drops: Vec<Arc<StreamDef>>,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// What it is to be; columns carry the ids that they have in `from`.
    pub(crate) spec: StreamSpec,
    /// What it is now, live or dropped; `None` if it is new.
    pub(crate) from: Option<Arc<StreamDef>>,
    /// What is worth knowing.
    pub(crate) notes: Vec<String>,
}

/// Whose streams, among which definitions, and what was applied last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) app: &'a AppName,
    pub(crate) definitions: &'a Definitions,
    /// The statements as they were applied last, by name.
    pub(crate) stored: &'a BTreeMap<String, StreamSpec>,
}

impl<'a> Scope<'a> {
    /// The application's live streams by name.
    pub(crate) fn live(&self) -> BTreeMap<&'a str, &'a Arc<StreamDef>> {
        let streams = self.definitions.streams.values().filter(|def| {
            let is_own = def.tenant == self.tenant && def.app == *self.app;
            is_own && def.dropped.is_none() && def.dead_letters.is_some()
        });
        streams.map(|def| (def.spec.name.as_str(), def)).collect()
    }

    /// Who else has the name of a stream.
    fn clash(&self, spec: &StreamSpec, place: Option<&Place>) -> Option<Problem> {
        let name = &spec.name;
        let other = self.definitions.stream(self.tenant, name.as_str())?;
        if other.app == *self.app {
            return None;
        }
        let message = format!("name \"{name}\" belongs to application \"{}\"", other.app);
        Some(Problem {
            detail: Some("Names are unique across all applications of a tenant.".to_owned()),
            hint: Some("choose another name, or drop it there first".to_owned()),
            ..problem(Code::App002, message, place)
        })
    }

    /// Live streams that nobody claimed.
    fn unclaimed(&self, claimed: &BTreeSet<StreamId>) -> Vec<Arc<StreamDef>> {
        let live = self.live().into_values();
        live.filter(|def| !claimed.contains(&def.id))
            .map(Arc::clone)
            .collect()
    }
}

/// What the declarations ask for; every mistake goes to `problems`.
pub(crate) fn declared(
    scope: Scope<'_>,
    declared: &[Declared],
    problems: &mut Vec<Problem>,
) -> Goal {
    let live = scope.live();
    let renames = Renames::read(declared, &live, problems);
    let mut goal = Goal::default();
    let mut claimed = BTreeSet::new();
    for Declared { declaration, place } in declared {
        let Declaration::Stream(spec) = declaration else {
            continue;
        };
        if let Some(clash) = scope.clash(spec, Some(place)) {
            problems.push(clash);
            continue;
        }
        let name = spec.name.as_str();
        let known = renames.stream(name).or_else(|| live.get(name).copied());
        goal.wanted.push(match known {
            Some(def) => {
                claimed.insert(def.id);
                evolved(scope, spec, (def, place), &renames, problems)
            }
            None => restored(scope, spec, place).unwrap_or_else(|| created(spec)),
        });
    }
    goal.drops = scope.unclaimed(&claimed);
    goal
}

fn created(spec: &StreamSpec) -> Wanted {
    Wanted {
        spec: spec.clone(),
        from: None,
        notes: Vec::new(),
    }
}

fn evolved(
    scope: Scope<'_>,
    spec: &StreamSpec,
    (def, place): (&Arc<StreamDef>, &Place),
    renames: &Renames<'_>,
    problems: &mut Vec<Problem>,
) -> Wanted {
    let spec = renames.with_ids(spec, def, problems);
    let stored = scope.stored.get(def.spec.name.as_str());
    let stored = stored.map(|stored| Renames::default().with_ids(stored, def, &mut Vec::new()));
    let spec = evolution::settle(&spec, def, stored.as_ref());
    problems.extend(evolution::refusals(def, &spec, place));
    Wanted {
        spec,
        from: Some(Arc::clone(def)),
        notes: Vec::new(),
    }
}

/// The stream of that name that was dropped last, if it can become what is declared.
fn restored(scope: Scope<'_>, spec: &StreamSpec, place: &Place) -> Option<Wanted> {
    let def = scope
        .definitions
        .dropped(scope.tenant, scope.app, &spec.name)?;
    let spec = Renames::default().with_ids(spec, def, &mut Vec::new());
    let is_fit = evolution::refusals(def, &spec, place).is_empty();
    is_fit.then(|| Wanted {
        spec,
        from: Some(Arc::clone(def)),
        notes: Vec::new(),
    })
}

/// What an earlier revision had: the same streams and columns by id, whatever they are called by
/// now. A schema only goes forward, so what was added since is hidden and NOT NULL that was
/// dropped since stays dropped.
pub(crate) fn earlier(scope: Scope<'_>, revision: &Revision, problems: &mut Vec<Problem>) -> Goal {
    let mut goal = Goal::default();
    let mut claimed = BTreeSet::new();
    for then in &revision.streams {
        if let Some(clash) = scope.clash(&then.spec, None) {
            problems.push(clash);
            continue;
        }
        let now = scope.definitions.streams.get(&then.id);
        goal.wanted
            .push(match now.filter(|def| scope.definitions.is_whole(def)) {
                Some(now) => {
                    claimed.insert(now.id);
                    let (spec, notes) = back(&then.spec, now);
                    Wanted {
                        spec,
                        from: Some(Arc::clone(now)),
                        notes,
                    }
                }
                None => Wanted {
                    notes: vec![
                        "= empty: its rows are gone since seven days after its drop".to_owned(),
                    ],
                    ..created(&then.spec)
                },
            });
    }
    goal.drops = scope.unclaimed(&claimed);
    goal
}

fn back(then: &StreamSpec, now: &StreamDef) -> (StreamSpec, Vec<String>) {
    let mut notes = Vec::new();
    let is_required = |id: u32| {
        now.spec
            .columns
            .0
            .iter()
            .any(|column| column.id == id && !column.nullable)
    };
    let columns = then.columns.0.iter().map(|column| {
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
    let columns = Columns(columns.collect());
    (
        StreamSpec {
            columns,
            ..then.clone()
        },
        notes,
    )
}
