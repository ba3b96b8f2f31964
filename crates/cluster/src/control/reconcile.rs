//! What has to be done so that what runs is what is declared. Pure: it decides on facts that were
//! read before, and says the same of the same facts.
//!
//! It never does any of it, and never remembers: whoever died in the middle is followed by another
//! who decides on what is there then. So every action may be done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use arrow::datatypes::Date32Type;
use mainstem_catalog::{Definitions, Object, Stage};
use mainstem_kernel::{AppName, StreamId, TenantId, Timestamp};

use super::Needs;
use crate::progress::Query;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

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
    /// It has read something.
    pub has_read: bool,
    /// How often it was begun from the first row.
    pub generation: u16,
    /// Rows of generations before this one are gone.
    pub swept: u16,
    /// Days of history before this one are gone.
    pub expired: Option<i64>,
    /// It is not to be started before.
    pub not_before: Duration,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Take days before this one, in days since 1970, out of the history of a stream.
    Expire {
        /// The stream.
        stream: StreamId,
        /// The first day that stays.
        day: i64,
    },
    /// Take rows out that the present generation of a view does not have.
    Sweep {
        /// The version of the view.
        view: StreamId,
        /// Its generation.
        generation: u16,
    },
}

/// What has to be done, in this order.
#[must_use]
pub fn reconcile(facts: &Facts<'_>) -> Vec<Action> {
    let mut actions: Vec<Action> = facts.unmade().map(Action::Make).collect();
    actions.extend(facts.unwanted().map(Action::Stop));
    actions.extend(facts.missing().map(Action::Start));
    actions.extend(facts.swaps());
    actions.extend(facts.due().map(Action::Forget));
    actions.extend(facts.expiries());
    actions.extend(facts.ghosts());
    actions
}

/// A day since 1970 as SQL has it.
pub(super) fn day_text(day: i64) -> String {
    let day = i32::try_from(day).unwrap_or_default();
    Date32Type::to_naive_date_opt(day).map_or_else(String::new, |day| day.to_string())
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

    /// Days that are past the retention of their stream as a whole, once a day. Of a stream whose
    /// history has no row there is none.
    fn expiries(&self) -> impl Iterator<Item = Action> + 'a {
        let facts = *self;
        let streams = facts.definitions.streams.values();
        let kept = streams.filter(|def| def.dropped.is_none());
        kept.filter_map(move |def| {
            let known = facts.queries.get(&Query::History(def.id))?;
            let limit = facts.now.minus(def.spec.retention?);
            let day = limit.0.div_euclid(DAY_MICROS);
            let is_due = known.expired.is_none_or(|expired| expired < day);
            (known.has_read && is_due).then_some(Action::Expire {
                stream: def.id,
                day,
            })
        })
    }

    /// Rows that an earlier generation has left behind: once the present one has caught up, they
    /// are of no input any more.
    fn ghosts(&self) -> impl Iterator<Item = Action> + 'a {
        let facts = *self;
        let queries = facts.queries.iter();
        queries.filter_map(move |(query, known)| match query {
            Query::View(view)
                if known.generation > 1
                    && known.swept < known.generation
                    && known.is_caught_up
                    && facts.needs.queries.contains_key(query) =>
            {
                Some(Action::Sweep {
                    view: *view,
                    generation: known.generation,
                })
            }
            Query::View(_) | Query::History(_) => None,
        })
    }
}
