//! COUNT(DISTINCT): the different values of a group with their counts, up to a declared number.
//! A group that had more answers that number from then on, and keeps no values.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, Int64Array},
    error::ArrowError,
};

use mainstem_kernel::Code;

use super::{
    Answers, Cursor, Damaged, Taken, Unfit,
    extreme::{Counted, count_in, counted_size, read_counted, write_counted},
    value::Values,
};

const TOO_MANY: &str = "count(DISTINCT) has more different values than the view allows";

/// Different values of all groups; `None` where there were too many.
#[derive(Debug)]
pub(crate) struct Distincts {
    sets: Vec<Option<Counted>>,
    values_max: usize,
}

impl Distincts {
    pub(crate) fn new(values_max: usize) -> Self {
        Self {
            sets: Vec::new(),
            values_max,
        }
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
        let mut unfit = Vec::new();
        let mut counts = Vec::with_capacity(groups.len());
        for (at, group) in groups.iter().enumerate() {
            let set = self.sets[*group as usize].as_ref();
            if set.is_none() {
                unfit.push(Unfit {
                    at,
                    code: Code::View010,
                    reason: TOO_MANY,
                });
            }
            let count = |set: &Counted| set.values().filter(|count| **count > 0).count();
            let count = set.map_or(self.values_max, count);
            counts.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Ok(Answers {
            column: Arc::new(Int64Array::from(counts)),
            unfit,
        })
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
