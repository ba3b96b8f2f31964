//! `Feed`: where the rows of a view come from: one source, the sides of a UNION put together in the
//! order of the log, or what waits for other rows of the two sides of a join of streams, or for its turn
//! (`crate::pairs`).
//!
//! # Order
//!
//! Rows of all sides are ordered by their seq, then by the side's number, then as they are within
//! the side. Within a side seqs ascend, and a step takes all rows of every source up to one seq, so
//! that this order does not depend on how the log is cut into steps, nor on threads.
//!
//! # Event time
//!
//! Whoever feeds the sources has judged each row by the smallest watermark of all of them
//! (`Moment::smallest`); rows keep what they are judged by.
//!
//! It keeps nothing from step to step; what waits for a pair is the view's.

use std::sync::Arc;

use datafusion::arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::interleave,
    datatypes::SchemaRef,
    error::ArrowError,
};

use super::{CHUNK_ROWS, Segment, StepParts, count, pass, shaped};
use crate::{
    change::{Run, Weighted, Weights, regroup},
    errors::FlowError,
    pairs::{Pairing, Pairs},
    tally::Noted,
};

/// What a view reads of one of its inputs.
#[derive(Clone, Debug)]
pub(crate) struct SourceRead {
    /// Index into the view's inputs.
    pub(crate) input: usize,
    /// Columns by name.
    pub(crate) columns: Vec<String>,
    pub(crate) schema: SchemaRef,
    /// Its operator of the plan.
    pub(crate) place: usize,
}

/// Where rows come from.
#[derive(Debug)]
pub(crate) enum Feed {
    /// The source of that number.
    Source(usize),
    /// All sides, in the order of the log.
    Union {
        sides: Vec<Side>,
        schema: SchemaRef,
        /// Its operator of the plan.
        place: usize,
    },
    /// The changes of both sides of a join, one after the other: what they come to has no order.
    Changes { sides: Vec<Side>, schema: SchemaRef },
    /// Pairs of rows of two sides, or rows of one that take turns.
    Pairs {
        sides: Vec<Side>,
        plan: Arc<Pairing>,
        /// Which of those of the view that wait: several do where joins stand on sides of a UNION.
        number: usize,
        /// Its operator of the plan. Of rows that take turns it is what takes them.
        place: Option<usize>,
    },
}

/// What a step is fed from.
#[derive(Debug)]
pub(super) struct Feeding<'a> {
    /// The rows of each source, which are taken out.
    pub(super) sources: Vec<Vec<Weighted>>,
    /// The rows that wait for others, by the number of their feed.
    pub(super) pairs: &'a mut [Pairs],
}

/// One side: what feeds it, and its operators, which keep nothing.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) feed: Feed,
    pub(crate) segment: Arc<Segment>,
}

impl Feed {
    /// The segments of all sides.
    pub(crate) fn segments(&self) -> Vec<&Arc<Segment>> {
        match self {
            Self::Source(_) => Vec::new(),
            Self::Union { sides, .. } | Self::Changes { sides, .. } | Self::Pairs { sides, .. } => {
                sides.iter().flat_map(Side::segments).collect()
            }
        }
    }

    /// The operators of the plan that are counted in it.
    pub(super) fn places(&self) -> Vec<usize> {
        let sides: &[Side] = match self {
            Self::Source(_) => &[],
            Self::Changes { sides, .. } | Self::Union { sides, .. } | Self::Pairs { sides, .. } => {
                sides
            }
        };
        let below = sides.iter().flat_map(|side| {
            let mut places = side.feed.places();
            places.extend(side.segment.places.iter().flatten());
            places
        });
        below.chain(self.place()).collect()
    }

    /// The operator of the plan whose rows it gives.
    pub(super) fn place(&self) -> Option<usize> {
        match self {
            Self::Source(_) | Self::Changes { .. } => None,
            Self::Union { place, .. } => Some(*place),
            Self::Pairs { place, .. } => *place,
        }
    }

    /// How rows wait for others, each with its operator of the plan, by their numbers.
    pub(crate) fn pairings(&self) -> Vec<(&Arc<Pairing>, Option<usize>)> {
        match self {
            Self::Pairs { plan, place, .. } => vec![(plan, *place)],
            Self::Union { sides, .. } => {
                let sides = sides.iter();
                sides.flat_map(|side| side.feed.pairings()).collect()
            }
            Self::Source(_) | Self::Changes { .. } => Vec::new(),
        }
    }

