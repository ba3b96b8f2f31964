//! All metrics of a process, by name; each crate is handed this and touches only its own fields.
//!
//! Names are `mainstem_<noun>_<unit>[_total]`. Handles are atomics: safe on the hot path.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The one label of a family: what it counts by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// An error code or another word from a fixed list.
    pub reason: String,
}

/// Route and status of an HTTP exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    /// Route as it is declared, never the path as it was sent.
    pub route: String,
    /// Status code.
    pub status: u16,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AppLabel {
    /// Its name.
    pub app: String,
}

/// A version of a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ViewLabel {
    /// Its application.
    pub app: String,
    /// Its id.
    pub view: u32,
}

/// A query that Spark runs for an application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueryLabel {
    /// Its application.
    pub app: String,
    /// Its name there: `view-ID` or `history-ID`.
    pub query: String,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $ty:ty = $name:literal, $help:literal, $unit:expr, $new:expr;)*) => {
        /// The process's metrics.
        pub struct Metrics {
            registry: Mutex<Registry>,
            $($(#[$doc])* #[doc = $help] pub $field: $ty,)*
        }

        impl Metrics {
            /// Registers every metric at zero.
            #[must_use]
            pub fn new() -> Arc<Self> {
                let mut registry = Registry::with_prefix("mainstem");
                $(let $field: $ty = $new;
                  register(&mut registry, ($name, $help), $unit, $field.clone());)*
                Arc::new(Self { registry: Mutex::new(registry), $($field,)* })
            }
        }
    };
}

/// Registers one metric, with its unit if it has one.
fn register<M: prometheus_client::registry::Metric>(
    registry: &mut Registry,
    (name, help): (&str, &str),
    unit: Option<Unit>,
    metric: M,
) {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

/// Buckets from 0.1 ms to 13 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

/// A count that only grows.
pub type Total = Counter<u64, AtomicU64>;

metrics! {
    admitted_rows: Total = "admitted_rows", "Rows accepted and durable", None, Counter::default();
    admitted_bytes: Total = "admitted", "Payload bytes of accepted requests", Some(Unit::Bytes), Counter::default();
    rejected_rows: Family<ReasonLabel, Total> = "rejected_rows", "Rows kept as dead letters, by reason", None, Family::default();
    refused_requests: Family<ReasonLabel, Total> = "refused_requests", "Requests refused before anything was kept, by reason", None, Family::default();
    admit_queue_bytes: Gauge = "admit_queue", "Payload bytes waiting for an admission worker", Some(Unit::Bytes), Gauge::default();
    ack_seconds: Histogram = "ack", "From the last byte of a request to its acknowledgement", Some(Unit::Seconds), seconds();
    slow_decodes: Total = "slow_decodes", "Payloads with rows that were set aside as dead letters", None, Counter::default();
    journal_groups: Total = "journal_groups", "Groups written and synced", None, Counter::default();
    journal_frames: Total = "journal_frames", "Frames written", None, Counter::default();
    journal_written_bytes: Total = "journal_written", "Bytes written to journal files", Some(Unit::Bytes), Counter::default();
    journal_size_bytes: Gauge = "journal_size", "Bytes of journal files on disk", Some(Unit::Bytes), Gauge::default();
    journal_live_bytes: Gauge = "journal_live", "Bytes of journal files that are not yet in history", Some(Unit::Bytes), Gauge::default();
    journal_sync_seconds: Histogram = "journal_sync", "Duration of a journal sync", Some(Unit::Seconds), seconds();
    tail_bytes: Gauge = "tail", "Bytes of recent rows in memory", Some(Unit::Bytes), Gauge::default();
    frontier_millis: Gauge = "frontier_millis", "Arrival time of the newest durable row, ms since 1970", None, Gauge::default();
    archived_rows: Total = "archived_rows", "Rows written to history", None, Counter::default();
    archived_bytes: Total = "archived", "Bytes of Parquet files written to history", Some(Unit::Bytes), Counter::default();
    archived_files: Total = "archived_files", "Parquet files committed to history", None, Counter::default();
    compacted_files: Total = "compacted_files", "Parquet files merged away by compaction", None, Counter::default();
    expired_files: Total = "expired_files", "Parquet files deleted by retention", None, Counter::default();
    history_bytes: Gauge = "history", "Bytes of live Parquet files", Some(Unit::Bytes), Gauge::default();
    history_failures: Family<ReasonLabel, Total> = "history_failures", "Archiving attempts that failed, by code", None, Family::default();
    query_seconds: Histogram = "query", "Duration of SQL queries", Some(Unit::Seconds), seconds();
    queries: Family<ReasonLabel, Total> = "queries", "SQL queries, by outcome", None, Family::default();
    queries_running: Gauge = "queries_running", "SQL queries under way", None, Gauge::default();
    point_reads: Total = "point_reads", "Rows asked for by their whole key, found or not", None, Counter::default();
    flow_lag_millis: Family<AppLabel, Gauge> = "flow_lag_millis", "How far tables and views are behind the newest durable row, ms", None, Family::default();
    application_paused: Family<AppLabel, Gauge> = "application_paused", "1 if tables and views of an application stand still, else 0", None, Family::default();
    lookup_bytes: Family<AppLabel, Gauge> = "lookup", "Rows of tables in memory to be looked up", Some(Unit::Bytes), Family::default();
    flow_rows: Family<AppLabel, Total> = "flow_rows", "Rows and changes that steps of an application have taken", None, Family::default();
    view_rows: Family<ViewLabel, Total> = "view_rows", "Rows and changes that a view has told", None, Family::default();
    view_letters: Family<ViewLabel, Total> = "view_letters", "Rows on which a view failed, kept as dead letters", None, Family::default();
    view_state_bytes: Family<ViewLabel, Gauge> = "view_state", "State of a view in memory", Some(Unit::Bytes), Family::default();
    query_lag_rows: Family<QueryLabel, Gauge> = "query_lag_rows", "Rows that wait for a query of Spark", None, Family::default();
    query_state_rows: Family<QueryLabel, Gauge> = "query_state_rows", "Rows that Spark keeps as state of a query", None, Family::default();
    query_rows_per_second: Family<QueryLabel, Gauge> = "query_rows_per_second", "Rows that come in for a query of Spark, per second of its last batch", None, Family::default();
    query_taken_per_second: Family<QueryLabel, Gauge> = "query_taken_per_second", "Rows per second that a query of Spark takes while it computes", None, Family::default();
    query_failures: Family<QueryLabel, Gauge> = "query_failures", "How often a query of Spark was started again since it ran well", None, Family::default();
    query_failed: Family<QueryLabel, Gauge> = "query_failed", "1 if something stands against a query of Spark, else 0", None, Family::default();
    kept_rows: Total = "kept_rows", "Rows of views and tables that this node has written to Cassandra", None, Counter::default();
    kept_letters: Total = "kept_letters", "Rows of views and tables that this node could not write to Cassandra and has set aside", None, Counter::default();
    kept_lag_rows: Gauge = "kept_lag_rows", "Changes of views and tables that are not in Cassandra yet, for all nodes", None, Gauge::default();
    leader_round: Gauge = "leader_round", "Rounds of whoever is in control; it stands still if nobody is", None, Gauge::default();
    leader_problems: Gauge = "leader_problems", "What stands against what whoever is in control has to do", None, Gauge::default();
    http_requests: Family<RouteLabel, Total> = "http_requests", "HTTP requests, by route and status", None, Family::default();
    feeds_open: Gauge = "feeds_open", "Change feeds with a reader", None, Gauge::default();
    feeds_ended: Family<ReasonLabel, Total> = "feeds_ended", "Feeds over WebSocket that ended, by reason", None, Family::default();
    memory_resident_bytes: Gauge = "memory_resident", "Resident memory of the process", Some(Unit::Bytes), Gauge::default();
    disk_free_bytes: Gauge = "disk_free", "Free bytes of the data folder's file system", Some(Unit::Bytes), Gauge::default();
    task_panics: Total = "task_panics", "Threads and tasks that panicked", None, Counter::default();
}

impl Metrics {
    /// All metrics in the Prometheus text format (OpenMetrics 1.0).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        match encode(&mut text, &self.registry.lock()) {
            Ok(()) | Err(fmt::Error) => text,
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_up_under_their_full_name() {
        let metrics = Metrics::new();
        metrics.admitted_rows.inc_by(7);
        metrics
            .rejected_rows
            .get_or_create(&ReasonLabel {
                reason: "ADMIT-003".into(),
            })
            .inc();
        let text = metrics.encode();
        assert!(text.contains("mainstem_admitted_rows_total 7"), "{text}");
        assert!(
            text.contains("mainstem_rejected_rows_total{reason=\"ADMIT-003\"} 1"),
            "{text}"
        );
        assert!(text.contains("mainstem_ack_seconds_bucket"), "{text}");
    }
}
