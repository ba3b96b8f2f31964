//! `Aggregate`: what an aggregate function has seen of each group, as columns of our own.
//!
//! Columns are weighted (a row of weight −1 takes one of weight +1 back), can be read without
//! being consumed, can be merged, and are written and read back by group. What they answer does
//! not depend on the order of rows, nor on how they were cut into chunks: sums of integers and
//! decimals are wide enough, sums of floats are exact until they are rounded once.
//!
//! They never judge a window or a key.

mod by;
mod bytes;
mod count;
mod decimal;
mod distinct;
mod exact;
mod extreme;
mod float;
mod histograms;
mod integer;
mod lists;
mod mean;
mod patterns;
mod ranks;
mod rings;
mod sketches;
mod truth;
mod value;

use datafusion::arrow::{
    array::{Array, ArrayRef},
    buffer::BooleanBuffer,
    datatypes::DataType,
    error::ArrowError,
};
use mainstem_kernel::Code;
use mainstem_sql::{
    sketch::{Buckets, Distinct, Moments, Part, Quantiles},
    view::Function,
};

use self::{
    by::Chosen, count::Counts, decimal::DecimalSums, distinct::Distincts, extreme::Extremes,
    float::FloatSums, histograms::Histograms, integer::IntegerSums, patterns::Patterns,
    rings::Rings, sketches::Sketches, truth::Truths,
};
pub(crate) use bytes::{Cursor, Damaged, put_count};
pub(crate) use ranks::Ranks;

/// What is computed of each group.
#[derive(Clone, Debug)]
pub(crate) struct AggregateSpec {
    pub(crate) function: Function,
    /// Type of the argument; none for count(*), of MIN_BY and MAX_BY that of pairs.
    pub(crate) arg: Option<DataType>,
    /// Type of the answer.
    pub(crate) ty: DataType,
    /// Whether rows are taken back.
    pub(crate) retracts: bool,
    /// Different values that a group may have, of what takes each of them once.
    pub(crate) distinct_max: usize,
    /// Of a percentile: which part of all values lies below.
    pub(crate) part: Option<Part>,
    /// Of a histogram.
    pub(crate) buckets: Option<Buckets>,
    /// Of MIN_BY and MAX_BY: how many rows are told, if an array is.
    pub(crate) several: Option<usize>,
}

/// Rows of a chunk as an aggregate takes them.
#[derive(Clone, Debug)]
pub(crate) struct Taken<'a> {
    /// The group of each row.
    pub(crate) groups: &'a [u32],
    /// Weights, if they are not all 1.
    pub(crate) weights: Option<&'a [i64]>,
    /// Rows that count; all if there is none.
    pub(crate) chosen: Option<BooleanBuffer>,
}

impl Taken<'_> {
    /// Calls `take` with row, group and weight of each row that counts.
    #[inline]
    pub(crate) fn each(&self, mut take: impl FnMut(usize, usize, i64)) {
        match (&self.chosen, self.weights) {
            (None, None) => {
                for (row, group) in self.groups.iter().enumerate() {
                    take(row, *group as usize, 1);
                }
            }
            (None, Some(weights)) => {
                for (row, (group, weight)) in self.groups.iter().zip(weights).enumerate() {
                    take(row, *group as usize, *weight);
                }
            }
            (Some(chosen), weights) => {
                for row in chosen.set_indices() {
                    let weight = weights.map_or(1, |weights| weights[row]);
                    take(row, self.groups[row] as usize, weight);
                }
            }
        }
    }

    /// Without the rows where the argument is NULL.
    pub(crate) fn without_nulls(&self, column: &dyn Array) -> Self {
        let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) else {
            return self.clone();
        };
        let chosen = match &self.chosen {
            Some(chosen) => chosen & nulls.inner(),
            None => nulls.inner().clone(),
        };
        Self {
            chosen: Some(chosen),
            ..self.clone()
        }
    }
}

/// A group whose answer is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Which of the groups that were asked for.
    pub(crate) at: usize,
    /// What kind of failure.
    pub(crate) code: Code,
    /// Why.
    pub(crate) reason: &'static str,
}