    /// The rows of a step.
    pub(super) fn rows(
        &self,
        feeding: &mut Feeding<'_>,
        parts: &StepParts<'_>,
        noted: &mut Noted,
    ) -> Result<Vec<Weighted>, FlowError> {
        match self {
            Self::Source(number) => Ok(feeding
                .sources
                .get_mut(*number)
                .map(std::mem::take)
                .unwrap_or_default()),
            Self::Union {
                sides,
                schema,
                place,
            } => {
                let mut rows = Vec::with_capacity(sides.len());
                for side in sides {
                    rows.push(side.rows(feeding, parts, noted)?);
                }
                let rows = merged(rows, schema)?;
                noted.tally.add(*place, count(&rows));
                Ok(rows)
            }
            Self::Changes { sides, schema } => {
                let mut rows = Vec::new();
                for side in sides {
                    let own = side.rows(feeding, parts, noted)?.into_iter();
                    let own = own.filter(|rows| rows.rows() > 0);
                    let own = own.map(|rows| shaped(rows, schema));
                    rows.extend(own.collect::<Result<Vec<_>, _>>()?);
                }
                Ok(rows)
            }
            Self::Pairs {
                sides,
                number,
                place,
                ..
            } => {
                let mut rows = [Vec::new(), Vec::new()];
                for (rows, side) in rows.iter_mut().zip(sides) {
                    *rows = side.rows(feeding, parts, noted)?;
                }
                let Some(pairs) = feeding.pairs.get_mut(*number) else {
                    return Ok(Vec::new());
                };
                let at = (parts.moment, parts.pool);
                let rows = pairs.step(rows, at, &mut noted.aside)?;
                if let Some(place) = place {
                    noted.tally.add(*place, count(&rows));
                }
                Ok(rows)
            }
        }
    }
}

impl Side {
    pub(super) fn segments(&self) -> Vec<&Arc<Segment>> {
        let mut segments = self.feed.segments();
        segments.push(&self.segment);
        segments
    }

    pub(super) fn rows(
        &self,
        feeding: &mut Feeding<'_>,
        parts: &StepParts<'_>,
        noted: &mut Noted,
    ) -> Result<Vec<Weighted>, FlowError> {
        let fed = self.feed.rows(feeding, parts, noted)?;
        pass(&self.segment, fed, parts, noted)
    }
}

/// Neighbouring rows of one seq in one batch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    batch: usize,
    first: usize,
    run: Run,
}

/// The rows of several sides in the order of the log. They are all added.
pub(crate) fn merged(
    sides: Vec<Vec<Weighted>>,
    schema: &SchemaRef,
) -> Result<Vec<Weighted>, ArrowError> {
    let (mut all, mut filled) = (Vec::new(), 0);
    for side in sides {
        let rows = side.into_iter().filter(|rows| rows.rows() > 0);
        let rows = rows.map(|rows| shaped(rows, schema));
        let rows = regroup(rows.collect::<Result<_, _>>()?, CHUNK_ROWS)?;
        filled += usize::from(!rows.is_empty());
        all.extend(rows);
    }
    if filled <= 1 {
        return Ok(all);
    }
    debug_assert!(all.iter().all(|rows| rows.weights.mixed().is_none()));
    let mut stretches = Vec::new();
    for (batch, rows) in all.iter().enumerate() {
        stretches.extend(
            rows.runs()
                .map(|(first, run)| Stretch { batch, first, run }),
        );
    }
    // Stable: of one seq the first side comes first.
    stretches.sort_by_key(|stretch| stretch.run.seq);
    let mut chunks = Vec::new();
    let mut chunk: Vec<Stretch> = Vec::new();
    let mut rows = 0;
    for stretch in stretches {
        rows += stretch.run.rows;
        chunk.push(stretch);
        if rows >= CHUNK_ROWS {
            chunks.push(gathered(&all, &chunk, schema)?);
            chunk.clear();
            rows = 0;
        }
    }
    if rows > 0 {
        chunks.push(gathered(&all, &chunk, schema)?);
    }
    Ok(chunks)
}

/// Stretches of several batches as one.
fn gathered(
    all: &[Weighted],
    chunk: &[Stretch],
    schema: &SchemaRef,
) -> Result<Weighted, ArrowError> {
    let mut places = Vec::new();
    let mut runs: Vec<Run> = Vec::with_capacity(chunk.len());
    for Stretch { batch, first, run } in chunk {
        places.extend((*first..first + run.rows).map(|row| (*batch, row)));
        match runs.last_mut() {
            Some(last) if last.seq == run.seq => last.rows += run.rows,
            _ => runs.push(*run),
        }
    }
    let column = |at: usize| {
        let arrays: Vec<_> = all
            .iter()
            .map(|rows| rows.batch.column(at).as_ref())
            .collect();
        interleave(&arrays, &places)
    };
    let columns = (0..schema.fields().len()).map(column);
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    Ok(Weighted {
        batch: RecordBatch::try_new_with_options(
            Arc::clone(schema),
            columns.collect::<Result<_, _>>()?,
            &options,
        )?,
        weights: Weights::Inserts,
        runs: runs.into(),
    })
}
