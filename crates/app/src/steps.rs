//! From a goal to steps for people and changes for the catalog. Pure.

mod way;

use std::sync::Arc;

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, Kind, Label};
use mainstem_kernel::{AppName, TenantId};

use crate::{
    Source,
    errors::AppError,
    goal::{Goal, Scope, Wanted},
    plan::{Action, Plan, Step},
    steps::way::Way,
    views, words,
};

/// A plan and the change set that carries it out; both empty if there is nothing to do.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) changes: ChangeSet,
}

/// Works out what leads to the goal, with the source's files as the application's from then on.
///
/// # Errors
/// What the views have against it, or the catalog.
pub(crate) fn plan(
    scope: Scope<'_>,
    source: &Source,
    goal: &Goal,
    drift: Vec<String>,
) -> Result<Planned, AppError> {
    let Scope {
        tenant,
        definitions,
        ..
    } = scope;
    let before = definitions.app(tenant, source.name.as_str());
    let is_same_text = before.is_some_and(|app| app.files == source.files);
    let mut work = Work {
        steps: Vec::new(),
        changes: views::first(goal),
        is_same_text,
    };
    let streams = goal.streams_gone.iter().map(|def| def.id);
    let tables = goal.tables_gone.iter().map(|def| def.id);
    work.changes
        .extend(streams.map(|id| Change::DropStream { id }));
    work.changes
        .extend(tables.map(|id| Change::DropTable { id }));
    for wanted in &goal.wanted {
        work.want(wanted);
    }
    let app = source.name.clone();
    let views = views::plan(scope, goal, &work.changes)
        .map_err(|source| AppError::Catalog {
            app: app.clone(),
            source: source.into(),
        })?
        .map_err(|problems| AppError::Mistakes {
            app: app.clone(),
            problems,
        })?;
    work.steps.extend(views.steps);
    work.changes.extend(views.changes);
    let gone = goal.views_gone.iter();
    work.steps
        .extend(gone.map(|def| views::drop_step(def, definitions)));
    let gone = goal.tables_gone.iter();
    work.steps
        .extend(gone.map(|def| drop_step(words::label(Kind::Table, &def.spec.name))));
    let gone = goal.streams_gone.iter();
    work.steps
        .extend(gone.map(|def| drop_step(words::label(Kind::Stream, &def.spec.name))));
    work.app(tenant, source, before.map(Arc::as_ref));
    let changes = ChangeSet {
        tenant,
        app: app.clone(),
        changes: work.changes,
    };
    let fingerprint = fingerprint(definitions, &changes);
    Ok(Planned {
        plan: Plan {
            app,
            fingerprint,
            steps: work.steps,
            drift,
        },
        changes,
    })
}

/// Names the state that a plan was made on, and what it does. That a view was swapped in meanwhile
/// is no other state, as long as the same is to be done.
fn fingerprint(definitions: &Definitions, changes: &ChangeSet) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&definitions.declared.0.to_le_bytes());
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
        let (way, notes) = match wanted {
            Wanted::Stream(want) => (way::stream(want), &want.notes),
            Wanted::Table(want) => (way::table(want), &want.notes),
        };
        let notes = notes.iter().cloned();
        match way {
            Way::New {
                object,
                mut details,
                create,
            } => {
                details.extend(notes);
                self.changes.push(*create);
                self.steps.push(Step {
                    action: Action::Create,
                    object: object.to_string(),
                    details,
                    destructive: false,
                });
            }
            Way::On(on) => {
                let is_other = !on.difference.lines.is_empty();
                let is_back = on.dropped.is_some();
                if is_back {
                    self.changes.push(on.restore.clone());
                }
                if is_other || (!self.is_same_text && on.is_other_text) {
                    self.changes.push(on.alter.clone());
                }
                if is_other || is_back {
                    self.steps.push(on.step(notes));
                }
            }
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

fn drop_step(object: Label) -> Step {
    Step {
        action: Action::Drop,
        object: object.to_string(),
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
