//! Questions: each is planned and run over its streams at one frontier, within its limits.
//!
//! A question reads nothing but declared objects, and whether a row is written is decided elsewhere.

mod apart;
mod begin;
mod coded;
pub(crate) mod columns;
mod cut;
mod files;
mod inner;
mod keyed;
mod limits;
mod lines;
mod names;
mod narrow;
mod page;
mod point;
mod range;
mod reach;
mod relation;
mod rows;
pub(crate) mod session;
mod show;
pub(crate) mod statement;
mod stats;
mod store;
mod table;
mod tail;
mod verify;
mod waiting;
mod writing;

#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc, time::Duration};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    execution::session_state::SessionState,
};
use futures::Stream;
use mainstem_catalog::Catalog;
use mainstem_history::History;
use mainstem_kernel::{
    AppName, ByteSize, Position, Reached, TenantId, clock::SharedClock, metrics::Metrics,
};
use mainstem_log::SharedLog;
use tokio::{runtime::Handle, sync::Mutex, time::Instant};

use self::{
    begin::{Begun, plan},
    limits::{Memory, Turns},
    point::Points,
    reach::reach,
    rows::{LimitedRows, Running, log_cause},
};
use crate::{
    error::QueryError,
    rows::{AppRows, SharedRowSource},
    write::{Forms, Plans},
};

#[cfg(test)]
pub(crate) use begin::constant;
pub(crate) use columns::StreamColumns;
pub(crate) use keyed::{Access, KeyedColumns};
pub(crate) use limits::OutOfMemory;
pub use lines::plan_lines;
pub(crate) use names::{Relations, bare, check_calls, folded, near, resolve, unknown};
pub(crate) use session::default_planners;
pub(crate) use show::answer as shown;
pub(crate) use statement::{Asked, read};
pub(crate) use verify::verified;

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
    /// Rows by key.
    pub rows: SharedRowSource,
    /// `now()`.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where questions run, so that one that computes for long keeps no door waiting.
    pub runtime: Handle,
}

/// Answers questions.
#[derive(Debug)]
pub struct Engine {
    parts: SqlParts,
    config: SqlConfig,
    turns: Arc<Turns>,
    memory: Arc<Memory>,
    points: Points,
    plans: Plans,
    forms: Forms,
    /// Held by the one write that is tried again: those that compete for a table take turns then.
    again: Mutex<()>,
    /// What every session begins as; an error of DataFusion's own defaults is told when asked.
    prototype: Result<SessionState, String>,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asks.
    pub tenant: TenantId,
    /// One SELECT, EXPLAIN or SHOW; or INSERT, UPDATE and DELETE, several of them and of SELECT …
    /// FOR UPDATE between BEGIN and COMMIT.
    pub sql: String,
    /// What the asker may do.
    pub rights: Rights,
    /// Answer at this position or later.
    pub wait: Option<Reached>,
    /// Shorter than the engine's own limit.
    pub time_max: Option<Duration>,
    /// Idempotency-Key of a request that writes: beyond one machine, whoever sends it again gets its
    /// first answer. One machine decides each request.
    pub request: Option<String>,
}

/// What an asker may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Ask.
    Read,
    /// Ask, and write rows of tables.
    Write,
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
    pub position: Reached,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered")
            .field("schema", &self.schema)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// When a question ends at the latest, and how long that is.
type Time = (Instant, Duration);

impl Engine {
    /// Makes an engine over the parts.
    #[must_use]
    pub fn open(parts: SqlParts, config: SqlConfig) -> Arc<Self> {
        let prototype = session::prototype(config.threads).map_err(|error| error.to_string());
        Arc::new(Self {
            turns: Turns::new(config.queries_max),
            memory: Memory::new(config.memory_max),
            again: Mutex::default(),
            points: Points::default(),
            plans: Plans::default(),
            forms: Forms::default(),
            parts,
            config,
            prototype,
        })
    }

    /// The rows by key of an application, for feeds of their changes.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn rows_of(&self, tenant: TenantId, app: &AppName) -> Result<AppRows, QueryError> {
        let rows = self.parts.rows.rows_of(tenant, app);
        rows.ok_or_else(|| QueryError::NotRunning { app: app.clone() })
    }

    /// Plans and starts a question.
    ///
    /// # Errors
    /// When the statement is not understood, not allowed, or does not plan.
    ///
    /// # Cancel safety
    /// Dropping the future gives everything back.
    pub async fn ask(self: &Arc<Self>, question: Question) -> Result<Answered, QueryError> {
        match question.wait.is_none() && statement::is_small_write(&question.sql) {
            // Handing it to other threads would cost more than it does.
            true => Box::pin(self.ask_here(question)).await,
            false => apart::ask(&self.parts.runtime, Arc::clone(self), question).await,
        }
    }

    /// Plans and starts a question on the present runtime.
    async fn ask_here(&self, question: Question) -> Result<Answered, QueryError> {
        let limit = question
            .time_max
            .map_or(self.config.query_time_max, |wanted| {
                wanted.min(self.config.query_time_max)
            });
        let deadline = Instant::now() + limit;
        let turn = self.turns.take(question.tenant)?;
        let (metrics, clock) = (
            Arc::clone(&self.parts.metrics),
            Arc::clone(&self.parts.clock),
        );
        let mut running = Running::start(turn, metrics, clock);
        match self.begun(&question, (deadline, limit)).await {
            Ok((rows, frontier)) => {
                let schema = rows.schema();
                let rows = Box::pin(LimitedRows::new(rows, (deadline, limit), running));
                Ok(Answered {
                    schema,
                    rows,
                    position: Position::at(frontier).into(),
                })
            }
            Err(error) => {
                log_cause(&error);
                running.ended(Some(&error));
                Err(error)
            }
        }
    }
}
