//! SUM and AVG of floats, by exact sums.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, Float32Builder, Float64Builder},
    datatypes::{DataType, Float32Type, Float64Type},
    error::ArrowError,
};

use super::{
    Answers, Cursor, Damaged, Taken,
    exact::{Exact, Rest},
    mean::float_of,
};
use crate::columns::{Longs, resize};

/// Sums of all groups, and how many values they have.
#[derive(Debug)]
pub(crate) struct FloatSums {
    sums: Vec<Exact>,
    counts: Longs,
    /// Of the few groups whose sum does not fit two floats.
    rests: BTreeMap<u32, Rest>,
    is_mean: bool,
    is_single: bool,
}

impl FloatSums {
    pub(crate) fn new(ty: &DataType, is_mean: bool) -> Option<Self> {
        let is_single = match ty {
            DataType::Float32 => true,
            DataType::Float64 => false,
            _ => return None,
        };
        Some(Self {
            sums: Vec::new(),
            counts: Longs::default(),
            rests: BTreeMap::new(),
            is_mean,
            is_single,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        resize(&mut self.sums, groups, Exact::default());
        self.counts.grow(groups);
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        match column.data_type() {
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                self.add_all(taken, |row| values[row]);
            }
            DataType::Float32 => {
                let values = column.as_primitive::<Float32Type>().values();
                self.add_all(taken, |row| values[row].into());
            }
            other => {
                return Err(ArrowError::CastError(format!(
                    "expected floats, found {other}"
                )));
            }
        }
        Ok(())
    }

    #[inline]
    fn add_all(&mut self, taken: &Taken<'_>, value: impl Fn(usize) -> f64) {
        taken.each(|row, group, weight| {
            self.counts.add(group, weight);
            match weight {
                1 => self.add(group, value(row)),
                -1 if value(row).is_finite() => self.add(group, -value(row)),
                _ => self.rest(group).add(value(row), weight),
            }
        });
    }

    #[inline]
    fn add(&mut self, group: usize, value: f64) {
        let sum = &mut self.sums[group];
        if !sum.takes(value) {
            return self.rest(group).add(value, 1);
        }
        let rest = sum.add(value);
        if rest.to_bits() << 1 != 0 {
            self.rest(group).add(rest, 1);
        }
    }

    #[cold]
    fn rest(&mut self, group: usize) -> &mut Rest {
        self.rests
            .entry(u32::try_from(group).unwrap_or(u32::MAX))
            .or_default()
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            let (to, other) = (*to as usize, from.sums[*at as usize]);
            self.add(to, other.high);
            self.add(to, other.low);
            self.counts.add(to, from.counts.get(*at as usize));
            if !from.rests.is_empty()
                && let Some(rest) = from.rests.get(at)
            {
                self.rest(to).merge(rest);
            }
        }
    }

    fn value(&self, group: u32) -> Option<f64> {
        let count = self.counts.get(group as usize);
        if count == 0 {
            return None;
        }
        let sum = self.sums[group as usize].value(self.rests.get(&group));
        Some(if self.is_mean {
            sum / float_of(count)
        } else {
            sum
        })
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let values = groups.iter().map(|group| self.value(*group));
        let column: ArrayRef = if self.is_single {
            let mut column = Float32Builder::with_capacity(groups.len());
            #[expect(
                clippy::cast_possible_truncation,
                reason = "REAL is what was asked for"
            )]
            values.for_each(|value| column.append_option(value.map(|value| value as f32)));
            Arc::new(column.finish())
        } else {
            let mut column = Float64Builder::with_capacity(groups.len());
            values.for_each(|value| column.append_option(value));
            Arc::new(column.finish())
        };
        Ok(Answers {
            column,
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            let sum = self.sums[*group as usize];
            out.extend_from_slice(&sum.high.to_le_bytes());
            out.extend_from_slice(&sum.low.to_le_bytes());
            out.extend_from_slice(&self.counts.get(*group as usize).to_le_bytes());
            let rest = self.rests.get(group).filter(|rest| !rest.is_empty());
            out.push(u8::from(rest.is_some()));
            if let Some(rest) = rest {
                rest.write(out);
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            let sum = Exact {
                high: from.f64()?,
                low: from.f64()?,
            };
            self.sums[*group as usize] = sum;
            self.counts.set(*group as usize, from.i64()?);
            self.rests.remove(group);
            if from.byte()? != 0 {
                self.rests.insert(*group, Rest::read(from)?);
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        let rests: usize = self.rests.values().map(Rest::size).sum();
        self.sums.capacity() * size_of::<Exact>() + self.counts.size() + rests
    }
}
