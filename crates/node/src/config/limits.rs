//! From settings and memory shares to what each crate is opened with.

use mainstem_flow::FlowConfig;
use mainstem_kernel::ByteSize;
use mainstem_store::StoreConfig;
use mainstem_table::{TablesConfig, WriterConfig};

use super::Config;
use crate::{applications::ApplicationsConfig, memory::Shares, parts::cores};

/// New rows of one space of the store in memory, at most and at least: with small ones the store
/// merges more often.
const STORE_BUFFER: ByteSize = ByteSize::mib(16);
const STORE_BUFFER_MIN: ByteSize = ByteSize::mib(4);
/// A step has one part in so many of what state of views may take: it makes several times its size
/// of memory, and with little memory few rows are to be many.
const STEP_PARTS: u64 = 8;
/// The store's own journals.
const STORE_JOURNAL: ByteSize = ByteSize::mib(128);

impl Config {
    /// For `log`.
    pub(crate) fn log(&self, shares: Shares) -> mainstem_log::LogConfig {
        mainstem_log::LogConfig {
            journal_file_size: self.journal.file_size,
            journal_size_max: self.journal.size_max,
            group_size_max: self.journal.group_size_max,
            queue_max: self.journal.queue_max,
            tail_bytes_max: shares.tail,
            producers_max: self.journal.producers_max,
            request_keep: self.journal.request_keep.0,
            clock_behind_max: self.journal.clock_behind_max.0,
            accept_damage: self.journal.accept_damage,
        }
    }

    /// For `history`.
    pub(crate) fn history(&self, shares: Shares) -> mainstem_history::HistoryConfig {
        mainstem_history::HistoryConfig {
            file_size_max: self.history.file_size_max,
            memory_max: shares.archiving,
        }
    }

    /// For `admit`.
    pub(crate) fn admit(&self, shares: Shares) -> mainstem_admit::AdmitConfig {
        mainstem_admit::AdmitConfig {
            workers: or_cores(self.admit.workers),
            queue_bytes_max: shares.admission,
            body_size_max: self.http.decoded_size_max,
            frame_bytes_max: self.admit.frame_bytes_max,
            frame_rows_max: self.admit.frame_rows_max,
            gather_max: self.admit.gather_max.0,
            ahead_max: self.admit.ahead_max.0,
        }
    }

    /// For `sql`.
    pub(crate) fn sql(&self, shares: Shares) -> mainstem_sql::SqlConfig {
        mainstem_sql::SqlConfig {
            memory_max: shares.queries,
            query_memory_max: ByteSize(self.sql.query_memory_max.0.min(shares.queries.0)),
            query_time_max: self.sql.query_time_max.0,
            queries_max: self.sql.queries_max,
            threads: or_cores(self.sql.threads),
        }
    }

    /// For tables and views: the store has an eighth of their share, rows that wait for it three,
    /// and state of views the rest. Buffers of the store are beside it.
    pub(crate) fn applications(&self, shares: Shares) -> ApplicationsConfig {
        let part = |eighths: u64| ByteSize(shares.views.0 / 8 * eighths);
        ApplicationsConfig {
            store: StoreConfig {
                cache: part(1),
                buffer_size_max: ByteSize(part(1).0 / 2).clamp(STORE_BUFFER_MIN, STORE_BUFFER),
                buffers_size_max: part(2),
                journal_size_max: STORE_JOURNAL,
            },
            tables: TablesConfig {
                overlay_size_max: part(3),
                apply_interval: self.table.apply_interval.0,
                feed_size_max: self.table.feed_size_max,
                redo_files_max: self.table.redo_files_max,
                redo_size_max: self.table.redo_size_max,
            },
            flow: FlowConfig {
                threads: or_cores(self.flow.threads),
                step_size_max: ByteSize(part(4).0 / STEP_PARTS).min(self.flow.step_size_max),
                state_size_max: part(4),
                lookup_size_max: shares.lookups,
                checkpoint_interval: self.flow.checkpoint_interval.0,
                outgoing_interval: self.flow.outgoing_interval.0,
            },
            writer: WriterConfig {
                queue_max: self.table.queue_max,
                batch_size_max: ByteSize(self.journal.group_size_max.0 / 2),
                statement_rows_max: self.table.statement_rows_max,
                flight_size_max: part(1),
                patience: self.http.wait_max.0,
            },
        }
    }

    /// For `gateway`.
    pub(crate) fn http(&self, shares: Shares) -> mainstem_gateway::HttpConfig {
        mainstem_gateway::HttpConfig {
            body_size_max: self.http.body_size_max,
            decoded_size_max: self.http.decoded_size_max,
            decompression_ratio_max: self.http.decompression_ratio_max,
            // Bodies on their way are a third of what waits for admission.
            bodies_size_max: ByteSize(shares.admission.0 / 3),
            connections_max: self.http.connections_max,
            read_time_max: self.http.read_time_max.0,
            feeds_max: self.http.feeds_max,
            wait_max: self.http.wait_max.0,
        }
    }
}

/// 0 means one per core.
fn or_cores(n: usize) -> usize {
    if n == 0 { cores() } else { n }
}
