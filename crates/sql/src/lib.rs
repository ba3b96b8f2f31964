//! The only crate that parses and plans SQL: dialect, function table, ad-hoc execution.
//!
//! It never writes, and a query reads nothing but registered streams.

mod declare;
mod dialect;
mod nearest;

pub use declare::{Declaration, Declared, declarations, show};

use std::{pin::Pin, sync::Arc, time::Duration};

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::Stream;
use mainstem_catalog::Catalog;
use mainstem_history::History;
use mainstem_kernel::{
    Answer, ByteSize, Code, Fault, Position, TenantId, clock::SharedClock,
    metrics::Metrics,
};
use mainstem_log::SharedLog;

/// Limits of questions.
#[derive(Clone, Debug)]
pub struct SqlConfig {
    /// Memory of all queries.
    pub memory_max: ByteSize,
    /// Memory of one query.
    pub query_memory_max: ByteSize,
    /// Longest time of one query.
    pub query_time_max: Duration,
    /// Queries of one tenant at once.
    pub queries_max: usize,
    /// Threads that one query is planned for.
    pub threads: usize,
}

/// What the engine is opened with.
#[derive(Debug)]
pub struct SqlParts {
    /// What can be asked.
    pub catalog: Arc<Catalog>,
    /// Rows above the cut.
    pub log: SharedLog,
    /// Rows up to the cut.
    pub history: Arc<History>,
    /// `now()`.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// Answers questions.
#[derive(Debug)]
pub struct Engine {}

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asks.
    pub tenant: TenantId,
    /// One SELECT, EXPLAIN or SHOW.
    pub sql: String,
    /// Answer at this position or later.
    pub wait: Option<Position>,
    /// Shorter than the engine's own limit.
    pub time_max: Option<Duration>,
}

/// The rows of an answer, as they come.
pub type Rows = Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryError>> + Send>>;

/// An answer.
pub struct Answered {
    /// Its columns; UUID and JSON are marked by metadata.
    pub schema: SchemaRef,
    /// Its rows. Dropping them cancels the query.
    pub rows: Rows,
    /// The frontier that it shows.
    pub position: Position,
}

impl Engine {
    /// Makes an engine over the parts.
    #[must_use]
    pub fn open(_parts: SqlParts, _config: SqlConfig) -> Arc<Self> {
        unimplemented!("owner: sql")
    }

    /// Plans and starts a question.
    ///
    /// # Errors
    /// When the statement is not understood, not allowed, or does not plan.
    pub async fn ask(&self, _question: Question) -> Result<Answered, QueryError> {
        unimplemented!("owner: sql")
    }
}

/// How an answer is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultFormat {
    /// One JSON document with columns and rows.
    Json,
    /// One object per line.
    Ndjson,
    /// A header line, then a row per line.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Caller: ask less, or give it more time.
    #[error("query was stopped after {limit:?}")]
    Timeout {
        /// Its limit.
        limit: Duration,
    },
}

impl Fault for QueryError {
    fn answer(&self) -> Answer {
        match self {
            Self::Timeout { .. } => Answer::caller(Code::Log001),
        }
    }
}