/// The answers for some groups: NULL where a sum does not fit, or is of more different values than
/// are allowed; of the count of these, the most that is allowed.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) column: ArrayRef,
    pub(crate) unfit: Vec<Unfit>,
}

/// One aggregate of all groups.
#[derive(Debug)]
pub(crate) enum Aggregate {
    Count(Counts),
    Integer(IntegerSums),
    Decimal(DecimalSums),
    Float(FloatSums),
    Extreme(Extremes),
    Distinct(Distincts),
    Truth(Truths),
    Chosen(Chosen),
    Moments(Sketches<Moments>),
    Different(Sketches<Distinct>),
    Quantiles(Sketches<Quantiles>),
    Histogram(Histograms),
    Ranks(Ranks),
    Rings(Rings),
    Patterns(Patterns),
}

/// Calls one method of whichever variant it is.
macro_rules! of {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self {
            Aggregate::Count($inner) => $call,
            Aggregate::Integer($inner) => $call,
            Aggregate::Decimal($inner) => $call,
            Aggregate::Float($inner) => $call,
            Aggregate::Extreme($inner) => $call,
            Aggregate::Distinct($inner) => $call,
            Aggregate::Truth($inner) => $call,
            Aggregate::Chosen($inner) => $call,
            Aggregate::Moments($inner) => $call,
            Aggregate::Different($inner) => $call,
            Aggregate::Quantiles($inner) => $call,
            Aggregate::Histogram($inner) => $call,
            Aggregate::Ranks($inner) => $call,
            Aggregate::Rings($inner) => $call,
            Aggregate::Patterns($inner) => $call,
        }
    };
}

