//! `Weighted`: rows on their way through a view, each with a weight and its place in the log.
//!
//! It never holds a decision: filtering, slicing and joining keep rows, weights and places
//! together.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use mainstem_kernel::Seq;

/// No event time was seen yet.
pub(crate) const NO_WATERMARK: i64 = i64::MIN;

/// Neighbouring rows of one seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many.
    pub(crate) rows: usize,
    /// Their place in the order of the log.
    pub(crate) seq: Seq,
    /// The watermark as of all rows with smaller seqs, in µs; `NO_WATERMARK` before the first.
    pub(crate) watermark: i64,
}

/// How often each row is added: −1 takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Every row is added once.
    #[default]
    Inserts,
    /// One weight per row, +1 or −1.
    Mixed(Arc<[i64]>),
}

/// Rows with weights and places. Invariants: `runs` cover the batch, seqs of runs ascend, and
/// mixed weights are as many as rows.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    /// The rows.
    pub(crate) batch: RecordBatch,
    /// Their weights.
    pub(crate) weights: Weights,
    /// Their places.
    pub(crate) runs: Arc<[Run]>,
}

impl Weights {
    /// The weights, if they are not all 1.
    pub(crate) fn mixed(&self) -> Option<&[i64]> {
        match self {
            Self::Inserts => None,
            Self::Mixed(weights) => Some(weights),
        }
    }

    /// The weight of a row.
    pub(crate) fn of(&self, row: usize) -> i64 {
        self.mixed()
            .map_or(1, |weights| weights.get(row).copied().unwrap_or(0))
    }

    fn slice(&self, start: usize, rows: usize) -> Self {
        match self {
            Self::Inserts => Self::Inserts,
            Self::Mixed(weights) => {
                Self::Mixed(weights.iter().skip(start).take(rows).copied().collect())
            }
        }
    }

    fn filter(&self, keep: &BooleanArray) -> Self {
        match self {
            Self::Inserts => Self::Inserts,
            Self::Mixed(weights) => {
                let kept = weights.iter().zip(keep.values().iter());
                Self::Mixed(
                    kept.filter(|(_, keep)| *keep)
                        .map(|(weight, _)| *weight)
                        .collect(),
                )
            }
        }
    }
}

impl Weighted {
    /// Rows that are added, all of one seq.
    pub(crate) fn inserts(batch: RecordBatch, seq: Seq) -> Self {
        let run = Run {
            rows: batch.num_rows(),
            seq,
            watermark: NO_WATERMARK,
        };
        Self {
            batch,
            weights: Weights::Inserts,
            runs: Arc::new([run]),
        }
    }

    /// Rows that are added, each of its seq. One that is smaller than the one before it counts as
    /// that one.
    pub(crate) fn arrived(batch: RecordBatch, seqs: &[Seq]) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for seq in seqs.iter().take(batch.num_rows()) {
            match runs.last_mut() {
                Some(run) if *seq <= run.seq => run.rows += 1,
                Some(_) | None => runs.push(Run {
                    rows: 1,
                    seq: *seq,
                    watermark: NO_WATERMARK,
                }),
            }
        }
        Self {
            batch,
            weights: Weights::Inserts,
            runs: runs.into(),
        }
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The same rows with other columns.
    pub(crate) fn with_batch(&self, batch: RecordBatch) -> Self {
        Self {
            batch,
            weights: self.weights.clone(),
            runs: Arc::clone(&self.runs),
        }
    }

    /// The rows where `keep` is true; NULL counts as false. Costs nothing if all are kept.
    ///
    /// # Errors
    /// When `keep` has another length.
    pub(crate) fn filter(&self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        let plain;
        let keep = if keep.null_count() == 0 {
            keep
        } else {
            plain = datafusion::arrow::compute::prep_null_mask_filter(keep);
            &plain
        };
        let kept = keep.values().count_set_bits();
        if kept == self.rows() && keep.len() == kept {
            return Ok(self.clone());
        }
        let mut start = 0;
        let mut runs = Vec::with_capacity(self.runs.len());
        for run in self.runs.iter() {
            let rows = keep.values().slice(start, run.rows).count_set_bits();
            start += run.rows;
            if rows > 0 {
                runs.push(Run { rows, ..*run });
            }
        }
        Ok(Self {
            batch: filter_record_batch(&self.batch, keep)?,
            weights: self.weights.filter(keep),
            runs: runs.into(),
        })
    }

