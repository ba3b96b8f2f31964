//! Pairs that were found, bucket by bucket, as rows in the order of the rows that completed them. It
//! keeps nothing.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::DataType,
    error::ArrowError,
};

use super::{
    Pairing,
    arrivals::{carried_type, restored},
    lane::Found,
};
use crate::{
    change::{Run, Weighted, Weights},
    keys::read_keys,
    view::CHUNK_ROWS,
};

/// Pairs as rows, in the order of the rows that completed them.
pub(super) fn told(
    plan: &Pairing,
    found: &[Found],
    runs: &[Run],
) -> Result<Vec<Weighted>, ArrowError> {
    let places = found.iter().enumerate().flat_map(|(bucket, found)| {
        let ranks = found.ranks.iter().enumerate();
        ranks.map(move |(at, rank)| (*rank, bucket, at))
    });
    let mut places: Vec<(u32, usize, usize)> = places.collect();
    places.sort_unstable();
    let mut told = Vec::new();
    for chunk in places.chunks(CHUNK_ROWS) {
        told.push(chunk_of((plan, found), chunk, runs)?);
    }
    Ok(told)
}

fn chunk_of(
    (plan, found): (&Pairing, &[Found]),
    chunk: &[(u32, usize, usize)],
    runs: &[Run],
) -> Result<Weighted, ArrowError> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(plan.schema.fields().len());
    for (side, types) in plan.types.iter().enumerate() {
        let carried: Vec<DataType> = types.iter().filter_map(carried_type).collect();
        let places = chunk.iter();
        let rows = places.map(|(_, bucket, at)| found[*bucket].rows[side].get(*at));
        let read = read_keys(&carried, rows)?.into_iter().zip(types);
        for (column, ty) in read {
            columns.push(restored(column, ty)?);
        }
    }
    let batch = RecordBatch::try_new(Arc::clone(&plan.schema), columns)?;
    Ok(Weighted {
        batch,
        weights: Weights::Inserts,
        runs: runs_of(chunk, runs),
    })
}

/// Where rows of these ranks are in the log.
fn runs_of(chunk: &[(u32, usize, usize)], runs: &[Run]) -> Arc<[Run]> {
    let mut told: Vec<Run> = Vec::new();
    let (mut at, mut end) = (0, runs.first().map_or(0, |run| run.rows));
    for (rank, ..) in chunk {
        while *rank as usize >= end && at + 1 < runs.len() {
            at += 1;
            end += runs[at].rows;
        }
        let Some(run) = runs.get(at) else { continue };
        match told.last_mut() {
            Some(last) if last.seq == run.seq => last.rows += 1,
            _ => told.push(Run { rows: 1, ..*run }),
        }
    }
    told.into()
}
