//! Rows as they arrive at a join: those that count, with key, event time and bytes, in the order of
//! the log over both sides. It keeps nothing.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, TimestampMicrosecondArray},
    buffer::NullBuffer,
    compute::{cast, filter},
    datatypes::{
        DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    },
    error::ArrowError,
};
use mainstem_kernel::Code;

use super::{Kind, Pairing};
use crate::{
    aside::Aside,
    change::{NO_WATERMARK, Run, Weighted},
    evaluate::{Evaluated, evaluate},
    group_by::by_bucket,
    hash::hash_rows,
    keys::{KeyBytes, KeyColumn, as_key, key_type},
    watermark::{AHEAD_US_MAX, ahead_limit},
};

/// A chunk of one side.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) side: usize,
    pub(super) hashes: Vec<u64>,
    pub(super) keys: KeyBytes,
    pub(super) times: Vec<i64>,
    /// All columns.
    pub(super) rows: KeyBytes,
    runs: Arc<[Run]>,
    /// Rows by bucket, and where each bucket begins, and the end.
    order: Vec<u32>,
    begins: Vec<u32>,
}

impl Arrivals {
    pub(super) fn of(
        plan: &Pairing,
        (side, rows): (usize, Weighted),
        aside: &mut Aside,
    ) -> Result<Self, ArrowError> {
        let rows = judged(plan, (side, rows), aside)?;
        let Evaluated { rows, columns } = evaluate(&plan.keys[side], rows, aside)?;
        let (rows, columns) = match plan.waits(side) {
            true => (rows, columns),
            false => with_keys(rows, columns)?,
        };
        let keys = columns.iter().map(as_key).collect::<Result<Vec<_>, _>>()?;
        let keys = KeyColumn::all(&keys)?;
        let hashes = hash_rows(&keys, rows.rows());
        let carried = rows.batch.columns().iter().map(carried);
        let carried = carried.collect::<Result<Vec<_>, _>>()?;
        let all: Vec<u32> = (0..).take(rows.rows()).collect();
        let (order, begins) = by_bucket(&hashes);
        Ok(Self {
            side,
            keys: KeyBytes::of_rows(&keys, &all),
            times: times(&rows, plan.times[side])?.values().to_vec(),
            rows: KeyBytes::of_rows(&KeyColumn::all(&carried)?, &all),
            hashes,
            runs: Arc::clone(&rows.runs),
            order,
            begins,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }

    fn of_bucket(&self, bucket: usize) -> &[u32] {
        &self.order[self.begins[bucket] as usize..self.begins[bucket + 1] as usize]
    }
}

fn times(rows: &Weighted, at: usize) -> Result<&TimestampMicrosecondArray, ArrowError> {
    let column = rows.batch.columns().get(at);
    let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    times.ok_or_else(|| ArrowError::CastError("event time is not TIMESTAMPTZ".to_owned()))
}

/// The rows that count; the others are set aside.
fn judged(
    plan: &Pairing,
    (side, rows): (usize, Weighted),
    aside: &mut Aside,
) -> Result<Weighted, ArrowError> {
    let times = times(&rows, plan.times[side])?;
    let mut set_aside: [(Code, Vec<(usize, String)>); 3] = [
        (Code::Flow010, Vec::new()),
        (Code::Flow012, Vec::new()),
        (Code::Flow011, Vec::new()),
    ];
    for (first, run) in rows.runs() {
        let limit = ahead_limit(run.seq);
        for row in first..first + run.rows {
            let time = times.value(row);
            let (which, reason) = if times.is_null(row) {
                (0, "its event time is NULL".to_owned())
            } else if run.watermark != NO_WATERMARK && time < run.watermark {
                (1, late(plan.kind).to_owned())
            } else if time > limit {
                let minutes = AHEAD_US_MAX / 60_000_000;
                let reason =
                    format!("its event time is more than {minutes} minutes ahead of its arrival");
                (2, reason)
            } else {
                continue;
            };
            set_aside[which].1.push((row, reason));
        }
    }
    let mut keep = vec![true; rows.rows()];
    for (row, _) in set_aside.iter().flat_map(|(_, failed)| failed) {
        keep[*row] = false;
    }
    for (code, failed) in set_aside {
        aside.fail(&rows.batch, code, failed)?;
    }
    rows.filter(&BooleanArray::from(keep))
}

const fn late(kind: Kind) -> &'static str {
    match kind {
        Kind::Inner | Kind::Left => "rows that it would join with may be gone",
        Kind::Turns => "rows behind it have had their turn",
    }
}

/// Rows whose key has no NULL: it would equal nothing.
fn with_keys(
    rows: Weighted,
    columns: Vec<ArrayRef>,
) -> Result<(Weighted, Vec<ArrayRef>), ArrowError> {
    let nulls = columns.iter().fold(None, |nulls, column| {
        NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref())
    });
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return Ok((rows, columns));
    };
    let keep = BooleanArray::new(nulls.into_inner(), None);
    let columns = columns.iter().map(|column| filter(column, &keep));
    Ok((rows.filter(&keep)?, columns.collect::<Result<_, _>>()?))
}

