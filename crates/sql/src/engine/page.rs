//! Rows by key page by page, in the order of the key. Each page is read at the frontier of its own
//! moment, so rows may change in between: a row that is there all the time is shown exactly once,
//! one that comes or goes meanwhile is shown if it is there when its place is read.
//!
//! Costs what the page has, wherever in the table it begins; nothing is planned.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    compute::concat_batches,
};
use mainstem_catalog::Object;
use mainstem_kernel::{Code, Position, TenantId};
use mainstem_store::KeyRange;
use mainstem_table::{Pointer, RowCodec, TableError};
use tokio::time::{Instant, timeout_at};

use super::{
    Answered, Engine, KeyedColumns, Running, Time, log_cause,
    reach::{here, reach},
    relation::Relation,
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
    page::{After, Page, Paged, first_place, key_columns},
};

/// Rows that are read before others have their turn.
const BATCH_ROWS: usize = 1_024;

/// What a page is read with.
struct Reading {
    columns: Arc<KeyedColumns>,
    /// Places of the columns that `SELECT *` shows.
    shown: Vec<usize>,
    /// The values of the first columns of the key.
    key: Vec<ArrayRef>,
    page: Page,
}

impl Engine {
    /// Rows of an object by their key, from where an earlier page ended; `None` if its rows have no
    /// key.
    ///
    /// # Errors
    /// When the key or `after` does not fit, or rows are not there in time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the page to end by itself.
    pub async fn page(
        self: &Arc<Self>,
        (tenant, object): (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        let Relation::Keyed(columns) = Relation::of(object)? else {
            return Ok(None);
        };
        let key = key_columns(object, &page.key)?;
        let fields = columns.schema.fields().iter().enumerate();
        let shown = fields.filter(|(_, field)| !columns.hidden.contains(field.name()));
        let reading = Reading {
            shown: shown.map(|(place, _)| place).collect(),
            columns,
            key,
            page,
        };
        let engine = Arc::clone(self);
        let task = self
            .parts
            .runtime
            .spawn(async move { engine.page_here(tenant, reading).await });
        let gone = |_| QueryError::broken("reading a page ended early");
        task.await.map_err(gone)?.map(Some)
    }

    async fn page_here(&self, tenant: TenantId, reading: Reading) -> Result<Paged, QueryError> {
        let limit = self.config.query_time_max;
        let deadline = Instant::now() + limit;
        let turn = self.turns.take(tenant)?;
        let (metrics, clock) = (
            Arc::clone(&self.parts.metrics),
            Arc::clone(&self.parts.clock),
        );
        let mut running = Running::start(turn, metrics, clock);
        let read = timeout_at(
            deadline,
            self.read_page(tenant, &reading, (deadline, limit)),
        );
        let paged = read.await.unwrap_or(Err(QueryError::Timeout { limit }));
        if let Err(error) = &paged {
            log_cause(error);
        }
        running.ended(paged.as_ref().err());
        paged
    }

    async fn read_page(
        &self,
        tenant: TenantId,
        reading: &Reading,
        time: Time,
    ) -> Result<Paged, QueryError> {
        let columns = &reading.columns;
        let tables = self.rows_of(tenant, &columns.app)?.tables;
        if let Some(wait) = &reading.page.wait {
            reach(tables.watch(), here(wait)?, time).await?;
        }
        let pointer = tables.pointer();
        let Ok(codec) = pointer.codec(columns.id).map(Arc::clone) else {
            return reading.without_rows(&pointer);
        };
        let range = reading.range(&codec)?;
        let size_max = self.config.query_memory_max.as_usize();
        let wanted = reading.page.limit.max(1);
        let scan = pointer.scan(columns.id, &range, BATCH_ROWS.min(wanted.saturating_add(1)));
        let (mut batches, mut count, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        for batch in scan.map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            count = count.saturating_add(batch.num_rows());
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            batches.push(batch);
            if count > wanted || bytes > size_max {
                break;
            }
            tokio::task::yield_now().await;
        }
        let rows = concat_batches(codec.schema(), &batches);
        let rows = rows.map_err(|error| from_engine(error.into()))?;
        // A page that has become too large ends early, and the next goes on.
        let is_more = count > wanted || bytes > size_max;
        reading.paged(
            &rows.slice(0, count.min(wanted)),
            (&pointer, &codec),
            is_more,
        )
    }
}

impl Reading {
    /// The keys of the page: those that begin with the given values, behind where it goes on.
    fn range(&self, codec: &RowCodec) -> Result<KeyRange, QueryError> {
        let prefix = codec.key_prefix(&self.key).map_err(unreadable)?;
        let range = KeyRange::prefix(&prefix);
        match &self.page.after {
            None => Ok(range),
            Some(after) if after.object == self.columns.id && after.key.starts_with(&prefix) => {
                Ok(range.after(&after.key))
            }
            Some(_) => {
                let message = format!("\"after\" is not of an answer of {}", self.columns.label);
                Err(mistake(Code::Sql048, first_place(), message)
                    .detail("It goes on where an earlier answer to the same question ended. A view that was built anew begins anew.")
                    .hint("take \"next\" of the answer before, with the same key, or leave \"after\" out")
                    .into())
            }
        }
    }

    fn without_rows(&self, pointer: &Pointer) -> Result<Paged, QueryError> {
        if pointer.frontier() >= self.columns.created {
            return Err(QueryError::NotReady {
                object: self.columns.label.clone(),
            });
        }
        // It was created behind this frontier.
        let schema = self.columns.schema.project(&self.shown);
        let schema = schema.map_err(|error| from_engine(error.into()))?;
        Ok(self.answer(RecordBatch::new_empty(schema.into()), pointer, None))
    }

    fn paged(
        &self,
        rows: &RecordBatch,
        (pointer, codec): (&Pointer, &RowCodec),
        is_more: bool,
    ) -> Result<Paged, QueryError> {
        let last = rows.slice(rows.num_rows().saturating_sub(1), rows.num_rows().min(1));
        let next = match is_more {
            true => Some(self.next(&last, codec)?),
            false => None,
        };
        let known = &codec.table().columns;
        let shown = self.columns.project(rows, known, &self.shown);
        let shown = shown.map_err(|error| from_engine(error.into()))?;
        Ok(self.answer(shown, pointer, next))
    }

    /// Where the next page begins.
    fn next(&self, last: &RecordBatch, codec: &RowCodec) -> Result<After, QueryError> {
        let keys = codec.keys(&codec.key_columns(last)).map_err(unreadable)?;
        let key = keys.iter().next().unwrap_or_default();
        if key.len() > After::KEY_BYTES_MAX {
            let message = format!("a key of {} bytes is too long to go on from", key.len());
            return Err(mistake(Code::Sql048, first_place(), message)
                .hint("ask with POST /v1/sql: SELECT … WHERE key > … ORDER BY key LIMIT n")
                .into());
        }
        Ok(After {
            object: self.columns.id,
            key: key.to_vec(),
        })
    }

    fn answer(&self, rows: RecordBatch, pointer: &Pointer, next: Option<After>) -> Paged {
        let schema = rows.schema();
        let rows = (rows.num_rows() > 0).then_some(Ok(rows));
        Paged {
            answered: Answered {
                schema,
                rows: Box::pin(futures::stream::iter(rows)),
                position: Position::at(pointer.frontier()).into(),
            },
            next,
        }
    }
}

fn unreadable(error: TableError) -> QueryError {
    QueryError::Unreadable {
        source: Box::new(error),
    }
}
