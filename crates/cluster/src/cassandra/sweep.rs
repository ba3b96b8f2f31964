//! Taking rows out that were written by generations of a view that are over.

use futures::{StreamExt, TryStreamExt, stream};
use scylla::{
    response::{PagingState, PagingStateResponse},
    value::{CqlValue, Row},
};

use super::{CassandraError, Rows, Target, writer::first_of};

/// Rows that are looked at together.
const PAGE_ROWS: i32 = 1_000;

impl Rows {
    /// Deletes the rows that were last written by a generation before this one; how many those were.
    /// A row that the generation itself has written, or writes meanwhile, stays.
    ///
    /// # Errors
    /// `Unacknowledged`, `Refused`, `Shape`. Then some may be deleted; doing it again is harmless.
    pub async fn sweep(&self, target: &Target, generation: u16) -> Result<u64, CassandraError> {
        let table = &target.table;
        let shape = |reason: String| CassandraError::Shape {
            table: table.name().to_owned(),
            reason,
        };
        let mut select = self.prepare(table, table.written()).await?;
        select.set_page_size(PAGE_ROWS);
        let first = first_of(generation);
        let (mut after, mut swept) = (PagingState::start(), 0_u64);
        loop {
            let read = || self.session.execute_single_page(&select, (), after.clone());
            let (answer, next) = self.again(table.name(), read).await?;
            let answer = answer.into_rows_result();
            let answer = answer.map_err(|error| shape(error.to_string()))?;
            let rows = answer.rows::<Row>();
            let rows = rows.map_err(|error| shape(error.to_string()))?;
            let mut old = Vec::new();
            for row in rows {
                let mut row = row.map_err(|error| shape(error.to_string()))?.columns;
                let at = row.pop().flatten();
                let Some(CqlValue::BigInt(at)) = at else {
                    return Err(shape("a row without the time it was written at".to_owned()));
                };
                if at < first {
                    let before = Some(CqlValue::BigInt(first - 1));
                    old.push(std::iter::once(before).chain(row).collect::<Vec<_>>());
                }
            }
            swept = swept.saturating_add(old.len() as u64);
            let deletes = stream::iter(old).map(|values| async move {
                let delete = || self.session.execute_unpaged(&target.delete, &values);
                self.again(table.name(), delete).await
            });
            let deletes = deletes.buffer_unordered(self.config.in_flight_max.max(1));
            let _done: Vec<_> = deletes.try_collect().await?;
            match next {
                PagingStateResponse::HasMorePages { state } => after = state,
                PagingStateResponse::NoMorePages => return Ok(swept),
            }
        }
    }
}
