//! Questions: each is planned and run over its streams at one frontier, within its limits.
//!
//! It never writes, and a question reads nothing but declared objects.

mod apart;
mod coded;
pub(crate) mod columns;
mod cut;
mod files;
mod inner;
mod keyed;
mod limits;
mod names;
mod page;
mod point;
mod range;
mod relation;
mod rows;
pub(crate) mod session;
mod show;
mod statement;
mod stats;
mod store;
mod table;
mod tail;
mod verify;
mod waiting;

#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    execution::{SendableRecordBatchStream, context::SQLOptions, session_state::SessionState},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream, stream::RecordBatchStreamAdapter},
};
use futures::{FutureExt, Stream};
use mainstem_catalog::Catalog;
use mainstem_history::History;
use mainstem_kernel::{
    AppName, ByteSize, Position, Seq, TenantId, clock::SharedClock, metrics::Metrics,
};
use mainstem_log::SharedLog;
use sqlparser::ast::Statement;
use tokio::{
    runtime::Handle,
    sync::{Mutex, watch},
    time::{Instant, timeout_at},
};

use self::{
    cut::Cut,
    limits::{Memory, QueryMemory, Turns},
    point::Points,
    rows::{LimitedRows, Running, log_cause, panicked},
    session::Given,
    statement::Asked,
};
use crate::{
    error::{QueryError, from_engine},
    rows::{AppRows, SharedRowSource},
    write::{self, Form, Forms, Known, Planning, Plans, Write, Written},
};

pub(crate) use columns::StreamColumns;
pub(crate) use keyed::{Access, KeyedColumns};
pub(crate) use limits::OutOfMemory;
pub(crate) use names::{bare, check_calls, folded, near, unknown};
pub(crate) use session::default_planners;

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
    pub wait: Option<Position>,
    /// Shorter than the engine's own limit.
    pub time_max: Option<Duration>,
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
    pub position: Position,
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

/// How often a write is tried whose tables change while it reads them.
const ATTEMPTS_MAX: usize = 10;

/// Rows about to come, and the frontier that they show.
type Begun = (SendableRecordBatchStream, Seq);

/// What a statement has become.
enum Started {
    Rows(Begun),
    /// It is compiled, and nothing of it is done.
    Write(Box<Write>, AppRows),
}

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
                    position: Position::at(frontier),
                })
            }
            Err(error) => {
                log_cause(&error);
                running.ended(Some(&error));
                Err(error)
            }
        }
    }

    /// Begins a question. A write whose tables have changed since it read them begins again.
    async fn begun(&self, question: &Question, time: Time) -> Result<Begun, QueryError> {
        let (deadline, limit) = time;
        let (mut attempts, mut first_in_line) = (1, None);
        let mut form = Form::of(&question.sql);
        loop {
            let begin = AssertUnwindSafe(Box::pin(self.begin(question, form.take(), time)));
            let started = match timeout_at(deadline, begin.catch_unwind()).await {
                Err(_late) => Err(QueryError::Timeout { limit }),
                Ok(Err(panic)) => Err(panicked(panic.as_ref())),
                Ok(Ok(started)) => started,
            };
            let (begun, is_placed) = match started? {
                Started::Rows(begun) => return Ok(begun),
                // It waits as long as it takes: whether it was written must be told.
                Started::Write(write, rows) => {
                    let is_placed = write.is_placed;
                    (commit(*write, &rows).await, is_placed)
                }
            };
            match begun {
                // Compiled as it is written, it says where the mistake is.
                Err(error) if error.is_refusal() && !is_placed => continue,
                Err(error) if error.is_conflict() && attempts < ATTEMPTS_MAX => attempts += 1,
                begun => return begun,
            }
            if first_in_line.is_none() {
                let line = timeout_at(deadline, self.again.lock()).await;
                first_in_line = Some(line.map_err(|_late| QueryError::Timeout { limit })?);
            }
        }
    }

    async fn begin(
        &self,
        question: &Question,
        form: Option<Form>,
        (deadline, limit): Time,
    ) -> Result<Started, QueryError> {
        let form = form.filter(|_| question.wait.is_none() && question.rights == Rights::Write);
        if let Some(started) = form.as_ref().and_then(|form| self.formed(question, form)) {
            return started;
        }
        let asked = statement::read(&question.sql)?;
        if let Some(position) = question.wait {
            self.wait_for(position, deadline, limit).await?;
            self.wait_for_rows(&asked, question, (deadline, limit))
                .await?;
        }
        match asked {
            Asked::Query(statement) => {
                let rows = self.query(*statement, question.tenant).await?;
                Ok(Started::Rows(rows))
            }
            Asked::Write(statements) => {
                let write = self.write(statements, (question, form), (deadline, limit));
                Box::pin(write).await
            }
            Asked::Verify(named) => {
                let rows = self.verify(&named, question.tenant).await?;
                Ok(Started::Rows(rows))
            }
            shown => Ok(Started::Rows(self.show(&shown, question.tenant)?)),
        }
    }

    /// A statement whose form was compiled before; `None` if none was, or its values do not fit.
    fn formed(&self, question: &Question, form: &Form) -> Option<Result<Started, QueryError>> {
        let tenant = question.tenant;
        let defs = self.parts.catalog.definitions();
        let write = self.forms.write((&defs, tenant), form)?;
        let rows = self.rows_of(tenant, &write.app);
        Some(rows.map(|rows| Started::Write(Box::new(write), rows)))
    }

    /// Compiles statements that write, once the questions inside of them are answered.
    async fn write(
        &self,
        statements: Vec<Written>,
        (question, form): (&Question, Option<Form>),
        time: Time,
    ) -> Result<Started, QueryError> {
        if question.rights == Rights::Read {
            return Err(statement::only_reading(&statements).into());
        }
        let prepared = write::take_out(statements)?;
        let tenant = question.tenant;
        let known = match prepared.inner.is_empty() {
            true => Known::default(),
            false => Box::pin(self.ask_inner(&prepared, tenant, time)).await?,
        };
        let defs = self.parts.catalog.definitions();
        let planning = Planning {
            state: self.prototype.as_ref().map_err(QueryError::broken)?,
            now: self.parts.clock.now(),
            plans: &self.plans,
        };
        let mut write = write::compile(planning, (&defs, tenant), &prepared, &known)?;
        if let Some(form) = form {
            self.forms.keep(form, &mut write);
        }
        let rows = self.rows_of(tenant, &write.app)?;
        Ok(Started::Write(Box::new(write), rows))
    }

    async fn wait_for(
        &self,
        position: Position,
        deadline: Instant,
        limit: Duration,
    ) -> Result<(), QueryError> {
        let frontier = self.parts.log.watch();
        reach(frontier, position, (deadline, limit)).await
    }

    /// Waits until rows by key that the question names are at the position too.
    async fn wait_for_rows(
        &self,
        asked: &Asked,
        question: &Question,
        time: Time,
    ) -> Result<(), QueryError> {
        let Some(position) = question.wait else {
            return Ok(());
        };
        let defs = self.parts.catalog.definitions();
        let rows = match asked {
            Asked::Query(ast) => self.parts.rows_named(ast, &defs, question.tenant)?,
            Asked::Verify(named) => match defs.object(question.tenant, &named.name) {
                Some(object) => Some(self.rows_of(question.tenant, object.app())?),
                None => None,
            },
            _ => None,
        };
        match rows {
            Some(rows) => reach(rows.tables.watch(), position, time).await,
            None => Ok(()),
        }
    }

    async fn query(&self, ast: Statement, tenant: TenantId) -> Result<Begun, QueryError> {
        let (ast, cut) = self.parts.cut(&ast, tenant)?;
        let state = self.session(&cut)?;
        let plan = plan(&state, ast).await.map_err(from_engine)?;
        let rows = execute_stream(plan, state.task_ctx()).map_err(from_engine)?;
        Ok((rows, cut.frontier))
    }

    fn session(&self, cut: &Cut) -> Result<SessionState, QueryError> {
        let prototype = self.prototype.as_ref().map_err(QueryError::broken)?;
        let caches = &prototype.runtime_env().cache_manager;
        let store = cut.store(caches.get_file_metadata_cache())?;
        let given = Given {
            tables: cut.tables(&self.parts, &store),
            store,
            memory: QueryMemory::new(&self.memory, self.config.query_memory_max),
            now: self.parts.clock.now(),
        };
        session::of_question(prototype, given).map_err(from_engine)
    }

    fn show(&self, asked: &Asked, tenant: TenantId) -> Result<Begun, QueryError> {
        let frontier = self.parts.log.frontier();
        let defs = self.parts.catalog.definitions();
        Ok((one(show::answer(asked, &defs, tenant)?), frontier))
    }
}

