//! What an application's objects are to be: from its declarations, or from an earlier revision.
//!
//! It never changes anything, and never reads anything but definitions. What a view computes is
//! not known here: it is planned in `views`, when everything else is settled.

mod declared;
mod earlier;
mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_catalog::{Definitions, Object, StreamDef, StreamSpec, TableDef, TableSpec, ViewDef};
use mainstem_kernel::{AppName, Code, Place, Problem, StreamId, StreamName, TenantId};
use mainstem_sql::ViewText;

use crate::{drift::Stored, terms::Terms, words::problem};

pub(crate) use declared::{declared, stream_with_ids, table_with_ids};
pub(crate) use earlier::earlier;

/// What the objects of an application are to be.
#[derive(Debug, Default)]
pub(crate) struct Goal {
    /// Streams and tables, in the order of the files.
    pub(crate) wanted: Vec<Wanted>,
    /// Views, in the order of the files: each reads only what comes before it.
    pub(crate) views: Vec<WantedView>,
    /// Live streams that are not wanted any more.
    pub(crate) streams_gone: Vec<Arc<StreamDef>>,
    /// Live tables that are not wanted any more.
    pub(crate) tables_gone: Vec<Arc<TableDef>>,
    /// Running versions of views whose names are not wanted any more.
    pub(crate) views_gone: Vec<Arc<ViewDef>>,
}

/// A stream or a table.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A stream.
    Stream(Want<StreamSpec, StreamDef>),
    /// A table.
    Table(Want<TableSpec, TableDef>),
}

/// One object.
#[derive(Debug)]
pub(crate) struct Want<S, D> {
    /// What it is to be; columns carry the ids that they have in `from`.
    pub(crate) spec: S,
    /// What it is now, live or dropped; `None` if it is new.
    pub(crate) from: Option<Arc<D>>,
    /// What is worth knowing.
    pub(crate) notes: Vec<String>,
}

/// One view.
#[derive(Debug)]
pub(crate) struct WantedView {
    /// Its statement.
    pub(crate) text: ViewText,
    /// Where that stands.
    pub(crate) place: Place,
    /// The versions that it may be, if one of them computes what it says.
    pub(crate) was: Versions,
}

/// The versions of a view, whatever their names are.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// The live one.
    pub(crate) live: Option<Arc<ViewDef>>,
    /// The one that is being built.
    pub(crate) building: Option<Arc<ViewDef>>,
    /// Those that were dropped or replaced and can be brought back, newest first.
    pub(crate) kept: Vec<Arc<ViewDef>>,
}

/// Whose objects, among which definitions, and what was applied last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) app: &'a AppName,
    pub(crate) definitions: &'a Definitions,
    /// What the engine takes.
    pub(crate) terms: &'a dyn Terms,
    /// The statements as they were applied last.
    pub(crate) stored: &'a Stored,
}

impl<'a> Scope<'a> {
    /// The application's live objects by name, without what stands beside them.
    pub(crate) fn live(&self) -> BTreeMap<&'a str, Object<'a>> {
        let definitions = self.definitions;
        let mine = definitions.names.iter();
        let mine = mine.filter(|((tenant, _), _)| *tenant == self.tenant);
        let objects = mine.filter_map(|((_, name), id)| {
            let object = definitions.by_id(*id)?;
            Some((name.as_str(), object)).filter(|_| self.is_own(object))
        });
        objects.collect()
    }

    /// Whether it is declared by this application.
    pub(crate) fn is_own(&self, object: Object<'_>) -> bool {
        let is_beside = match object {
            Object::Stream(def) => def.dead_letters.is_none(),
            Object::Table(_) | Object::View(_) => false,
        };
        !is_beside && (object.tenant(), object.app()) == (self.tenant, self.app)
    }

    /// Who else has a name.
    fn clash(&self, name: &StreamName, place: Option<&Place>) -> Option<Problem> {
        let other = self.definitions.object(self.tenant, name.as_str())?;
        if other.app() == self.app {
            return None;
        }
        let message = format!("name \"{name}\" belongs to application \"{}\"", other.app());
        Some(Problem {
            detail: Some("Names are unique across all applications of a tenant.".to_owned()),
            hint: Some("choose another name, or drop it there first".to_owned()),
            ..problem(Code::App002, message, place)
        })
    }

    /// Adds what nobody claimed to what goes.
    fn leave(&self, goal: &mut Goal, claimed: &BTreeSet<StreamId>) {
        let is_left = |id: &StreamId| !claimed.contains(id);
        let (definitions, tenant, app) = (self.definitions, self.tenant, self.app);
        let streams = definitions.streams_of(tenant, app).map(Arc::clone);
        goal.streams_gone = streams.filter(|def| is_left(&def.id)).collect();
        goal.streams_gone
            .sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let tables = definitions.tables_of(tenant, app).map(Arc::clone);
        goal.tables_gone = tables.filter(|def| is_left(&def.id)).collect();
        goal.tables_gone
            .sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let views = definitions.views_of(tenant, app).map(Arc::clone);
        goal.views_gone = views.filter(|def| is_left(&def.id)).collect();
        // Readers before what they read.
        goal.views_gone.reverse();
    }
}

impl Versions {
    /// Ids of those that are computed.
    fn running(&self) -> impl Iterator<Item = StreamId> {
        let running = self.live.iter().chain(&self.building);
        running.map(|def| def.id)
    }
}
