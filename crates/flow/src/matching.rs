//! `Matching`: pairs of rows that change, as a grouping by what has to be equal.
//!
//! Rows of both sides come with a flag that says whose they are, the keys, then the columns of left and of
//! right, NULL on the side that they are not of. A group keeps the rows of both sides as entries with
//! their counts (`aggregate::ranks`), so that state is kept, let go and loaded like that of any
//! grouping. With L, R as they were and the changes dL, dR of a chunk, the changes of the pairs are
//!
//! ```text
//! dL × R  +  (L + dL) × dR
//! ```
//!
//! A row without a pair is beside NULLs if the join is an outer one on its side: for as long as its group
//! has no row of the other.
//!
//! # Entries
//!
//! `Entries` of the columns of a side.
//!
//! # What is told
//!
//! `Found` gathers the changes of a bucket in a step. What is taken back and comes again is told as nothing;
//! of all buckets, first what is taken back, then what comes: so the last that is told of a pair's key is
//! what it is.
//!
//! It never keeps anything itself.

use std::{fmt, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array},
    buffer::BooleanBuffer,
    compute::take,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::Seq;
use mainstem_sql::view::Outer;

use crate::{
    aggregate::{Aggregate, Taken},
    change::{NO_WATERMARK, Run, Weighted, Weights},
    entries::Entries,
    view::CHUNK_ROWS,
};

/// Which pairs there are, and how rows are kept.
pub(crate) struct Matching {
    /// Whose rows without a pair are told.
    pub(crate) outer: Outer,
    /// Where the flag is among the expressions of the grouping; behind it the columns of both sides.
    flag: usize,
    /// Rows of left, and of right.
    sides: [Entries; 2],
    schema: SchemaRef,
}

/// Changes of the pairs of a bucket.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Entries of left and of right, one after the other.
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

/// A pair: where its entries are, how long those are that are there, and its weight.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: usize,
    left: Option<usize>,
    right: Option<usize>,
    weight: i64,
}

/// The entries of a pair; none on the side where there is no row.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl Matching {
    /// Of rows whose flag stands behind so many keys.
    ///
    /// # Errors
    /// When a column cannot be kept.
    pub(crate) fn new(
        flag: usize,
        types: [Vec<DataType>; 2],
        (outer, schema): (Outer, SchemaRef),
    ) -> Result<Self, ArrowError> {
        let [left, right] = types;
        Ok(Self {
            outer,
            flag,
            sides: [Entries::unordered(left)?, Entries::unordered(right)?],
            schema,
        })
    }

    /// Takes the rows of a chunk, of what was evaluated of them, into the rows of its groups.
    pub(crate) fn update(
        &self,
        aggregates: &mut [Aggregate],
        evaluated: &[ArrayRef],
        (taken, groups): (&Taken<'_>, usize),
    ) -> Result<(), ArrowError> {
        let flags = evaluated
            .get(self.flag)
            .and_then(|column| column.as_boolean_opt());
        let flags: &BooleanArray =
            flags.ok_or_else(|| ArrowError::CastError("a flag is not boolean".to_owned()))?;
        let is_right = flags.values();
        let mut columns = evaluated.iter().skip(self.flag + 1);
        let chosen: [BooleanBuffer; 2] = [!is_right, is_right.clone()];
        for ((side, chosen), aggregate) in self.sides.iter().zip(chosen).zip(aggregates) {
            let own = side.fitting(columns.by_ref().take(side.width()))?;
            aggregate.grow(groups);
            if chosen.count_set_bits() == 0 {
                continue;
            }
            let taken = Taken {
                chosen: Some(chosen),
                ..taken.clone()
            };
            let entries: ArrayRef = Arc::new(side.of(&own)?);
            aggregate.update(&taken, Some(&entries))?;
        }
        Ok(())
    }

    /// The changes of pairs as rows: first what is taken back, then what comes.
    pub(crate) fn told(&self, found: &[Found], seq: Seq) -> Result<Vec<Weighted>, ArrowError> {
        let mut all = Vec::new();
        for is_minus in [true, false] {
            let of_sign = found.iter().flat_map(|found| {
                let changes = found.changes.iter();
                let changes = changes.filter(move |change| (change.weight < 0) == is_minus);
                changes.flat_map(move |change| {
                    let times = usize::try_from(change.weight.unsigned_abs()).unwrap_or(usize::MAX);
                    std::iter::repeat_n(found.entries(change), times)
                })
            });
            let pairs: Vec<_> = of_sign.collect();
            for chunk in pairs.chunks(CHUNK_ROWS) {
                all.push(self.rows(chunk, (is_minus, seq))?);
            }
        }
        Ok(all)
    }

    fn rows(
        &self,
        pairs: &[Pair<'_>],
        (is_minus, seq): (bool, Seq),
    ) -> Result<Weighted, ArrowError> {
        let [left, right] = &self.sides;
        let mut columns = columns_of(left, pairs.iter().map(|(left, _)| *left))?;
        columns.extend(columns_of(right, pairs.iter().map(|(_, right)| *right))?);
        let run = Run {
            rows: pairs.len(),
            seq,
            watermark: NO_WATERMARK,
        };
        Ok(Weighted {
            batch: RecordBatch::try_new(Arc::clone(&self.schema), columns)?,
            weights: match is_minus {
                true => Weights::Mixed(vec![-1; pairs.len()].into()),
                false => Weights::Inserts,
            },
            runs: Arc::new([run]),
        })
    }
}

/// The columns of entries; NULL where there is none.
fn columns_of<'a>(
    side: &Entries,
    entries: impl Iterator<Item = Option<&'a [u8]>> + Clone,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let there = entries.clone().flatten().count();
    let all = entries.clone().count();
    if there == 0 {
        let types = side.types().iter();
        return Ok(types.map(|ty| new_null_array(ty, all)).collect());
    }
    let columns = side.columns(entries.clone().flatten())?;
    if there == all {
        return Ok(columns);
    }
    let mut next = 0_u32;
    let places = entries.map(|entry| {
        entry.map(|_| {
            next += 1;
            next - 1
        })
    });
    let places: UInt32Array = places.collect();
    let taken = columns.iter().map(|column| take(column, &places, None));
    taken.collect()
}

impl Found {
    /// Notes a change of a pair.
    pub(crate) fn push(&mut self, left: Option<&[u8]>, right: Option<&[u8]>, weight: i64) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(left.unwrap_or_default());
        self.bytes.extend_from_slice(right.unwrap_or_default());
        self.changes.push(Change {
            at,
            left: left.map(<[u8]>::len),
            right: right.map(<[u8]>::len),
            weight,
        });
    }

    /// Changes of one pair become one; those that come to nothing go.
    pub(crate) fn settle(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by(|a, b| self.entries(a).cmp(&self.entries(b)));
        let same = changes.chunk_by(|a, b| self.entries(a) == self.entries(b));
        let settled = same.filter_map(|same| {
            let weight = same.iter().map(|change| change.weight).sum();
            let first = same.first().filter(|_| weight != 0)?;
            Some(Change { weight, ..*first })
        });
        self.changes = settled.collect();
    }

    fn entries(&self, change: &Change) -> Pair<'_> {
        let entry = |at: usize, length: usize| &self.bytes[at..at + length];
        let behind = change.at + change.left.unwrap_or(0);
        (
            change.left.map(|length| entry(change.at, length)),
            change.right.map(|length| entry(behind, length)),
        )
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching")
            .field("outer", &self.outer)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