/// An answer of one batch.
fn one(batch: RecordBatch) -> SendableRecordBatchStream {
    let schema = batch.schema();
    let rows = futures::stream::iter([Ok(batch)]);
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// Writes, and answers when it is durable.
async fn commit(mut write: Write, rows: &AppRows) -> Result<Begun, QueryError> {
    let transaction = std::mem::take(&mut write.transaction);
    let written = rows.writer.commit(transaction).await?;
    let answer = write.answer(&written.outcomes)?;
    Ok((one(answer), written.position.seq()))
}

async fn reach(
    mut frontier: watch::Receiver<Seq>,
    position: Position,
    (deadline, limit): Time,
) -> Result<(), QueryError> {
    let reached = frontier.wait_for(|seq| *seq >= position.seq());
    match timeout_at(deadline, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(QueryError::Position { position, limit }),
    }
}

async fn plan(
    state: &SessionState,
    ast: Statement,
) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(ast));
    let logical: LogicalPlan = state.statement_to_plan(statement).await?;
    let only_reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    only_reading.verify_plan(&logical)?;
    state.create_physical_plan(&logical).await
}

/// Answers a question that names no stream.
#[cfg(test)]
pub(crate) async fn constant(sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
    let Asked::Query(mut ast) = statement::read(sql)? else {
        return Err(QueryError::broken("not a query"));
    };
    names::resolve(
        &mut ast,
        &mainstem_catalog::Definitions::default(),
        TenantId::ONLY,
    )?;
    let prototype = session::prototype(2).map_err(from_engine)?;
    let caches = &prototype.runtime_env().cache_manager;
    let given = Given {
        tables: std::collections::HashMap::new(),
        store: Arc::new(store::FileStore::new(caches.get_file_metadata_cache())),
        memory: QueryMemory::new(&Memory::new(ByteSize::mib(64)), ByteSize::mib(64)),
        now: mainstem_kernel::Timestamp(1_700_000_000_000_000),
    };
    let state = session::of_question(&prototype, given).map_err(from_engine)?;
    let plan = plan(&state, *ast).await.map_err(from_engine)?;
    let rows = datafusion::physical_plan::collect(plan, state.task_ctx());
    rows.await.map_err(from_engine)
}
