//! Rows that wait for event time: those of a stream that take turns, and those of streams that are paired.

use mainstem_kernel::{Problem, StreamId, types::SEQ_COLUMN};
use sqlparser::ast::{Expr, Ident, TableFactor};

use super::{
    super::{
        super::{Input, Near, Node, Pairs, lineage, relation::Known},
        Against, batch,
    },
    EventTimes, filter,
    passed::{PLACE_COLUMNS, Seqs, source},
    refused,
};
use crate::declare::quoted;

/// How rows of a view wait for event time.
#[derive(Clone, Debug)]
pub(crate) enum Waits {
    /// They take turns in slices of so many µs.
    Turns {
        /// Length of a slice.
        slice_us: i64,
        /// What the view reads: all of it moves its event time.
        sources: Vec<StreamId>,
    },
    /// Those of joins for the others of their pairs.
    Pairs {
        /// What the view reads, on whatever side: all of it moves its event time.
        sources: Vec<StreamId>,
        /// Of each LEFT JOIN, in the order of the text.
        alone: Vec<Option<Alone>>,
    },
}

/// When rows of the first side of a LEFT JOIN come beside nothing.
#[derive(Clone, Debug)]
pub(crate) struct Alone {
    sources: Vec<StreamId>,
    /// The column of event time of each side.
    left: String,
    right: String,
    slice_us: i64,
    /// How much later the other of a pair may be.
    reach_us: i64,
}

impl Waits {
    /// Of a view with this plan, which reads these objects.
    pub(crate) fn of(plan: &Node, inputs: &[Input]) -> Option<Self> {
        let sources = plan.sources().into_iter();
        let sources = sources.filter_map(|at| inputs.get(at).map(Input::id));
        let sources: Vec<StreamId> = sources.collect();
        if let Some(turns) = lineage::turns(plan) {
            let slice_us = turns.slice_us;
            return Some(Self::Turns { slice_us, sources });
        }
        let pairs = lineage::all_near(plan);
        if pairs.is_empty() {
            return None;
        }
        let lefts = pairs.into_iter().filter(|(pairs, _)| pairs.outer.left());
        let alone = lefts.map(|pairs| Alone::of(pairs, &sources)).collect();
        Some(Self::Pairs { sources, alone })
    }

    /// When rows of the first side of a LEFT JOIN come beside nothing: of the one of that number.
    pub(in super::super) fn alone(&self, number: usize) -> Option<&Alone> {
        match self {
            Self::Turns { .. } => None,
            Self::Pairs { alone, .. } => alone.get(number)?.as_ref(),
        }
    }
}

impl Alone {
    fn of((pairs, near): (&Pairs, &Near), sources: &[StreamId]) -> Option<Self> {
        let name =
            |side: &Node, at: usize| side.schema().fields().get(at).map(|f| f.name().clone());
        Some(Self {
            sources: sources.to_vec(),
            left: name(&pairs.left, near.times.0)?,
            right: name(&pairs.right, near.times.1)?,
            slice_us: near.slice_us,
            reach_us: near.reach_us().0,
        })
    }
}

/// What a view reads whose rows wait for event time: those that were taken; where they take turns, as far
/// as their turn has come.
///
/// # Errors
/// When its rows do not say when they came.
pub(in super::super) fn waiting(
    (against, waits): (Against<'_>, &Waits),
    known: &Known,
    alias: &Ident,
) -> Result<TableFactor, Problem> {
    let (sources, turn_us) = match waits {
        Waits::Turns { slice_us, sources } => (sources, Some(*slice_us)),
        Waits::Pairs { sources, .. } => (sources, None),
    };
    let event_time = EventTimes::of(against, sources)?;
    let source = source(against, known)?;
    if turn_us.is_some() && source.seqs == Seqs::Some {
        return Err(refused(against, known));
    }
    let Some(time) = known.input.watermark().filter(|_| source.is_judged) else {
        // What is never late waits for nothing but the other of a pair.
        return match turn_us {
            None => Ok(batch::named(known.name.as_str(), alias)),
            Some(_) => Err(refused(against, known)),
        };
    };
    let columns = known.schema.fields().iter();
    let mut columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
    if turn_us.is_some() && source.is_passed {
        columns.extend(PLACE_COLUMNS.map(quoted));
    }
    let mut read = columns.clone();
    if !read.iter().any(|column| *column == quoted(SEQ_COLUMN)) {
        read.push(SEQ_COLUMN.to_owned());
    }
    let (columns, read) = (columns.join(", "), read.join(", "));
    let time = quoted(time.column.as_str());
    let (marks, ahead) = (event_time.marks(source.seqs), source.within(&time));
    let from = source.from;
    let in_time = event_time.is_in_time(&time, ">=", 0);
    let in_turn = turn_us.map(|turn_us| event_time.is_in_turn(&time, (turn_us, 0)));
    let taken = filter(std::iter::once(in_time).chain(in_turn));
    batch::factor(&format!(
        "(SELECT {columns} FROM (SELECT {read} FROM {from} WHERE {ahead}) AS cut_rows{marks}{taken}) \
         AS {alias}"
    ))
}

/// Which pairs of a LEFT JOIN of streams have come: those of two rows, and rows beside nothing once their
/// slice is over. `sides` are what both are called.
///
/// # Errors
/// When their rows do not say when they came.
pub(in super::super) fn come(
    against: Against<'_>,
    alone: &Alone,
    sides: (&Ident, &Ident),
) -> Result<Expr, Problem> {
    let left = format!("{}.{}", sides.0, quoted(&alone.left));
    let right = format!("{}.{}", sides.1, quoted(&alone.right));
    let event_time = EventTimes::of(against, &alone.sources)?;
    let is_over = event_time.is_in_turn(&left, (alone.slice_us, alone.reach_us));
    batch::expression(&format!("({right} IS NOT NULL OR {is_over})"))
}
