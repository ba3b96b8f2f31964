//! Why a view cannot be what its statement says, beyond what its planner knows: an input that goes
//! in the same apply, one that comes later in the files, one that is not its application's. Pure.

use mainstem_catalog::{Definitions, Label, Object, ViewSpec, late_name};
use mainstem_kernel::{Code, Place, Problem, StreamId, StreamName};
use mainstem_sql::PlannedView;

use super::{Planning, label};
use crate::{goal::WantedView, words::problem};

impl Planning<'_> {
    /// The planner's mistakes in words that know what the apply does.
    pub(super) fn explain(
        &self,
        wanted: &WantedView,
        seen: &Definitions,
        problems: Vec<Problem>,
    ) -> Vec<Problem> {
        let gone = self.reads_gone(wanted, seen);
        let mut explained = Vec::new();
        for mut problem in problems {
            if self
                .failed
                .iter()
                .any(|name| mentions(&problem, name.as_str()))
            {
                continue;
            }
            if let Some(object) = gone
                .iter()
                .find(|gone| mentions(&problem, gone.name().as_str()))
            {
                let place = problem.position.as_ref().unwrap_or(&wanted.place);
                explained.push(reads_gone(wanted, *object, place));
                continue;
            }
            if let Some(later) = self.later(wanted, &problem) {
                let message = &later.text.name;
                problem.detail = Some(format!(
                    "View \"{message}\" is declared at {}; a view sees those before it.",
                    later.place
                ));
                problem.hint = Some(format!("declare \"{message}\" before this view"));
            }
            explained.push(problem);
        }
        explained
    }

    /// What goes in this apply and the view would still read.
    fn reads_gone<'s>(&self, wanted: &WantedView, seen: &'s Definitions) -> Vec<Object<'s>> {
        let goal = self.goal;
        let streams = goal.streams_gone.iter().map(|def| def.id);
        let tables = goal.tables_gone.iter().map(|def| def.id);
        let views = goal.views_gone.iter().map(|def| def.id);
        let ids: Vec<StreamId> = streams.chain(tables).chain(views).collect();
        let mut with = seen.clone();
        for object in ids.iter().filter_map(|id| seen.by_id(*id)) {
            let key = (self.scope.tenant, object.name().clone());
            with.names.entry(key).or_insert(object.id());
        }
        let planned = mainstem_sql::plan_view(&with, self.scope.tenant, &wanted.text);
        let reads = planned.map(|planned| planned.spec(&wanted.text).reads);
        let reads = reads.unwrap_or_default();
        let gone = reads.iter().filter(|id| ids.contains(id));
        gone.filter_map(|id| seen.by_id(*id)).collect()
    }

    /// The view further down that a mistake names.
    fn later(&self, wanted: &WantedView, problem: &Problem) -> Option<&WantedView> {
        let views = self.goal.views.iter();
        let mut later = views
            .skip_while(|view| view.text.name != wanted.text.name)
            .skip(1);
        later.find(|view| mentions(problem, view.text.name.as_str()))
    }

    /// What cannot be kept of a view that can be planned, and what the engine has against it.
    pub(super) fn refusals(
        &self,
        wanted: &WantedView,
        spec: &ViewSpec,
        (planned, seen): (&PlannedView, &Definitions),
    ) -> Vec<Problem> {
        let read = spec.reads.iter().filter_map(|id| seen.by_id(*id));
        let mut problems: Vec<Problem> = read
            .filter_map(|object| self.not_own(wanted, object, seen))
            .collect();
        problems.extend(self.late_name_taken(wanted, spec, seen));
        let refused = self.scope.terms.view(spec, (planned, seen));
        problems.extend(refused.map(|refused| Problem {
            position: Some(wanted.place.clone()),
            ..refused
        }));
        problems
    }

    fn not_own(
        &self,
        wanted: &WantedView,
        object: Object<'_>,
        seen: &Definitions,
    ) -> Option<Problem> {
        let (view, read) = (label(&wanted.text.name), object.label());
        let place = Some(&wanted.place);
        if object.app() != self.scope.app {
            let app = object.app();
            let message = format!("{view} reads {read} of application \"{app}\"");
            return Some(Problem {
                detail: Some(
                    "An application is computed by itself, from what it declares.".to_owned(),
                ),
                hint: Some(format!("declare the view in application \"{app}\"")),
                ..problem(Code::App017, message, place)
            });
        }
        seen.is_beside_view(object.id()).then(|| Problem {
            detail: Some("It comes and goes with the versions of its view.".to_owned()),
            hint: Some("ask it with `mainstem sql`".to_owned()),
            ..problem(
                Code::App017,
                format!("{view} reads {read}, which stands beside a view"),
                place,
            )
        })
    }

    /// The late rows of a view need a name that is free.
    fn late_name_taken(
        &self,
        wanted: &WantedView,
        spec: &ViewSpec,
        seen: &Definitions,
    ) -> Option<Problem> {
        let late = late_name(&spec.name)
            .ok()
            .filter(|_| spec.emit.has_late())?;
        let other = seen.object(self.scope.tenant, late.as_str());
        let other = other.filter(|object| !seen.is_beside_view(object.id()))?;
        Some(late_taken(&spec.name, &other.label(), &wanted.place))
    }
}

/// The late rows of a view cannot have their name.
pub(crate) fn late_taken(view: &StreamName, other: &Label, place: &Place) -> Problem {
    let view = label(view);
    Problem {
        detail: Some(format!(
            "Rows that come too late for {view} are kept in a stream of that name."
        )),
        hint: Some("give one of them another name".to_owned()),
        ..problem(
            Code::App019,
            format!("{view} cannot have late rows beside {other}"),
            Some(place),
        )
    }
}

/// Whether a mistake is about this name.
fn mentions(problem: &Problem, name: &str) -> bool {
    problem.message.contains(&format!("\"{name}\""))
}

fn reads_gone(wanted: &WantedView, object: Object<'_>, place: &Place) -> Problem {
    let (view, read) = (label(&wanted.text.name), object.label());
    Problem {
        detail: Some(format!(
            "Without the {} the view cannot be computed.",
            object.kind()
        )),
        hint: Some(format!(
            "declare \"{}\" again, or take the view out as well",
            object.name()
        )),
        ..problem(
            Code::App015,
            format!("{view} reads {read}, which is no longer declared"),
            Some(place),
        )
    }
}
