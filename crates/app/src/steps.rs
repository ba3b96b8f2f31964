//! From a goal to steps for people and changes for the catalog. Pure.

use std::sync::Arc;

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, StreamDef};
use mainstem_kernel::{AppName, TenantId};

use crate::{
    Source,
    describe::{self, Difference},
    goal::{Goal, Wanted},
    plan::{Action, Plan, Step},
    words,
};

/// A plan and the change set that carries it out; both empty if there is nothing to do.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) changes: ChangeSet,
}

/// Works out what leads to the goal, with the source's files as the application's from then on.
pub(crate) fn plan(
    tenant: TenantId,
    source: &Source,
    goal: &Goal,
    definitions: &Definitions,
    drift: Vec<String>,
) -> Planned {
    let before = definitions.app(tenant, source.name.as_str());
    let is_same_text = before.is_some_and(|app| app.files == source.files);
    let mut work = Work {
        steps: Vec::new(),
        changes: Vec::new(),
        is_same_text,
    };
    for def in &goal.drops {
        work.changes.push(Change::DropStream { id: def.id });
    }
    for wanted in &goal.wanted {
        work.want(wanted);
    }
    work.steps.extend(goal.drops.iter().map(drop_step));
    work.app(tenant, source, before.map(Arc::as_ref));
    let app = source.name.clone();
    let changes = ChangeSet {
        tenant,
        app: app.clone(),
        changes: work.changes,
    };
    let fingerprint = fingerprint(definitions, &changes);
    Planned {
        plan: Plan {
            app,
            fingerprint,
            steps: work.steps,
            drift,
        },
        changes,
    }
}

/// Names the state that a plan was made on, and what it does.
fn fingerprint(definitions: &Definitions, changes: &ChangeSet) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&definitions.seq.0.to_le_bytes());
    // Plain data with text keys always has a JSON text; without one the hash names only the seq,
    // and the catalog's own check for staleness still holds.
    hasher.update(
        serde_json::to_string(changes)
            .unwrap_or_default()
            .as_bytes(),
    );
    let hex = hasher.finalize().to_hex();
    hex.chars().take(32).collect()
}

struct Work {
    steps: Vec<Step>,
    changes: Vec<Change>,
    /// Then a statement cannot have another text either.
    is_same_text: bool,
}

impl Work {
    fn want(&mut self, wanted: &Wanted) {
        let Some(def) = &wanted.from else {
            let mut details = describe::all_of(&wanted.spec);
            details.extend(wanted.notes.iter().cloned());
            let object = words::stream(&wanted.spec);
            self.steps.push(Step {
                action: Action::Create,
                object,
                details,
                destructive: false,
            });
            self.changes.push(Change::CreateStream(wanted.spec.clone()));
            return;
        };
        let difference = describe::between(&def.spec, &wanted.spec);
        if def.dropped.is_some() {
            self.changes.push(Change::RestoreStream { id: def.id });
        }
        let is_other = !difference.lines.is_empty();
        if is_other || (!self.is_same_text && wanted.spec != def.spec) {
            let spec = wanted.spec.clone();
            self.changes.push(Change::AlterStream { id: def.id, spec });
        }
        if is_other || def.dropped.is_some() {
            self.steps.push(change_step(wanted, def, difference));
        }
    }

    /// Makes a revision of the application, if anything else changes or its text does.
    fn app(&mut self, tenant: TenantId, source: &Source, before: Option<&AppDef>) {
        let version = before.and_then(|app| app.version.as_ref());
        let is_same_version = before.is_some() && version == source.version.as_ref();
        if self.changes.is_empty() && self.is_same_text && is_same_version {
            return;
        }
        if self.steps.is_empty() || (before.is_some() && !is_same_version) {
            self.steps.push(app_step(source, before));
        }
        self.changes.push(Change::SetApp(AppDef {
            tenant,
            name: source.name.clone(),
            version: source.version.clone(),
            revision: before.map_or(0, |app| app.revision).saturating_add(1),
            files: source.files.clone(),
        }));
    }
}

fn change_step(wanted: &Wanted, def: &StreamDef, difference: Difference) -> Step {
    let action = match def.dropped {
        Some(_) => Action::Restore,
        None if def.spec.name != wanted.spec.name => Action::Rename,
        None => Action::Alter,
    };
    let back = def
        .dropped
        .map(|at| format!("= with its rows; it was dropped at {}", at.arrival()));
    let notes = wanted.notes.iter().cloned();
    Step {
        action,
        object: words::stream(&def.spec),
        details: back
            .into_iter()
            .chain(difference.lines)
            .chain(notes)
            .collect(),
        destructive: difference.destructive,
    }
}

fn drop_step(def: &Arc<StreamDef>) -> Step {
    Step {
        action: Action::Drop,
        object: words::stream(&def.spec),
        details: vec![
            "= its rows are kept for seven days; until then it can be brought back".to_owned(),
        ],
        destructive: true,
    }
}

/// What changes of the application besides its objects.
fn app_step(source: &Source, before: Option<&AppDef>) -> Step {
    let object = application(&source.name);
    let named = |version: Option<&String>| version.map_or("none", String::as_str).to_owned();
    let version = named(source.version.as_ref());
    let Some(before) = before else {
        let details = vec![format!("+ version {version}")];
        return Step {
            action: Action::Create,
            object,
            details,
            destructive: false,
        };
    };
    let mut details = Vec::new();
    if before.version != source.version {
        details.push(format!(
            "~ version {} → {version}",
            named(before.version.as_ref())
        ));
    }
    for name in source
        .files
        .keys()
        .filter(|name| !before.files.contains_key(*name))
    {
        details.push(format!("+ file {name}"));
    }
    for (name, text) in &before.files {
        match source.files.get(name) {
            None => details.push(format!("- file {name}")),
            Some(new) if new != text => details.push(format!("~ text of file {name}")),
            Some(_) => {}
        }
    }
    Step {
        action: Action::Alter,
        object,
        details,
        destructive: false,
    }
}

fn application(name: &AppName) -> String {
    format!("application \"{name}\"")
}
