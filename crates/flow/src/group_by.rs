//! Grouping: what is grouped by, what is computed, and the pre-aggregation of a chunk: one row per
//! key and window of the chunk, in the order of buckets, before any state is touched.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    buffer::BooleanBuffer,
    datatypes::{DataType, SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
};
use mainstem_sql::view::Overlapping;

use crate::{
    aggregate::{Aggregate, AggregateSpec, Taken},
    aside::Aside,
    change::Weighted,
    evaluate::{Evaluated, Expr, evaluate_guarded},
    grouping::{Grouping, group_rows},
    hash::{bucket_of, hash_rows, with_number},
    keys::{KeyBytes, KeyColumn, as_key},
    matching::Matching,
    ranked::Ranked,
    running::{Chunk, Running},
};

/// State is kept in this many parts, by the hash of the key.
pub(crate) const BUCKETS: usize = 256;

/// The window of all rows where there are no windows: it never ends.
pub(crate) const NO_WINDOW: (i64, i64) = (0, i64::MAX);

/// When groups are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emission {
    /// At the end of every step in which they changed.
    Update,
    /// When the watermark passes the window's end, and then when they change, for as long as this.
    Close {
        /// In µs; 0 if windows are final.
        keep_us: i64,
    },
}

/// What is grouped by, and what is computed.
#[derive(Debug)]
pub(crate) struct GroupBy {
    /// Keys, then arguments, then filters.
    pub(crate) exprs: Vec<Expr>,
    /// The same, for rows of which some fail: an argument is then computed only where its filter is
    /// true, as `sum(1 / x) FILTER (WHERE x <> 0)` has to be.
    pub(crate) guarded: Vec<Expr>,
    /// Which keys are no window bounds, and their types.
    pub(crate) keys: Vec<(usize, DataType)>,
    /// Which keys are `window_start` and `window_end`.
    pub(crate) window: Option<(usize, usize)>,
    /// The windows, if they overlap. Then the bounds of rows are those of slices.
    pub(crate) overlapping: Option<Arc<Overlapping>>,
    /// Session windows. Then the bounds of rows are the start of their cell and their time, and the
    /// last two calls, which nobody sees, are the first and the last time.
    pub(crate) sessions: Option<Sessions>,
    pub(crate) calls: Vec<GroupCall>,
    /// Instead of calls: the rows of a group that are told are its first ones.
    pub(crate) ranked: Option<Ranked>,
    /// Instead of groups: pairs of their rows, which are of two sides.
    pub(crate) matching: Option<Matching>,
    /// Instead of groups: each row is told, with figures of those of its key before it.
    pub(crate) running: Option<Running>,
    pub(crate) emission: Emission,
    /// Whether every row of a group changes its answer, and no group ever goes: so that to tell
    /// groups that were touched is to tell what has changed.
    pub(crate) only_grows: bool,
    /// Keys, then calls; or the columns of rows beside the key, then their number.
    pub(crate) schema: SchemaRef,
}

/// Session windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sessions {
    /// How long nothing comes behind the last row of one.
    pub(crate) gap_us: i64,
}

/// One thing that is computed.
#[derive(Debug)]
pub(crate) struct GroupCall {
    pub(crate) spec: AggregateSpec,
    /// Its argument and its filter, as indices into `GroupBy::exprs`.
    pub(crate) arg: Option<usize>,
    pub(crate) filter: Option<usize>,
}

impl GroupBy {
    /// How long a window is kept after its end was passed.
    pub(crate) fn keep_us(&self) -> i64 {
        match self.emission {
            Emission::Update => 0,
            Emission::Close { keep_us } => keep_us,
        }
    }

    /// Types of the keys that are no window bounds.
    pub(crate) fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(|(_, ty)| ty.clone()).collect()
    }

    /// How many columns of its answers are no keys.
    pub(crate) fn answers(&self) -> usize {
        match &self.ranked {
            Some(ranked) => ranked.width(),
            None => self.calls.len(),
        }
    }

    /// Empty aggregates, one per call.
    pub(crate) fn aggregates(&self) -> Result<Vec<Aggregate>, ArrowError> {
        if let Some(Ranked {
            limit, retracts, ..
        }) = self.ranked
        {
            return Ok(vec![Aggregate::ranks(limit, retracts)]);
        }
        if self.matching.is_some() {
            return Ok(vec![
                Aggregate::ranks(usize::MAX, true),
                Aggregate::ranks(usize::MAX, true),
            ]);
        }
        let calls = self.calls.iter();
        let calls = calls.map(|call| Aggregate::new(&call.spec));
        let kept = self.running.iter().flat_map(|running| {
            let patterns = running.patterns().map(|_| Aggregate::patterns());
            let rings = Aggregate::rings(running.depth);
            patterns.chain([rings]).map(Ok).collect::<Vec<_>>()
        });
        calls.chain(kept).collect()
    }
}

/// A chunk, aggregated.
#[derive(Debug)]
pub(crate) struct Partial {
    /// Hash of each group's key, without the window.
    pub(crate) hashes: Vec<u64>,
    pub(crate) keys: KeyBytes,
    /// Start and end of each group's window; id and end of its slice where windows overlap; of session
    /// windows the start of its cell and when it is over.
    pub(crate) windows: Vec<(i64, i64)>,
    /// Sum of each group's weights.
    pub(crate) rows: Vec<i64>,
    pub(crate) aggregates: Vec<Aggregate>,
    /// Its rows, if each is told.
    pub(crate) chunk: Option<Chunk>,
    /// Groups by bucket; within one in the order in which they appeared.
    order: Vec<u32>,
    /// Where each bucket begins in `order`, and the end.
    begins: Vec<u32>,
}

