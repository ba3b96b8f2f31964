//! Reading rows by a part of their key, or all of them, page by page, in Cassandra's own order: by
//! the token of the partition, then by the bounds of windows, the newest first.

use std::sync::Arc;

use arrow::array::RecordBatch;
use scylla::{
    response::{PagingState, PagingStateResponse},
    statement::prepared::PreparedStatement,
    value::{CqlValue, Row},
};

use super::{CassandraError, RowTable, Rows, Target, column::Columns, reader::found_rows};

/// Statements that are remembered; beyond that all are forgotten and prepared again.
const STATEMENTS_MAX: usize = 1_000;

/// Rows of a page.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The columns of the view.
    pub rows: RecordBatch,
    /// Of each row, its version.
    pub versions: Vec<u64>,
    /// Where the next page begins, as only Cassandra reads it; none if these are the last.
    pub next: Option<Vec<u8>>,
}

impl Rows {
    /// The next rows whose key has these values: a batch of one row, with some columns of the key or
    /// none. A page may have fewer rows than are asked for, and not be the last.
    ///
    /// # Errors
    /// `Shape` when a value does not fit, `Unacknowledged`; `Refused` also when `after` was not
    /// given by an earlier page.
    pub async fn slice(
        &self,
        target: &Target,
        (given, after): (&RecordBatch, Option<&[u8]>),
        rows_max: usize,
    ) -> Result<Slice, CassandraError> {
        let shape = |reason: String| CassandraError::Shape {
            table: target.table.name().to_owned(),
            reason,
        };
        let names: Vec<String> = given
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let values = values(&target.table, (given, &names)).map_err(shape)?;
        let mut statement = self.slice_statement(&target.table, &names).await?;
        statement.set_page_size(i32::try_from(rows_max.max(1)).unwrap_or(i32::MAX));
        let after = after.map_or_else(PagingState::start, PagingState::new_from_raw_bytes);
        let read = || {
            self.session
                .execute_single_page(&statement, &values, after.clone())
        };
        let (answer, next) = self.again(target.table.name(), read).await?;
        let answer = answer
            .into_rows_result()
            .map_err(|error| shape(error.to_string()))?;
        let rows = answer.rows::<Row>();
        let rows = rows.map_err(|error| shape(error.to_string()))?;
        let rows: Result<Vec<_>, _> = rows.enumerate().map(|(at, row)| Ok((at, row?))).collect();
        let rows =
            rows.map_err(|error: scylla::errors::DeserializationError| shape(error.to_string()))?;
        let found = found_rows(target, rows).map_err(shape)?;
        Ok(Slice {
            rows: found.rows,
            versions: found.versions,
            next: match next {
                PagingStateResponse::HasMorePages { state } => {
                    state.as_bytes_slice().map(|bytes| bytes.to_vec())
                }
                PagingStateResponse::NoMorePages => None,
            },
        })
    }

    async fn slice_statement(
        &self,
        table: &Arc<RowTable>,
        given: &[String],
    ) -> Result<PreparedStatement, CassandraError> {
        let text = table.slice(given);
        if let Some(known) = self.slices.lock().get(&text) {
            return Ok(known.clone());
        }
        let prepared = self.prepare(table, text.clone()).await?;
        let mut slices = self.slices.lock();
        if slices.len() >= STATEMENTS_MAX {
            slices.clear();
        }
        slices.insert(text, prepared.clone());
        Ok(prepared)
    }
}

/// The values that are given, in the order of the statement.
fn values(
    table: &RowTable,
    (given, names): (&RecordBatch, &[String]),
) -> Result<Vec<Option<CqlValue>>, String> {
    let part = table.part(names)?;
    let columns = Columns::of(&part, given)?;
    let all = 0..part.cells().len();
    all.map(|column| columns.value(column, 0)).collect()
}
