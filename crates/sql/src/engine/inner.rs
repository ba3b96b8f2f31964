//! Questions inside of statements that write: asked before, all at one frontier, within the limits
//! of the write.

use datafusion::{
    arrow::{array::RecordBatch, compute::concat_batches},
    execution::{SendableRecordBatchStream, session_state::SessionState},
    physical_plan::execute_stream,
};
use futures::StreamExt;
use mainstem_kernel::{ByteSize, Code, Position, TenantId};
use mainstem_table::{WriteError, Writer};
use sqlparser::ast::Statement;

use super::{Engine, Time, plan, reach, statement::refuse_locks};
use crate::{
    declare::Told,
    error::{QueryError, from_engine},
    write::{self, Inner, Known, Prepared},
};

impl Engine {
    /// Asks them, behind everything that was acknowledged before the request came.
    pub(super) async fn ask_inner(
        &self,
        prepared: &Prepared,
        tenant: TenantId,
        time: Time,
    ) -> Result<Known, QueryError> {
        let asts: Vec<&Statement> = prepared.inner.iter().map(|inner| &inner.ast).collect();
        let defs = self.parts.catalog.definitions();
        let app = write::app_of((&defs, tenant), prepared)?;
        let writer = self.rows_of(tenant, &app)?.writer;
        let acknowledged = Position::at(self.parts.log.frontier());
        for ast in &asts {
            if let Some(rows) = self.parts.rows_named(ast, &defs, tenant)? {
                reach(rows.tables.watch(), acknowledged, time).await?;
            }
        }
        let (resolved, cut) = self.parts.cut_all(&asts, tenant)?;
        let state = self.session(&cut)?;
        let mut known = Known {
            frontier: cut.frontier,
            ..Known::default()
        };
        for (inner, resolved) in prepared.inner.iter().zip(resolved) {
            refuse_locks(&inner.ast, &inner.place)?;
            let rows = answer(&state, resolved.ast, (inner, &writer)).await;
            known.answers.push(inner.answer(&rows.map_err(told)?)?);
            known.reads.push(resolved.reads);
        }
        Ok(known)
    }
}

/// The rows of one question, no more of them than a write may have.
async fn answer(
    state: &SessionState,
    ast: Statement,
    (inner, writer): (&Inner, &Writer),
) -> Result<RecordBatch, QueryError> {
    let plan = plan(state, ast).await.map_err(from_engine)?;
    let rows = execute_stream(plan, state.task_ctx()).map_err(from_engine)?;
    let limit = writer.statement_rows_max();
    let wanted = inner.wanted.rows_max(limit);
    let size_max = writer.batch_size_max();
    let rows = first(rows, wanted, size_max).await?;
    match rows.num_rows() > wanted && inner.wanted.is_limited() {
        true => Err(WriteError::TooManyRows { limit }.into()),
        false => Ok(rows),
    }
}

/// The first rows, at least one more than wanted if there are more.
async fn first(
    mut rows: SendableRecordBatchStream,
    wanted: usize,
    limit: ByteSize,
) -> Result<RecordBatch, QueryError> {
    let schema = rows.schema();
    let (mut batches, mut count, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    while count <= wanted
        && let Some(batch) = rows.next().await
    {
        let batch = batch.map_err(from_engine)?;
        count = count.saturating_add(batch.num_rows());
        bytes = bytes.saturating_add(batch.get_array_memory_size());
        if bytes > limit.as_usize() {
            let size = ByteSize::from(bytes);
            return Err(WriteError::TooLarge { size, limit }.into());
        }
        batches.push(batch);
    }
    concat_batches(&schema, &batches).map_err(|error| from_engine(error.into()))
}

/// A column that is not there may be one of the statement around the question.
fn told(error: QueryError) -> QueryError {
    match error {
        QueryError::Text(problem) if problem.code == Code::Sql022 => problem
            .detail(
                "A question inside of a statement that writes is asked before any row of the \
                 table is seen: it cannot name the columns of that row.",
            )
            .into(),
        other => other,
    }
}
