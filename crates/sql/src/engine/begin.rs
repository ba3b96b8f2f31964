//! From a statement to rows about to come: what it asks is planned at one frontier, what it writes is
//! handed on to `writing`.

use std::{panic::AssertUnwindSafe, sync::Arc};

use datafusion::{
    arrow::array::RecordBatch,
    execution::{SendableRecordBatchStream, context::SQLOptions, session_state::SessionState},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream, stream::RecordBatchStreamAdapter},
};
use futures::FutureExt;
use mainstem_kernel::{Seq, TenantId};
use sqlparser::ast::Statement;
use tokio::time::timeout_at;

use super::{
    Engine, Question, Rights, Time,
    cut::Cut,
    limits::QueryMemory,
    lines,
    reach::here,
    rows::panicked,
    session::{self, Given},
    show,
    statement::{self, Asked},
    writing::commit,
};
use crate::{
    error::{QueryError, from_engine},
    pattern,
    rows::AppRows,
    write::{Form, Write},
};

/// How often a write is tried whose tables change while it reads them.
const ATTEMPTS_MAX: usize = 10;

/// Rows about to come, and the frontier that they show.
pub(super) type Begun = (SendableRecordBatchStream, Seq);

/// What a statement has become.
pub(super) enum Started {
    Rows(Begun),
    /// It is compiled, and nothing of it is done.
    Write(Box<Write>, AppRows),
}

impl Engine {
    /// Begins a question. A write whose tables have changed since it read them begins again.
    pub(super) async fn begun(&self, question: &Question, time: Time) -> Result<Begun, QueryError> {
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
        time: Time,
    ) -> Result<Started, QueryError> {
        let form = form.filter(|_| question.wait.is_none() && question.rights == Rights::Write);
        if let Some(started) = form.as_ref().and_then(|form| self.formed(question, form)) {
            return started;
        }
        let asked = statement::read(&question.sql)?;
        if let Some(wait) = &question.wait {
            self.wait_for(here(wait)?, time).await?;
            self.wait_for_rows(&asked, question, time).await?;
        }
        match asked {
            Asked::Query(statement) => {
                let rows = self.query(*statement, question.tenant).await?;
                Ok(Started::Rows(rows))
            }
            Asked::Write(statements) => {
                let write = self.write(statements, (question, form), time);
                Box::pin(write).await
            }
            Asked::Verify(named) => {
                let rows = self.verify(&named, question.tenant).await?;
                Ok(Started::Rows(rows))
            }
            shown => Ok(Started::Rows(self.show(&shown, question.tenant)?)),
        }
    }

    async fn query(&self, ast: Statement, tenant: TenantId) -> Result<Begun, QueryError> {
        let is_explained = matches!(ast, Statement::Explain { .. });
        let (ast, cut) = self.parts.cut(&ast, tenant)?;
        let mut state = self.session(&cut)?;
        pattern::offer(&mut state, &ast).map_err(from_engine)?;
        let plan = plan(&state, ast).await.map_err(from_engine)?;
        let rows = execute_stream(plan, state.task_ctx()).map_err(from_engine)?;
        let rows = match is_explained {
            true => lines::by_line(rows),
            false => rows,
        };
        Ok((rows, cut.frontier))
    }

    pub(super) fn session(&self, cut: &Cut) -> Result<SessionState, QueryError> {
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
pub(super) fn one(batch: RecordBatch) -> SendableRecordBatchStream {
    let schema = batch.schema();
    let rows = futures::stream::iter([Ok(batch)]);
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

pub(super) async fn plan(
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
    use super::{limits::Memory, names, store};

    let share = mainstem_kernel::ByteSize::mib(64);
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
        memory: QueryMemory::new(&Memory::new(share), share),
        now: mainstem_kernel::Timestamp(1_700_000_000_000_000),
    };
    let state = session::of_question(&prototype, given).map_err(from_engine)?;
    let plan = plan(&state, *ast).await.map_err(from_engine)?;
    let rows = datafusion::physical_plan::collect(plan, state.task_ctx());
    rows.await.map_err(from_engine)
}
