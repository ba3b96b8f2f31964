//! Writing rows at their versions: any number under way, in any order, each as often as it takes.

use std::time::Duration;

use futures::{TryStreamExt, stream};
use scylla::{statement::prepared::PreparedStatement, value::CqlValue};
use tokio::time::Instant;

use super::{
    CassandraError, Misfit, Rows, Target, VersionedRows,
    column::Columns,
    session::passes,
    table::{Cell, Role, RowTable},
};

/// Between two attempts: at first, and at most.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What a key may have together, in bytes.
const KEY_BYTES_MAX: usize = 0xffff;
/// Versions of one generation.
const VERSION_BITS: u32 = 48;

/// A statement with its values.
struct Bound<'a> {
    statement: &'a PreparedStatement,
    values: Vec<Option<CqlValue>>,
}

impl Rows {
    /// Writes rows at their versions. When it returns, a quorum has all of them but those that
    /// Cassandra cannot hold, which it names.
    ///
    /// # Errors
    /// `Unacknowledged` when a quorum is not there in time, `Refused`, or `Shape`. Then some of the
    /// rows may be written; giving all of them again is harmless.
    pub async fn write(
        &self,
        target: &Target,
        rows: &VersionedRows,
    ) -> Result<Vec<Misfit>, CassandraError> {
        let (bound, misfits) = bind(target, rows).map_err(|reason| CassandraError::Shape {
            table: target.table.name().to_owned(),
            reason,
        })?;
        let deadline = Instant::now() + self.config.acknowledge_max;
        stream::iter(bound.into_iter().map(Ok))
            .try_for_each_concurrent(self.config.in_flight_max.max(1), |bound| {
                self.put(target.table.name(), bound, deadline)
            })
            .await?;
        Ok(misfits)
    }

    /// Executes a statement until a quorum has it.
    async fn put(
        &self,
        table: &str,
        bound: Bound<'_>,
        deadline: Instant,
    ) -> Result<(), CassandraError> {
        let mut pause = PAUSE;
        loop {
            let done = self.session.execute_unpaged(bound.statement, &bound.values);
            let error = match done.await {
                Ok(_nothing) => return Ok(()),
                Err(error) => error,
            };
            if !passes(&error) || Instant::now() + pause >= deadline {
                return Err(self.failed(("write to", table), error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// The statements of rows, and the rows that have none.
fn bind<'a>(
    target: &'a Target,
    rows: &VersionedRows,
) -> Result<(Vec<Bound<'a>>, Vec<Misfit>), String> {
    let count = rows.rows.num_rows();
    if rows.versions.len() != count || rows.live.len() != count {
        return Err("there is not one version per row".to_owned());
    }
    let columns = Columns::of(&target.table, &rows.rows)?;
    let (mut bound, mut misfits) = (Vec::with_capacity(count), Vec::new());
    for (row, version) in rows.versions.iter().enumerate() {
        let at = timestamp(rows.generation, *version);
        let made = match rows.live.value(row) {
            true => upsert(&target.table, &columns, (row, *version, at)),
            false => delete(&target.table, &columns, (row, at)),
        };
        let statement = match rows.live.value(row) {
            true => &target.insert,
            false => &target.delete,
        };
        match made {
            Ok(values) => bound.push(Bound { statement, values }),
            Err(reason) => misfits.push(Misfit { row, reason }),
        }
    }
    Ok((bound, misfits))
}

/// What decides between two writes of a row.
fn timestamp(generation: u16, version: u64) -> CqlValue {
    let version = version.min((1 << VERSION_BITS) - 1);
    CqlValue::BigInt(first_of(generation) | version.cast_signed())
}

/// The first timestamp of a generation: all of earlier ones are before it.
pub(super) const fn first_of(generation: u16) -> i64 {
    // Lossless, and `From` is not const.
    ((generation & 0x7fff) as i64) << VERSION_BITS
}

fn upsert(
    table: &RowTable,
    columns: &Columns<'_>,
    (row, version, at): (usize, u64, CqlValue),
) -> Result<Vec<Option<CqlValue>>, String> {
    let mut values = Vec::with_capacity(table.cells().len() + 3);
    let mut key = Key::default();
    for (column, cell) in table.cells().iter().enumerate() {
        let value = columns.value(column, row)?;
        key.take(cell, value.as_ref())?;
        values.push(value);
    }
    key.check()?;
    if table.is_single() {
        values.push(Some(CqlValue::SmallInt(0)));
    }
    values.push(Some(CqlValue::BigInt(version.cast_signed())));
    values.push(Some(at));
    Ok(values)
}

fn delete(
    table: &RowTable,
    columns: &Columns<'_>,
    (row, at): (usize, CqlValue),
) -> Result<Vec<Option<CqlValue>>, String> {
    let mut values = vec![Some(at)];
    let mut key = Key::default();
    for (column, cell) in table.cells().iter().enumerate() {
        if cell.role.is_key() {
            let value = columns.value(column, row)?;
            key.take(cell, value.as_ref())?;
            values.push(value);
        }
    }
    key.check()?;
    if table.is_single() {
        values.push(Some(CqlValue::SmallInt(0)));
    }
    Ok(values)
}

/// The key of a row, as far as Cassandra is particular about it.
#[derive(Default)]
struct Key {
    parts: usize,
    bytes: usize,
    is_blank: bool,
}

impl Key {
    fn take(&mut self, cell: &Cell, value: Option<&CqlValue>) -> Result<(), String> {
        if !cell.role.is_key() {
            return Ok(());
        }
        let bytes = match value {
            None => return Err(format!("column \"{}\" of the key is NULL", cell.name)),
            Some(CqlValue::Text(text)) => text.len(),
            Some(CqlValue::Blob(bytes)) => bytes.len(),
            Some(_) => size_of::<i128>(),
        };
        if cell.role != Role::Bound {
            self.parts += 1;
            self.is_blank = bytes == 0;
            // Each part has its length before and a zero behind it.
            self.bytes += bytes + 3;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        match (self.parts, self.is_blank, self.bytes) {
            (1, true, _) => Err("the key is empty".to_owned()),
            (_, _, bytes) if bytes > KEY_BYTES_MAX => Err(format!(
                "the key has {bytes} bytes, the limit is {KEY_BYTES_MAX}"
            )),
            _ => Ok(()),
        }
    }
}
