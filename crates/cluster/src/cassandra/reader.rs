//! Reading rows by their whole key.

use arrow::array::{ArrayRef, RecordBatch};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::value::{CqlValue, Row};

use super::{CassandraError, Rows, Target, column::Columns, value};

/// Keys of which rows are read at once.
const READS_MAX: usize = 64;

/// Rows that were found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The columns of the view.
    pub rows: RecordBatch,
    /// Of each row, which of the keys it has.
    pub keys: Vec<usize>,
    /// Of each row, its version.
    pub versions: Vec<u64>,
}

impl Rows {
    /// The rows of some keys: a batch with at least the columns of the key, none of them NULL.
    ///
    /// # Errors
    /// `Shape` when a column is missing, `Unacknowledged`, `Refused`.
    pub async fn read(&self, target: &Target, keys: &RecordBatch) -> Result<Found, CassandraError> {
        let shape = |reason: String| CassandraError::Shape {
            table: target.table.name().to_owned(),
            reason,
        };
        let key_table = target.table.of_key();
        let columns = Columns::of(&key_table, keys).map_err(shape)?;
        let mut asked = Vec::with_capacity(keys.num_rows());
        for row in 0..keys.num_rows() {
            let parts = 0..key_table.cells().len();
            let values = parts.map(|part| columns.value(part, row));
            let mut values = values.collect::<Result<Vec<_>, _>>().map_err(shape)?;
            if target.table.is_single() {
                values.push(Some(CqlValue::SmallInt(0)));
            }
            asked.push((row, values));
        }
        let found: Vec<Option<(usize, Row)>> = stream::iter(asked)
            .map(|(number, values)| self.find(target, number, values))
            .buffered(READS_MAX)
            .try_collect()
            .await?;
        let found = found.into_iter().flatten().collect();
        found_rows(target, found).map_err(shape)
    }

    async fn find(
        &self,
        target: &Target,
        number: usize,
        values: Vec<Option<CqlValue>>,
    ) -> Result<Option<(usize, Row)>, CassandraError> {
        let read = || self.session.execute_unpaged(&target.select, &values);
        let answer = self.again(target.table.name(), read).await?;
        let shape = |reason: String| CassandraError::Shape {
            table: target.table.name().to_owned(),
            reason,
        };
        let rows = answer
            .into_rows_result()
            .map_err(|error| shape(error.to_string()))?;
        let row = rows.maybe_first_row::<Row>();
        let row = row.map_err(|error| shape(error.to_string()))?;
        Ok(row.map(|row| (number, row)))
    }
}

pub(super) fn found_rows(target: &Target, found: Vec<(usize, Row)>) -> Result<Found, String> {
    let keys = found.iter().map(|(number, _)| *number).collect();
    let mut rows: Vec<_> = found
        .into_iter()
        .map(|(_, row)| row.columns.into_iter())
        .collect();
    let mut next = || {
        rows.iter_mut()
            .map(|row| row.next().flatten())
            .collect::<Vec<_>>()
    };
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for cell in target.table.cells() {
        columns.push(value::column(cell, &next())?);
        fields.push(cell.ty.field(&cell.name, !cell.role.is_key()));
    }
    if target.table.is_single() {
        drop(next());
    }
    let versions = next().into_iter().map(|version| match version {
        Some(CqlValue::BigInt(version)) => version.cast_unsigned(),
        _ => 0,
    });
    let versions: Vec<u64> = versions.collect();
    let schema = arrow::datatypes::Schema::new(fields);
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(versions.len()));
    let rows = RecordBatch::try_new_with_options(schema.into(), columns, &options);
    Ok(Found {
        rows: rows.map_err(|error| error.to_string())?,
        keys,
        versions,
    })
}
