//! How queries are, for people and for metrics: of what is published, so that every node can say
//! it. Pure.

use mainstem_catalog::{Definitions, Stage};
use mainstem_kernel::{
    Timestamp,
    metrics::{Metrics, QueryLabel},
};

use crate::progress::{Doing, Progress, Query, QueryProgress, Standing};

/// How a query is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryStatus {
    /// Which one.
    pub query: Query,
    /// The application.
    pub app: String,
    /// The view, or the stream whose history it writes.
    pub name: String,
    /// `starting`, `building`, `ready`, `live`, `failed`, or `paused` if it is refused.
    pub state: &'static str,
    /// Rows that it has read.
    pub rows_read: u64,
    /// Rows that wait for it.
    pub lag_rows: u64,
    /// Rows that come in per second.
    pub rows_in_per_second: u64,
    /// Rows per second that it takes while it computes.
    pub rows_taken_per_second: u64,
    /// Rows that Spark keeps as state.
    pub state_rows: u64,
    /// No window that ends before it is open.
    pub watermark: Option<Timestamp>,
    /// How often it was started again since it ran well.
    pub failures: u32,
    /// Why it does not run.
    pub problem: Option<Standing>,
}

/// How the queries are of everything that is declared; also of what nobody has started yet.
#[must_use]
pub fn statuses(progress: &Progress, definitions: &Definitions) -> Vec<QueryStatus> {
    let none = QueryProgress::default();
    let told = |query: Query| progress.queries.get(&query).unwrap_or(&none);
    let streams = definitions.streams.values();
    let streams = streams.filter(|def| def.dropped.is_none() && def.dead_letters.is_some());
    let histories = streams.map(|def| {
        let query = Query::History(def.id);
        let told = told(query);
        let state = match told.doing {
            Doing::Running => "live",
            other => word(other),
        };
        let names = (def.app.to_string(), def.spec.name.to_string());
        status(query, names, (state, told))
    });
    let views = definitions.views.values().filter(|def| def.is_running());
    let views = views.map(|def| {
        let query = Query::View(def.id);
        let told = told(query);
        let state = match (told.doing, def.stage) {
            (Doing::Running | Doing::Starting, Stage::Live) => "live",
            (Doing::Running, _) if told.lag_rows() == 0 => "ready",
            (Doing::Running, _) => "building",
            (other, _) => word(other),
        };
        let names = (def.app.to_string(), def.spec.name.to_string());
        status(query, names, (state, told))
    });
    histories.chain(views).collect()
}

const fn word(doing: Doing) -> &'static str {
    match doing {
        Doing::Starting => "starting",
        Doing::Running => "building",
        Doing::Failed => "failed",
        Doing::Stopped => "paused",
    }
}

fn status(
    query: Query,
    (app, name): (String, String),
    (state, told): (&'static str, &QueryProgress),
) -> QueryStatus {
    let read = told.input.iter().map(|(_, _, next)| next.0);
    QueryStatus {
        query,
        app,
        name,
        state,
        rows_read: read.fold(0, u64::saturating_add),
        lag_rows: told.lag_rows(),
        rows_in_per_second: told.rows_in_per_second,
        rows_taken_per_second: told.rows_taken_per_second,
        state_rows: told.state_rows,
        watermark: told.watermark,
        failures: told.failures,
        problem: told.problem.clone(),
    }
}

/// What stands against what is declared, by object if it is one's: what is refused has no query.
#[must_use]
pub fn problems(progress: &Progress) -> Vec<Standing> {
    let leader = progress.leader.as_ref();
    leader.map_or_else(Vec::new, |leader| leader.problems.clone())
}

/// Puts what there is to know of queries into the metrics.
pub fn measure(progress: &Progress, definitions: &Definitions, metrics: &Metrics) {
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for status in statuses(progress, definitions) {
        let label = QueryLabel {
            app: status.app,
            query: status.query.to_string(),
        };
        let is_failed = i64::from(status.problem.is_some());
        for (family, value) in [
            (&metrics.query_lag_rows, gauge(status.lag_rows)),
            (&metrics.query_state_rows, gauge(status.state_rows)),
            (
                &metrics.query_rows_per_second,
                gauge(status.rows_in_per_second),
            ),
            (
                &metrics.query_taken_per_second,
                gauge(status.rows_taken_per_second),
            ),
            (&metrics.query_failures, i64::from(status.failures)),
            (&metrics.query_failed, is_failed),
        ] {
            family.get_or_create(&label).set(value);
        }
    }
    if let Some(leader) = &progress.leader {
        metrics.leader_round.set(gauge(leader.round));
        metrics.kept_lag_rows.set(gauge(leader.kept_lag_rows));
        metrics
            .leader_problems
            .set(gauge(leader.problems.len() as u64));
    }
}