/// A column as its values are kept: floats by their bits, so that each comes back as it was.
fn carried(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Float64 => {
            let bits = |value: f64| value.to_bits().cast_signed();
            Arc::new(
                column
                    .as_primitive::<Float64Type>()
                    .unary::<_, Int64Type>(bits),
            )
        }
        DataType::Float32 => {
            let bits = |value: f32| value.to_bits().cast_signed();
            Arc::new(
                column
                    .as_primitive::<Float32Type>()
                    .unary::<_, Int32Type>(bits),
            )
        }
        _ => as_key(column)?,
    })
}

/// The type in which a column is kept, if it can be.
pub(crate) fn carried_type(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Float64 => Some(DataType::Int64),
        DataType::Float32 => Some(DataType::Int32),
        ty => key_type(ty),
    }
}

/// A column as it was.
pub(super) fn restored(column: ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match ty {
        DataType::Float64 => {
            let value = |bits: i64| f64::from_bits(bits.cast_unsigned());
            Arc::new(
                column
                    .as_primitive::<Int64Type>()
                    .unary::<_, Float64Type>(value),
            )
        }
        DataType::Float32 => {
            let value = |bits: i32| f32::from_bits(bits.cast_unsigned());
            Arc::new(
                column
                    .as_primitive::<Int32Type>()
                    .unary::<_, Float32Type>(value),
            )
        }
        ty if column.data_type() == ty => column,
        ty => cast(&column, ty)?,
    })
}

/// The rows of a step, with their places in the order of the log over both sides.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) chunks: Vec<Arrivals>,
    /// The rank of each row of each chunk.
    ranks: Vec<Vec<u32>>,
    /// Runs of all rows, by rank, and where each ends.
    pub(super) runs: Vec<Run>,
    ends: Vec<u32>,
}

/// A row that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) rank: u32,
    pub(super) chunk: usize,
    pub(super) row: usize,
}

impl Ranked {
    /// Orders rows by seq, then by side, then as they are.
    pub(super) fn of(chunks: Vec<Arrivals>) -> Self {
        let mut stretches = Vec::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let mut first = 0;
            for run in chunk.runs.iter() {
                stretches.push((*run, at, first));
                first += run.rows;
            }
        }
        // Stable: chunks are those of the left side, in order, then those of the right.
        stretches.sort_by_key(|(run, ..)| run.seq);
        let mut ranks: Vec<Vec<u32>> = chunks.iter().map(|chunk| vec![0; chunk.rows()]).collect();
        let (mut next, mut ends) = (0, Vec::with_capacity(stretches.len()));
        for (run, chunk, first) in &stretches {
            for rank in &mut ranks[*chunk][*first..first + run.rows] {
                *rank = next;
                next += 1;
            }
            ends.push(next);
        }
        Self {
            chunks,
            ranks,
            runs: stretches.into_iter().map(|(run, ..)| run).collect(),
            ends,
        }
    }

    /// The watermark that a row was judged by.
    pub(super) fn watermark(&self, rank: u32) -> i64 {
        let at = self.ends.partition_point(|end| *end <= rank);
        self.runs.get(at).map_or(NO_WATERMARK, |run| run.watermark)
    }

    /// The rows of a bucket, in order.
    pub(super) fn of_bucket(&self, bucket: usize) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for (at, chunk) in self.chunks.iter().enumerate() {
            let rows = chunk.of_bucket(bucket).iter().map(|row| *row as usize);
            arrivals.extend(rows.map(|row| Arrival {
                rank: self.ranks[at][row],
                chunk: at,
                row,
            }));
        }
        arrivals.sort_unstable();
        arrivals
    }
}