impl Aggregate {
    /// One without groups.
    ///
    /// # Errors
    /// When the function has no such argument.
    pub(crate) fn new(spec: &AggregateSpec) -> Result<Self, ArrowError> {
        let unfit = || {
            let (name, arg) = (spec.function.as_str(), &spec.arg);
            ArrowError::NotYetImplemented(format!("{name} of {arg:?} as {}", spec.ty))
        };
        let arg = spec.arg.as_ref();
        Ok(match spec.function {
            Function::Count => Self::Count(Counts::default()),
            Function::CountDistinct | Function::SumDistinct | Function::AvgDistinct => {
                Self::Distinct(Distincts::new(spec)?)
            }
            Function::Min | Function::Max => {
                let is_max = spec.function == Function::Max;
                Self::Extreme(Extremes::new(&spec.ty, is_max, spec.retracts).ok_or_else(unfit)?)
            }
            Function::BoolAnd | Function::BoolOr => {
                Self::Truth(Truths::new(spec.function == Function::BoolOr))
            }
            Function::MinBy | Function::MaxBy => {
                let which = (spec.function == Function::MaxBy, spec.several);
                let arg = arg.ok_or_else(unfit)?;
                let chosen = Chosen::new((arg, &spec.ty), which, spec.retracts);
                Self::Chosen(chosen.ok_or_else(unfit)?)
            }
            Function::Moment(moment) => {
                Self::Moments(Sketches::new(moment, spec.retracts).ok_or_else(unfit)?)
            }
            Function::ApproxDistinct => {
                Self::Different(Sketches::new((), spec.retracts).ok_or_else(unfit)?)
            }
            Function::ApproxPercentile => {
                let part = spec.part.ok_or_else(unfit)?;
                Self::Quantiles(Sketches::new(part, spec.retracts).ok_or_else(unfit)?)
            }
            Function::Histogram => {
                Self::Histogram(Histograms::new(spec.buckets.ok_or_else(unfit)?))
            }
            Function::Sum | Function::Avg => {
                let is_mean = spec.function == Function::Avg;
                match arg.ok_or_else(unfit)? {
                    DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                        Self::Integer(IntegerSums::new(&spec.ty, is_mean).ok_or_else(unfit)?)
                    }
                    DataType::Decimal128(_, scale) => Self::Decimal(
                        DecimalSums::new(&spec.ty, *scale, is_mean).ok_or_else(unfit)?,
                    ),
                    DataType::Float32 | DataType::Float64 => {
                        Self::Float(FloatSums::new(&spec.ty, is_mean).ok_or_else(unfit)?)
                    }
                    _ => return Err(unfit()),
                }
            }
        })
    }

    /// The first rows of each group, as entries of `Ranked`.
    pub(crate) fn ranks(limit: usize, retracts: bool) -> Self {
        Self::Ranks(Ranks::new(limit, retracts))
    }

    /// The last rows of each group, as entries of `Running`.
    pub(crate) fn rings(depth: usize) -> Self {
        Self::Rings(Rings::new(depth))
    }

    /// What a pattern remembers of each group.
    pub(crate) fn patterns() -> Self {
        Self::Patterns(Patterns::default())
    }

    /// Sees to it that there are `groups` groups, the new ones empty.
    pub(crate) fn grow(&mut self, groups: usize) {
        of!(self, inner => inner.grow(groups));
    }

    /// Takes rows of a chunk; `column` is the argument, if there is one.
    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: Option<&ArrayRef>,
    ) -> Result<(), ArrowError> {
        let taken = match column {
            Some(column) => taken.without_nulls(column),
            None => taken.clone(),
        };
        let missing = || ArrowError::ComputeError("an aggregate lacks its argument".to_owned());
        match (self, column) {
            (Self::Count(counts), _) => counts.update(&taken),
            (Self::Integer(sums), column) => sums.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Decimal(sums), column) => sums.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Float(sums), column) => sums.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Extreme(values), column) => {
                values.update(&taken, column.ok_or_else(missing)?)?
            }
            (Self::Distinct(sets), column) => sets.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Truth(truths), column) => truths.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Chosen(chosen), column) => chosen.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Moments(kept), column) => kept.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Different(kept), column) => kept.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Quantiles(kept), column) => kept.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Histogram(counts), column) => {
                counts.update(&taken, column.ok_or_else(missing)?)?
            }
            (Self::Ranks(lists), column) => lists.update(&taken, column.ok_or_else(missing)?)?,
            (Self::Rings(_) | Self::Patterns(_), _) => {
                debug_assert!(false, "rows are put in one by one")
            }
        }
        Ok(())
    }

    /// Merges groups of another one into groups of this one: `pairs` are (into, from).
    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        match (self, from) {
            (Self::Count(to), Self::Count(from)) => to.merge(from, pairs),
            (Self::Integer(to), Self::Integer(from)) => to.merge(from, pairs),
            (Self::Decimal(to), Self::Decimal(from)) => to.merge(from, pairs),
            (Self::Float(to), Self::Float(from)) => to.merge(from, pairs),
            (Self::Extreme(to), Self::Extreme(from)) => to.merge(from, pairs),
            (Self::Distinct(to), Self::Distinct(from)) => to.merge(from, pairs),
            (Self::Truth(to), Self::Truth(from)) => to.merge(from, pairs),
            (Self::Chosen(to), Self::Chosen(from)) => to.merge(from, pairs),
            (Self::Moments(to), Self::Moments(from)) => to.merge(from, pairs),
            (Self::Different(to), Self::Different(from)) => to.merge(from, pairs),
            (Self::Quantiles(to), Self::Quantiles(from)) => to.merge(from, pairs),
            (Self::Histogram(to), Self::Histogram(from)) => to.merge(from, pairs),
            (Self::Ranks(to), Self::Ranks(from)) => to.merge(from, pairs),
            // Both are made from one spec.
            _ => debug_assert!(false, "aggregates of two kinds are not merged"),
        }
    }

    /// The answers for some groups. Nothing is consumed.
    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        of!(self, inner => inner.answers(groups))
    }

    /// Writes some groups behind `out`.
    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        of!(self, inner => inner.write(groups, out));
    }

    /// Reads what `write` wrote into groups, whatever they held.
    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        of!(self, inner => inner.read(groups, from))
    }

    /// Bytes that it takes, about.
    pub(crate) fn size(&self) -> usize {
        of!(self, inner => inner.size())
    }
}

#[cfg(test)]
mod tests;