    /// A stretch of the rows, without copying them.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Self {
        let (mut skip, mut left) = (start, rows);
        let mut runs = Vec::new();
        for run in self.runs.iter() {
            let skipped = run.rows.min(skip);
            skip -= skipped;
            let taken = (run.rows - skipped).min(left);
            left -= taken;
            if taken > 0 {
                runs.push(Run {
                    rows: taken,
                    ..*run
                });
            }
        }
        Self {
            batch: self.batch.slice(start, rows),
            weights: self.weights.slice(start, rows),
            runs: runs.into(),
        }
    }

    /// Pieces of at most `rows_max` rows.
    pub(crate) fn pieces(self, rows_max: usize) -> Vec<Self> {
        let rows = self.rows();
        if rows <= rows_max {
            return vec![self];
        }
        (0..rows)
            .step_by(rows_max)
            .map(|start| self.slice(start, rows_max.min(rows - start)))
            .collect()
    }

    /// Several as one, in their order.
    ///
    /// # Errors
    /// When their columns differ.
    pub(crate) fn concat(schema: &SchemaRef, parts: &[Self]) -> Result<Self, ArrowError> {
        if let [only] = parts {
            return Ok(only.clone());
        }
        let batch = concat_batches(schema, parts.iter().map(|part| &part.batch))?;
        let all_inserts = parts.iter().all(|part| part.weights.mixed().is_none());
        let weights = if all_inserts {
            Weights::Inserts
        } else {
            let each = |part: &Self| {
                (0..part.rows())
                    .map(|row| part.weights.of(row))
                    .collect::<Vec<_>>()
            };
            Weights::Mixed(parts.iter().flat_map(each).collect())
        };
        let runs = parts
            .iter()
            .flat_map(|part| part.runs.iter().copied())
            .collect();
        Ok(Self {
            batch,
            weights,
            runs,
        })
    }

    /// The seq and watermark of every row, run by run: `(first row, run)`.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, Run)> + '_ {
        self.runs.iter().scan(0, |start, run| {
            let first = *start;
            *start += run.rows;
            Some((first, *run))
        })
    }
}

/// Joins small neighbours until they have about `rows_wanted` rows, so that the cost per batch is
/// spread over many rows, and cuts large ones.
pub(crate) fn regroup(
    chunks: Vec<Weighted>,
    rows_wanted: usize,
) -> Result<Vec<Weighted>, ArrowError> {
    let mut regrouped = Vec::new();
    let mut waiting: Vec<Weighted> = Vec::new();
    let mut rows = 0;
    for chunk in chunks.into_iter().filter(|chunk| chunk.rows() > 0) {
        // A chunk that is large by itself is not copied.
        if rows > 0 && (rows >= rows_wanted / 2 || chunk.rows() >= rows_wanted / 2) {
            regrouped.push(join(&waiting)?);
            waiting.clear();
            rows = 0;
        }
        rows += chunk.rows();
        waiting.push(chunk);
    }
    if rows > 0 {
        regrouped.push(join(&waiting)?);
    }
    Ok(regrouped
        .into_iter()
        .flat_map(|chunk| chunk.pieces(rows_wanted))
        .collect())
}

fn join(parts: &[Weighted]) -> Result<Weighted, ArrowError> {
    match parts {
        [first, ..] => Weighted::concat(&first.batch.schema(), parts),
        [] => Err(ArrowError::InvalidArgumentError(
            "nothing to join".to_owned(),
        )),
    }
}
