//! SUM and AVG of integers: sums in 128 bits, which no log can fill, kept in 64 while they fit. SUM is BIGINT or NUMERIC,
//! AVG a float or NUMERIC.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    datatypes::{DataType, Int16Type, Int32Type, Int64Type},
    error::ArrowError,
};

use super::{
    Answers, Cursor, Damaged, Taken,
    mean::{Means, out_of_range},
};
use crate::columns::{Longs, Wides};

/// Sums of all groups, and how many values they have.
#[derive(Debug)]
pub(crate) struct IntegerSums {
    sums: Wides,
    counts: Longs,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Sum,
    Decimal(Means),
    Mean(Means),
}

impl IntegerSums {
    pub(crate) fn new(ty: &DataType, is_mean: bool) -> Option<Self> {
        let answer = match (ty, is_mean) {
            (DataType::Int64, false) => Answer::Sum,
            (DataType::Decimal128(..), false) => Answer::Decimal(Means::new(ty, 0)?),
            (_, true) => Answer::Mean(Means::new(ty, 0)?),
            _ => return None,
        };
        Some(Self {
            sums: Wides::default(),
            counts: Longs::default(),
            answer,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.sums.grow(groups);
        self.counts.grow(groups);
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        match column.data_type() {
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                self.add(taken, |row| values[row]);
            }
            DataType::Int32 => {
                let values = column.as_primitive::<Int32Type>().values();
                self.add(taken, |row| values[row].into());
            }
            DataType::Int16 => {
                let values = column.as_primitive::<Int16Type>().values();
                self.add(taken, |row| values[row].into());
            }
            other => {
                return Err(ArrowError::CastError(format!(
                    "expected integers, found {other}"
                )));
            }
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, taken: &Taken<'_>, value: impl Fn(usize) -> i64) {
        taken.each(|row, group, weight| {
            let value = i128::from(value(row)) * i128::from(weight);
            self.sums.add(group, value);
            self.counts.add(group, weight);
        });
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            self.sums.add(*to as usize, from.sums.get(*at as usize));
            self.counts.add(*to as usize, from.counts.get(*at as usize));
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let parts = groups.iter().map(|group| {
            let at = *group as usize;
            let (sum, count) = (self.sums.get(at), self.counts.get(at));
            (count != 0).then_some((sum, count))
        });
        match &self.answer {
            Answer::Mean(means) => {
                means.answers(parts.map(|part| part.map(|(sum, count)| (sum.into(), count))))
            }
            Answer::Decimal(means) => {
                means.answers(parts.map(|part| part.map(|(sum, _)| (sum.into(), 1))))
            }
            Answer::Sum => {
                let mut unfit = Vec::new();
                let mut sums = Vec::with_capacity(groups.len());
                for (at, part) in parts.enumerate() {
                    let sum = part.map(|(sum, _)| i64::try_from(sum));
                    if let Some(Err(_)) = sum {
                        unfit.push(out_of_range(at));
                    }
                    sums.push(sum.and_then(Result::ok));
                }
                Ok(Answers {
                    column: Arc::new(Int64Array::from(sums)),
                    unfit,
                })
            }
        }
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            out.extend_from_slice(&self.sums.get(*group as usize).to_le_bytes());
            out.extend_from_slice(&self.counts.get(*group as usize).to_le_bytes());
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            let at = *group as usize;
            self.sums.set(at, i128::from_le_bytes(from.take()?));
            self.counts.set(at, from.i64()?);
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.sums.size() + self.counts.size()
    }
}
