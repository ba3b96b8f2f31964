//! Aggregates of DISTINCT: the different values of a group with their counts, up to a declared number,
//! and what is asked of them: how many there are, their sum, their mean. A group that had more answers
//! that number from then on, or NULL, and keeps no values.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, Int64Array},
    datatypes::DataType,
    error::ArrowError,
};

use mainstem_kernel::Code;
use mainstem_sql::view::Function;

use super::{
    Aggregate, AggregateSpec, Answers, Cursor, Damaged, Taken, Unfit,
    extreme::{Counted, count_in, counted_size, read_counted, write_counted},
    value::{Value, Values, column_of},
};

/// Different values of all groups; `None` where there were too many.
#[derive(Debug)]
pub(crate) struct Distincts {
    sets: Vec<Option<Counted>>,
    values_max: usize,
    /// Nothing if they are counted.
    asked: Option<Asked>,
}

/// What is computed of different values.
#[derive(Debug)]
struct Asked {
    spec: Box<AggregateSpec>,
    /// Type of the values.
    ty: DataType,
    /// Why a group has no answer.
    too_many: &'static str,
}

impl Asked {
    /// # Errors
    /// When the function has no such argument.
    fn new(spec: &AggregateSpec, function: Function) -> Result<Self, ArrowError> {
        let spec = AggregateSpec {
            function,
            retracts: false,
            ..spec.clone()
        };
        Aggregate::new(&spec)?;
        let ty = spec.arg.clone().ok_or_else(|| {
            ArrowError::ComputeError(format!("{} lacks its argument", function.as_str()))
        })?;
        let too_many = match function {
            Function::Avg => "avg(DISTINCT) has more different values than the view allows",
            _ => "sum(DISTINCT) has more different values than the view allows",
        };
        Ok(Self {
            spec: Box::new(spec),
            ty,
            too_many,
        })
    }
}

impl Distincts {
    /// # Errors
    /// When what is asked of the values is not there for their type.
    pub(crate) fn new(spec: &AggregateSpec) -> Result<Self, ArrowError> {
        let asked = match spec.function.of_different() {
            None | Some(Function::Count) => None,
            Some(function) => Some(Asked::new(spec, function)?),
        };
        Ok(Self {
            sets: Vec::new(),
            values_max: spec.distinct_max,
            asked,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.sets
            .resize_with(groups.max(self.sets.len()), || Some(Counted::new()));
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let values = Values::of(column)?;
        taken.each(|row, group, weight| {
            if let Some(set) = &mut self.sets[group] {
                count_in(set, values.value(row), weight);
                if set.len() > self.values_max {
                    self.sets[group] = None;
                }
            }
        });
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            let to = &mut self.sets[*to as usize];
            let (Some(set), Some(other)) = (to.as_mut(), &from.sets[*at as usize]) else {
                *to = None;
                continue;
            };
            for (value, weight) in other {
                count_in(set, value.clone(), *weight);
            }
            if set.len() > self.values_max {
                *to = None;
            }
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        match &self.asked {
            None => Ok(self.counts(groups)),
            Some(asked) => self.computed(asked, groups),
        }
    }

    fn counts(&self, groups: &[u32]) -> Answers {
        let mut unfit = Vec::new();
        let mut counts = Vec::with_capacity(groups.len());
        for (at, group) in groups.iter().enumerate() {
            let set = self.sets[*group as usize].as_ref();
            if set.is_none() {
                let reason = "count(DISTINCT) has more different values than the view allows";
                unfit.push(too_many(at, reason));
            }
            let count = set.map_or(self.values_max, |set| there(set).count());
            counts.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Answers {
            column: Arc::new(Int64Array::from(counts)),
            unfit,
        }
    }

    /// What another aggregate says of each group's values, each taken once.
    fn computed(&self, asked: &Asked, groups: &[u32]) -> Result<Answers, ArrowError> {
        let mut unfit = Vec::new();
        let mut once = Aggregate::new(&asked.spec)?;
        once.grow(groups.len());
        let all = 0..u32::try_from(groups.len()).unwrap_or(u32::MAX);
        for (at, group) in all.clone().zip(groups) {
            let Some(set) = &self.sets[*group as usize] else {
                unfit.push(too_many(at as usize, asked.too_many));
                continue;
            };
            let values = column_of(&asked.ty, there(set).map(Some))?;
            let taken = Taken {
                groups: &vec![at; values.len()],
                weights: None,
                chosen: None,
            };
            once.update(&taken, Some(&values))?;
        }
        let mut answers = once.answers(&all.collect::<Vec<_>>())?;
        answers.unfit.append(&mut unfit);
        answers.unfit.sort_by_key(|unfit| unfit.at);
        Ok(answers)
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            let set = &self.sets[*group as usize];
            out.push(u8::from(set.is_some()));
            if let Some(set) = set {
                write_counted(set, out);
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            self.sets[*group as usize] = match from.byte()? {
                0 => None,
                _ => Some(read_counted(from)?),
            };
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        let values: usize = self.sets.iter().flatten().map(counted_size).sum();
        self.sets.capacity() * size_of::<Option<Counted>>() + values
    }
}

/// The values that are there: a row may be taken back before it was added.
fn there(set: &Counted) -> impl Iterator<Item = &Value> + Clone {
    set.iter()
        .filter(|(_, count)| **count > 0)
        .map(|(value, _)| value)
}

fn too_many(at: usize, reason: &'static str) -> Unfit {
    Unfit {
        at,
        code: Code::View010,
        reason,
    }
}
