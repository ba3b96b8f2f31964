//! `Running`: which figures are told of the rows of a key with each of its rows, and the entries in
//! which rows are kept for as long as a figure reads them.
//!
//! # Entries
//!
//! `Entries` of all arguments of figures, one after the other.
//!
//! # Rows
//!
//! A chunk is grouped by key; within a key its rows keep their order, which is that of the log.
//! Buckets compute figures of their keys (`pane::running`); `joined` puts them behind the rows of
//! the chunk, in the chunk's order. It never keeps anything itself.

use std::{fmt, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, BinaryArray, RecordBatch, UInt32Array},
    compute::{concat, take},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

use mainstem_sql::pattern::{self, Answered};

use crate::{aggregate::Unfit, aside::Aside, change::Weighted, entries::Entries};

/// Which figures are told.
pub(crate) struct Running {
    pub(crate) figures: Vec<Figure>,
    /// Rows of a key that are kept.
    pub(crate) depth: usize,
    /// Where arguments begin among the expressions of the grouping.
    first: usize,
    entries: Entries,
    /// The columns of the rows, then the figures.
    pub(crate) schema: SchemaRef,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) enum Figure {
    /// What an aggregate answers.
    Aggregate {
        /// Which of the grouping's.
        call: usize,
        /// Its argument.
        arg: Option<usize>,
        /// The row that comes in: so many before the current one.
        enters: usize,
        /// The row that goes, if one does.
        leaves: Option<usize>,
    },
    /// The argument so many rows before.
    Lag { arg: usize, rows: usize },
    /// What is told of the match of a pattern.
    Pattern {
        answered: Arc<Answered>,
        args: Vec<usize>,
    },
}

/// A chunk whose rows are to be told.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: Weighted,
    pub(crate) args: Vec<ArrayRef>,
    /// Nothing where none is kept.
    pub(crate) entries: Option<BinaryArray>,
    /// Of each pattern what it reads.
    pub(crate) patterns: Vec<pattern::Rows>,
    /// Rows by group, within one in their order.
    order: Vec<u32>,
    /// Where each group begins in `order`, and the end.
    begins: Vec<u32>,
}

/// Figures of some rows of a chunk.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) rows: Vec<u32>,
    pub(crate) columns: Vec<ArrayRef>,
    /// Rows with a figure that does not fit; `at` is the row of the chunk.
    pub(crate) unfit: Vec<Unfit>,
}

impl Running {
    /// Of arguments that stand behind `first` other expressions.
    ///
    /// # Errors
    /// When an argument cannot be kept.
    pub(crate) fn new(
        (figures, depth): (Vec<Figure>, usize),
        (first, types): (usize, Vec<DataType>),
        schema: SchemaRef,
    ) -> Result<Self, ArrowError> {
        Ok(Self {
            figures,
            depth,
            first,
            entries: Entries::unordered(types)?,
            schema,
        })
    }

    /// A chunk, grouped, of what was evaluated of its rows.
    pub(crate) fn chunk(
        &self,
        rows: Weighted,
        evaluated: &[ArrayRef],
        (groups, count): (&[u32], usize),
    ) -> Result<Chunk, ArrowError> {
        let args = self.entries.fitting(evaluated.iter().skip(self.first))?;
        let entries = match (self.depth, args.is_empty()) {
            (0, _) => None,
            // Rows are counted alone: they are kept, and nothing of them.
            (_, true) => Some(BinaryArray::from_iter_values(vec![b""; rows.rows()])),
            _ => Some(self.entries.of(&args)?),
        };
        let patterns = self.patterns().map(|(answered, own)| {
            let own: Vec<ArrayRef> = own.iter().map(|arg| Arc::clone(&args[*arg])).collect();
            answered.rows(&own)
        });
        let patterns = patterns.collect::<Result<_, _>>()?;
        let (order, begins) = by_group(groups, count);
        Ok(Chunk {
            rows,
            args,
            entries,
            patterns,
            order,
            begins,
        })
    }

    /// Patterns among the figures, with the places of their arguments.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&Arc<Answered>, &[usize])> {
        self.figures.iter().filter_map(|figure| match figure {
            Figure::Pattern { answered, args } => Some((answered, args.as_slice())),
            Figure::Aggregate { .. } | Figure::Lag { .. } => None,
        })
    }

    /// The arguments of entries.
    pub(crate) fn args(&self, entries: &[&[u8]]) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.entries.width() == 0 {
            return Ok(Vec::new());
        }
        self.entries.columns(entries.iter().copied())
    }

    /// A chunk's rows with their figures behind them, which buckets have computed.
    pub(crate) fn joined(
        &self,
        rows: Weighted,
        ran: &[Ran],
        aside: &mut Aside,
    ) -> Result<Weighted, ArrowError> {
        let mut places = vec![0_u32; rows.rows()];
        let all = ran.iter().flat_map(|ran| &ran.rows);
        for (place, row) in (0_u32..).zip(all) {
            places[*row as usize] = place;
        }
        let places = UInt32Array::from(places);
        let mut columns = rows.batch.columns().to_vec();
        for figure in 0..self.figures.len() {
            let pieces: Vec<&dyn Array> =
                ran.iter().map(|ran| ran.columns[figure].as_ref()).collect();
            columns.push(take(&concat(&pieces)?, &places, None)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mut unfit: Vec<Unfit> = ran.iter().flat_map(|ran| ran.unfit.clone()).collect();
        unfit.sort_by_key(|unfit| unfit.at);
        for unfit in unfit {
            let failed = vec![(unfit.at, unfit.reason.to_owned())];
            aside.fail(&batch, unfit.code, failed)?;
        }
        Ok(rows.with_batch(batch))
    }
}

impl Chunk {
    /// The rows of a group.
    pub(crate) fn of_group(&self, group: u32) -> &[u32] {
        let group = group as usize;
        &self.order[self.begins[group] as usize..self.begins[group + 1] as usize]
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("figures", &self.figures)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Rows by group, by counting, and where each group begins.
fn by_group(groups: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut begins = vec![0_u32; count + 1];
    for group in groups {
        begins[*group as usize + 1] += 1;
    }
    for group in 0..count {
        begins[group + 1] += begins[group];
    }
    let mut next = begins.clone();
    let mut order = vec![0; groups.len()];
    for (row, group) in (0..).zip(groups) {
        let at = &mut next[*group as usize];
        order[*at as usize] = row;
        *at += 1;
    }
    (order, begins)
}
