//! Which version a view is from now on: one that is there and computes the same, one that was and
//! is brought back, or a new one. Pure.

use std::sync::Arc;

use mainstem_catalog::{Change, Definitions, Stage, ViewDef, ViewSpec};
use mainstem_kernel::StreamId;

use super::label;
use crate::{
    describe,
    goal::{Versions, WantedView},
    plan::{Action, Step},
};

/// How a view becomes what it is to be.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    was: &'a Versions,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// A version that is computed stays; the other one, if there is one, goes.
    Keep(Arc<ViewDef>),
    /// A version that was dropped or replaced goes on.
    Restore(Arc<ViewDef>),
    /// A new version.
    Create,
}

/// Prefers what is nearest to done: the live version, then the one that is being built, then one
/// that is kept, over computing it again.
pub(crate) fn choose<'a>(wanted: &'a WantedView, spec: &ViewSpec) -> Choice<'a> {
    let was = &wanted.was;
    let is_same = |def: &&Arc<ViewDef>| def.spec.computes_same(spec);
    let running = was.live.iter().chain(&was.building);
    let way = match running.clone().find(is_same) {
        Some(def) => Way::Keep(Arc::clone(def)),
        None => match was.kept.iter().find(is_same) {
            Some(def) => Way::Restore(Arc::clone(def)),
            None => Way::Create,
        },
    };
    Choice { was, way }
}

impl Choice<'_> {
    /// The version, unless it is a new one.
    pub(crate) fn id(&self) -> Option<StreamId> {
        match &self.way {
            Way::Keep(def) | Way::Restore(def) => Some(def.id),
            Way::Create => None,
        }
    }

    /// The version that is being built and is not wanted any more.
    fn superseded(&self) -> Option<&Arc<ViewDef>> {
        let building = self.was.building.as_ref();
        building.filter(|def| Some(def.id) != self.id())
    }

    /// What carries it out. Versions that are computed have their new name already.
    pub(crate) fn changes(&self, spec: &ViewSpec) -> Vec<Change> {
        let gone = self.superseded();
        let mut changes: Vec<Change> = gone
            .map(|def| Change::DropView { id: def.id })
            .into_iter()
            .collect();
        let alter = |def: &ViewDef, is_other: bool| {
            let columns = def.spec.columns.clone();
            let spec = ViewSpec {
                columns,
                ..spec.clone()
            };
            is_other.then_some(Change::AlterView { id: def.id, spec })
        };
        let is_told_otherwise =
            |def: &ViewDef| (&def.spec.sql, def.spec.emit) != (&spec.sql, spec.emit);
        match &self.way {
            Way::Keep(def) => changes.extend(alter(def, is_told_otherwise(def))),
            Way::Restore(def) => {
                changes.push(Change::RestoreView { id: def.id });
                let is_other = is_told_otherwise(def) || def.spec.name != spec.name;
                changes.extend(alter(def, is_other));
            }
            Way::Create => changes.push(Change::CreateView(spec.clone())),
        }
        changes
    }

    /// What people are shown; nothing if nothing changes for them.
    pub(crate) fn step(
        &self,
        spec: &ViewSpec,
        kept: &[String],
        definitions: &Definitions,
    ) -> Option<Step> {
        let shown = self.was.live.as_ref().or(self.was.building.as_ref());
        let object = label(shown.map_or(&spec.name, |def| &def.spec.name));
        let difference = |def: &Arc<ViewDef>| describe::between_views(&def.spec, spec, definitions);
        let mut details = shown.map_or_else(Vec::new, difference);
        let action = match &self.way {
            Way::Keep(def) => {
                details = difference(def);
                details.extend(self.superseded().map(|_| {
                    "= the version that was being built is given up, this one stays".to_owned()
                }));
                match def.spec.name == spec.name {
                    true => Action::Alter,
                    false => Action::Rename,
                }
            }
            Way::Restore(def) => {
                details.push(restored(def, definitions));
                details.extend(shown.map(|_| beside()));
                Action::Restore
            }
            Way::Create => {
                if shown.is_none() {
                    details = describe::all_of_view(spec, definitions);
                }
                details.extend(kept.iter().cloned());
                details.extend(built(spec, shown, definitions));
                match shown {
                    Some(_) => Action::Rebuild,
                    None => Action::Create,
                }
            }
        };
        (!details.is_empty()).then_some(Step {
            action,
            object,
            details,
            destructive: false,
        })
    }
}

/// A view of streams goes on where it was; one that was never live, or reads views or what changes,
/// is computed from what is there.
fn restored(def: &ViewDef, definitions: &Definitions) -> String {
    let (what, since) = match (def.stage, def.dropped) {
        (Stage::Replaced { at }, _) => ("replaced", at),
        (_, at) => ("dropped", at.unwrap_or(def.created)),
    };
    let since = since.arrival();
    let reads = def.spec.reads.iter();
    let is_stream = |id: &StreamId| definitions.streams.contains_key(id);
    let reads_streams =
        reads.clone().any(is_stream) && !reads.clone().any(|id| definitions.views.contains_key(id));
    let has_rows = def.stage != Stage::Building;
    let from = match has_rows && reads_streams {
        true => format!("goes on from where it was {what} at {since}"),
        false => format!(
            "was {what} at {since}; computed again from {}",
            describe::inputs(&def.spec, definitions)
        ),
    };
    format!("= {from}, and is swapped in when it has caught up")
}

fn beside() -> String {
    "= the live version answers until then, and is kept for 24 hours".to_owned()
}

fn built(spec: &ViewSpec, shown: Option<&Arc<ViewDef>>, definitions: &Definitions) -> Vec<String> {
    let mut lines = vec![format!(
        "= computed from the beginning of {}",
        describe::inputs(spec, definitions)
    )];
    match shown.map(|def| def.stage) {
        None => {}
        Some(Stage::Live) => lines.push(
            "= beside the live version, which answers until then and is kept for 24 hours"
                .to_owned(),
        ),
        Some(Stage::Building | Stage::Replaced { .. }) => {
            lines.push("= instead of the version that was being built".to_owned());
        }
    }
    lines
}

/// A view that goes.
pub(crate) fn drop_step(def: &ViewDef, definitions: &Definitions) -> Step {
    let mut details = vec![
        "= what it has computed is kept for seven days; until then it can be brought back"
            .to_owned(),
    ];
    let beside = [Some(def.letters), def.late].into_iter().flatten();
    let beside = beside.filter_map(|id| definitions.streams.get(&id));
    details.extend(beside.map(|beside| format!("- stream \"{}\"", beside.spec.name)));
    Step {
        action: Action::Drop,
        object: label(&def.spec.name),
        details,
        destructive: true,
    }
}
