//! Plans the views of an application, one after the other: which version each is from now on, and
//! what leads there. Pure, but for the planner's own work.
//!
//! A view sees the streams and tables of the goal and the views that stand before it in the files,
//! each as the version that it is to be; so a view over one that changes is another version too.
//! It never plans a view of another application: none reads what is declared elsewhere.

mod choose;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::{Change, ChangeSet, Definitions, FoldError, ViewSpec, preview};
use mainstem_kernel::{Problem, Seq, StreamId, StreamName};
use mainstem_sql::PlannedView;

pub(crate) use choose::drop_step;
pub(crate) use refusals::late_taken;

use crate::{
    goal::{Goal, Scope, WantedView},
    plan::Step,
    words,
};

/// What is to be done about an application's views.
#[derive(Debug, Default)]
pub(crate) struct Views {
    pub(crate) steps: Vec<Step>,
    pub(crate) changes: Vec<Change>,
}

/// The changes that come before any view is planned: views that go, and views that get another
/// name. Streams and tables may take the names that become free.
pub(crate) fn first(goal: &Goal) -> Vec<Change> {
    let gone = goal.views_gone.iter();
    let mut changes: Vec<Change> = gone.map(|def| Change::DropView { id: def.id }).collect();
    for wanted in &goal.views {
        let running = wanted.was.live.iter().chain(&wanted.was.building);
        for def in running.filter(|def| def.spec.name != wanted.text.name) {
            let spec = ViewSpec {
                name: wanted.text.name.clone(),
                ..def.spec.clone()
            };
            changes.push(Change::AlterView { id: def.id, spec });
        }
    }
    changes
}

/// Plans all views on top of the changes that come before them.
///
/// # Errors
/// All mistakes of the views, or why the changes before them do not fit.
pub(crate) fn plan(
    scope: Scope<'_>,
    goal: &Goal,
    before: &[Change],
) -> Result<Result<Views, Vec<Problem>>, FoldError> {
    let mut planning = Planning {
        scope,
        goal,
        set: ChangeSet {
            tenant: scope.tenant,
            app: scope.app.clone(),
            changes: before.to_vec(),
        },
        chosen: BTreeMap::new(),
        failed: BTreeSet::new(),
        views: Views::default(),
        problems: Vec::new(),
    };
    for wanted in &goal.views {
        planning.view(wanted)?;
    }
    if planning.problems.is_empty() {
        return Ok(Ok(planning.views));
    }
    Ok(Err(planning.problems))
}

struct Planning<'a> {
    scope: Scope<'a>,
    goal: &'a Goal,
    /// All changes so far, those before the views too.
    set: ChangeSet,
    /// The versions that the views before this one are from now on.
    chosen: BTreeMap<StreamName, StreamId>,
    /// The views before this one that have mistakes.
    failed: BTreeSet<StreamName>,
    views: Views,
    problems: Vec<Problem>,
}

impl Planning<'_> {
    fn view(&mut self, wanted: &WantedView) -> Result<(), FoldError> {
        let seen = self.seen()?;
        let (tenant, text) = (self.scope.tenant, &wanted.text);
        let planned = match mainstem_sql::plan_view(&seen, tenant, text) {
            Ok(planned) => planned,
            Err(problems) => {
                self.fail(wanted, &seen, problems);
                return Ok(());
            }
        };
        let spec = planned.spec(text);
        let refusals = self.refusals(wanted, &spec, (&planned, &seen));
        if !refusals.is_empty() {
            self.problems.extend(refusals);
            self.failed.insert(text.name.clone());
            return Ok(());
        }
        let choice = choose::choose(wanted, &spec);
        let id = choice.id().unwrap_or(seen.next_stream);
        self.chosen.insert(text.name.clone(), id);
        self.views
            .steps
            .extend(choice.step(&spec, &kept(&planned), &seen));
        let changes = choice.changes(&spec);
        self.set.changes.extend(changes.iter().cloned());
        self.views.changes.extend(changes);
        Ok(())
    }

    /// The definitions as this view sees them.
    fn seen(&self) -> Result<Definitions, FoldError> {
        let definitions = self.scope.definitions.clone();
        let later = Seq(definitions.seq.0.saturating_add(1));
        let mut seen = preview(definitions, &self.set, later)?;
        let tenant = self.scope.tenant;
        for wanted in &self.goal.views {
            let key = (tenant, wanted.text.name.clone());
            match self.chosen.get(&wanted.text.name) {
                Some(id) => seen.names.insert(key, *id),
                None => seen.names.remove(&key),
            };
        }
        Ok(seen)
    }

    /// Notes the mistakes of a view that cannot be planned; those that only follow from a mistake
    /// in a view before it are left out.
    fn fail(&mut self, wanted: &WantedView, seen: &Definitions, problems: Vec<Problem>) {
        let name = &wanted.text.name;
        let explained = self.explain(wanted, seen, problems);
        self.problems.extend(explained);
        self.failed.insert(name.clone());
    }
}

/// What the view keeps while it is computed, for people.
fn kept(planned: &PlannedView) -> Vec<String> {
    let notes = planned.state.iter();
    notes.map(|note| format!("= keeps {note}")).collect()
}

/// `view "v"`.
pub(crate) fn label(name: &StreamName) -> String {
    words::label(mainstem_catalog::Kind::View, name).to_string()
}
