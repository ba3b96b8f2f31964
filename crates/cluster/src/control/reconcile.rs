//! What has to be done so that what runs is what is declared. Pure: it decides on facts that were
//! read before, and says the same of the same facts.
//!
//! It never does any of it, and never remembers: whoever died in the middle is followed by another
//! who decides on what is there then. So every action may be done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_catalog::{Definitions, Object, Stage};
use mainstem_kernel::{AppName, StreamId, TenantId, Timestamp};

use super::Needs;
use crate::progress::Query;

/// What is known.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is declared.
    pub definitions: &'a Definitions,
    /// What that needs.
    pub needs: &'a Needs,
    /// Objects whose topics and tables are there.
    pub made: &'a BTreeSet<StreamId>,
    /// Queries that are known, running or not.
    pub queries: &'a BTreeMap<Query, QueryFacts>,
    /// The time of day.
    pub now: Timestamp,
    /// The time that pauses are measured by.
    pub elapsed: Duration,
}

/// What is known of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryFacts {
    /// Spark runs it.
    pub is_active: bool,
    /// It was started for what was declared before, and is to be started anew.
    pub is_outdated: bool,
    /// Its rows stand for what its input was a moment ago, and are where doors find them.
    pub is_caught_up: bool,
    /// It is not to be started before.
    pub not_before: Duration,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Find or make the topics and the table of an object.
    Make(StreamId),
    /// Stop a query of Spark.
    Stop(Query),
    /// Start a query of Spark, from its checkpoint if it has one.
    Start(Query),
    /// Let names mean these versions of views from now on, all at once.
    Swap {
        /// Owner.
        tenant: TenantId,
        /// The application.
        app: AppName,
        /// The versions.
        views: BTreeSet<StreamId>,
    },
    /// Delete what is kept of an object, then its definition.
    Forget(StreamId),
}

/// What has to be done, in this order.
#[must_use]
pub fn reconcile(facts: &Facts<'_>) -> Vec<Action> {
    let mut actions: Vec<Action> = facts.unmade().map(Action::Make).collect();
    actions.extend(facts.unwanted().map(Action::Stop));
    actions.extend(facts.missing().map(Action::Start));
    actions.extend(facts.swaps());
    actions.extend(facts.due().map(Action::Forget));
    actions
}

impl<'a> Facts<'a> {
    fn is_active(&self, query: Query) -> bool {
        let known = self.queries.get(&query);
        known.is_some_and(|query| query.is_active)
    }

    fn unmade(&self) -> impl Iterator<Item = StreamId> + 'a {
        let made = self.made;
        let objects = self.needs.objects.keys().copied();
        objects.filter(move |id| !made.contains(id))
    }

    /// Queries of what was replaced, dropped, or is refused by now; and those that were started for
    /// columns or a question that are not declared any more: they go on from their checkpoint.
    fn unwanted(&self) -> impl Iterator<Item = Query> + 'a {
        let needs = self.needs;
        let active = self.queries.iter().filter(|(_, query)| query.is_active);
        let unwanted =
            active.filter(|(query, known)| known.is_outdated || !needs.queries.contains_key(query));
        unwanted.map(|(query, _)| *query)
    }

    /// Queries that do not run, and may: what they read and write is there, and their pause after
    /// a failure is over.
    fn missing(&self) -> impl Iterator<Item = Query> + 'a {
        let facts = *self;
        let needed = facts.needs.queries.iter();
        let needed = needed.filter(move |(query, need)| {
            let known = facts.queries.get(query).copied().unwrap_or_default();
            let is_made = |id: &StreamId| facts.made.contains(id);
            !known.is_active
                && known.not_before <= facts.elapsed
                && need.topics().all(|id| is_made(&id))
        });
        needed.map(|(query, _)| *query)
    }

    fn swaps(&self) -> Vec<Action> {
        let building = self.definitions.views.values().filter(|def| {
            let query = self.queries.get(&Query::View(def.id));
            def.stage == Stage::Building && query.is_some_and(|query| query.is_caught_up)
        });
        let ready: BTreeSet<StreamId> = building.map(|def| def.id).collect();
        let mut swaps: BTreeMap<(TenantId, AppName), BTreeSet<StreamId>> = BTreeMap::new();
        for id in self.definitions.swappable(&ready) {
            if let Some(def) = self.definitions.views.get(&id) {
                let app = (def.tenant, def.app.clone());
                swaps.entry(app).or_default().insert(id);
            }
        }
        let swaps = swaps.into_iter();
        swaps
            .map(|((tenant, app), views)| Action::Swap { tenant, app, views })
            .collect()
    }

    /// What is over, once no query of it runs any more.
    fn due(&self) -> impl Iterator<Item = StreamId> + 'a {
        let facts = *self;
        let due = facts.definitions.due(facts.now).map(Object::id);
        due.filter(move |id| {
            !facts.is_active(Query::View(*id)) && !facts.is_active(Query::History(*id))
        })
    }
}