impl Partial {
    /// Aggregates a chunk.
    pub(crate) fn of(by: &GroupBy, rows: Weighted, aside: &mut Aside) -> Result<Self, ArrowError> {
        let Evaluated { rows, columns } = evaluate_guarded((&by.exprs, &by.guarded), rows, aside)?;
        let keyed = by.keys.iter().map(|(at, _)| as_key(&columns[*at]));
        let keyed = keyed.collect::<Result<Vec<_>, _>>()?;
        let key_columns = KeyColumn::all(&keyed)?;
        let hashes = hash_rows(&key_columns, rows.rows());
        let window = match by.window {
            Some((start, end)) => Some((times(&columns[start])?, times(&columns[end])?)),
            None => None,
        };
        let Grouping { groups, firsts } = match window {
            None => group_rows(&key_columns, &hashes),
            Some((starts, _)) => {
                let hashes: Vec<u64> = hashes
                    .iter()
                    .zip(starts.values())
                    .map(|(hash, start)| with_number(*hash, *start))
                    .collect();
                let mut columns = vec![KeyColumn::I64(starts.values(), starts.nulls())];
                columns.extend_from_slice(&key_columns);
                group_rows(&columns, &hashes)
            }
        };
        let windows = firsts.iter().map(|row| match window {
            None => NO_WINDOW,
            Some((starts, ends)) => {
                let start = starts.value(*row as usize);
                let end = match by.sessions {
                    // The sessions of a cell's rows have ended by then.
                    Some(Sessions { gap_us }) => start.saturating_add(gap_us.saturating_mul(2)),
                    None => ends.value(*row as usize),
                };
                (start, end)
            }
        });
        let count = firsts.len();
        let (aggregates, weights) = aggregated(by, &columns, (&rows, &groups, count))?;
        let chunk = by.running.as_ref();
        let chunk = chunk.map(|running| running.chunk(rows, &columns, (&groups, count)));
        let hashes: Vec<u64> = firsts.iter().map(|row| hashes[*row as usize]).collect();
        let (order, begins) = by_bucket(&hashes);
        Ok(Self {
            keys: KeyBytes::of_rows(&key_columns, &firsts),
            windows: windows.collect(),
            rows: weights,
            aggregates,
            chunk: chunk.transpose()?,
            order,
            begins,
            hashes,
        })
    }

    /// The groups of a bucket.
    pub(crate) fn of_bucket(&self, bucket: usize) -> &[u32] {
        &self.order[self.begins[bucket] as usize..self.begins[bucket + 1] as usize]
    }
}

/// The aggregates of a chunk's groups, and the sums of their weights.
fn aggregated(
    by: &GroupBy,
    columns: &[ArrayRef],
    (rows, groups, count): (&Weighted, &[u32], usize),
) -> Result<(Vec<Aggregate>, Vec<i64>), ArrowError> {
    let weights = rows.weights.mixed();
    let taken = Taken {
        groups,
        weights,
        chosen: None,
    };
    let mut sums = vec![0; count];
    taken.each(|_, group, weight| sums[group] += weight);
    if by.running.is_some() {
        return Ok((Vec::new(), sums));
    }
    let mut aggregates = by.aggregates()?;
    for (aggregate, call) in aggregates.iter_mut().zip(&by.calls) {
        aggregate.grow(count);
        let chosen = call.filter.map(|at| chosen(&columns[at])).transpose()?;
        aggregate.update(
            &Taken {
                chosen,
                ..taken.clone()
            },
            call.arg.map(|at| &columns[at]),
        )?;
    }
    if let Some(matching) = &by.matching {
        matching.update(&mut aggregates, columns, (&taken, count))?;
    }
    if let (Some(ranked), [ranks]) = (&by.ranked, aggregates.as_mut_slice()) {
        ranks.grow(count);
        ranks.update(&taken, Some(&ranked.entries(columns)?))?;
    }
    Ok((aggregates, sums))
}

/// Rows for which a filter is true.
fn chosen(filter: &ArrayRef) -> Result<BooleanBuffer, ArrowError> {
    let filter = filter.as_boolean_opt();
    let filter =
        filter.ok_or_else(|| ArrowError::CastError("a filter is not boolean".to_owned()))?;
    Ok(match filter.nulls() {
        None => filter.values().clone(),
        Some(nulls) => filter.values() & nulls.inner(),
    })
}

fn times(column: &ArrayRef) -> Result<&PrimitiveArray<TimestampMicrosecondType>, ArrowError> {
    column
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| ArrowError::CastError("a window bound is not TIMESTAMPTZ".to_owned()))
}

/// Numbers by bucket, by counting, and where each bucket begins.
pub(crate) fn by_bucket(hashes: &[u64]) -> (Vec<u32>, Vec<u32>) {
    let mut begins = vec![0_u32; BUCKETS + 1];
    for hash in hashes {
        begins[bucket_of(*hash) + 1] += 1;
    }
    for bucket in 0..BUCKETS {
        begins[bucket + 1] += begins[bucket];
    }
    let mut next = begins.clone();
    let mut order = vec![0; hashes.len()];
    for (number, hash) in (0..).zip(hashes) {
        let at = &mut next[bucket_of(*hash)];
        order[*at as usize] = number;
        *at += 1;
    }
    (order, begins)
}
