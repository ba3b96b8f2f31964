//! A page of rows.
//!
//! # Where a page goes on
//!
//! The key of `After` is, at scale: a CRC-32C of the values that were given, 4 bytes, big-endian, then
//! what Cassandra gave as the state of its paging.

use arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};
use mainstem_sql::{After, Page, QueryError};

use super::{Known, RowReader, engine};
use crate::{cassandra::CassandraError, rows::RowsError};

/// Rows that are read at once.
const ROWS_MAX: usize = 5_000;
/// How often a page is read on whose rows are not shown; then it ends early, and the next goes on.
const READS_MAX: usize = 50;

impl RowReader {
    /// Rows that are shown, and where the next page begins.
    pub(super) async fn read_page(
        &self,
        known: &Known,
        (given, page): (&RecordBatch, &Page),
    ) -> Result<(RecordBatch, Option<After>), QueryError> {
        let check = check(&page.key);
        let mut after = match &page.after {
            Some(after) => Some(begin(known, (after, check))?),
            None => None,
        };
        let limit = page.limit.max(1);
        let (mut batches, mut count) = (Vec::new(), 0_usize);
        for _ in 0..READS_MAX {
            let wanted = (limit - count).min(ROWS_MAX);
            let read = self
                .rows
                .slice(&known.target, (given, after.as_deref()), wanted)
                .await;
            let slice = read.map_err(|error| failed(known, (page, error)))?;
            let rows = self.closed(known, &slice.rows)?;
            count += rows.num_rows();
            batches.push(rows);
            after = slice.next;
            if after.is_none() || count >= limit {
                break;
            }
        }
        let rows = match batches.split_first() {
            Some((first, _)) => concat_batches(first.schema_ref(), &batches),
            None => Err(ArrowError::ComputeError("nothing was read".to_owned())),
        };
        let rows = rows.map_err(|error| known.broken(&error))?;
        let next = after.map(|after| next(known, (check, after))).transpose()?;
        Ok((rows, next))
    }
}

/// What was given, so that a page does not go on from where another one ended.
fn check(key: &[String]) -> [u8; 4] {
    let text: Vec<u8> = key
        .iter()
        .flat_map(|value| [value.as_bytes(), &[0]].concat())
        .collect();
    crc32c::crc32c(&text).to_be_bytes()
}

fn begin(known: &Known, (after, check): (&After, [u8; 4])) -> Result<Vec<u8>, QueryError> {
    let found = after.key().split_first_chunk();
    let found = found.filter(|(found, _)| **found == check && after.object() == known.relation.id);
    match found {
        Some((_, state)) => Ok(state.to_vec()),
        None => Err(not_after(known)),
    }
}

fn next(known: &Known, (check, state): ([u8; 4], Vec<u8>)) -> Result<After, QueryError> {
    let key = [check.as_slice(), &state].concat();
    let length = key.len();
    After::new(known.relation.id, key).ok_or_else(|| {
        engine(RowsError::AfterTooLong {
            label: known.relation.label(),
            length,
        })
    })
}

fn not_after(known: &Known) -> QueryError {
    engine(RowsError::After {
        label: known.relation.label(),
    })
}

/// What Cassandra refuses when it was told to go on is where.
fn failed(known: &Known, (page, error): (&Page, CassandraError)) -> QueryError {
    match (&error, &page.after) {
        (CassandraError::Refused { .. }, Some(_)) => not_after(known),
        _ => known.lost(error),
    }
}
