//! SUM and AVG of NUMERIC: sums in 256 bits, so that only the answer can be out of range.

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType, Decimal128Type, i256},
    error::ArrowError,
};

use super::{Answers, Cursor, Damaged, Taken, mean::Means};
use crate::columns::{Longs, resize};

/// Sums of all groups, and how many values they have.
#[derive(Debug)]
pub(crate) struct DecimalSums {
    sums: Vec<i256>,
    counts: Longs,
    means: Means,
    is_mean: bool,
}

impl DecimalSums {
    pub(crate) fn new(ty: &DataType, scale: i8, is_mean: bool) -> Option<Self> {
        let means = Means::new(ty, scale)?;
        Some(Self {
            sums: Vec::new(),
            counts: Longs::default(),
            means,
            is_mean,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        resize(&mut self.sums, groups, i256::ZERO);
        self.counts.grow(groups);
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let Some(values) = column.as_primitive_opt::<Decimal128Type>() else {
            let found = column.data_type();
            return Err(ArrowError::CastError(format!(
                "expected NUMERIC, found {found}"
            )));
        };
        let values = values.values();
        taken.each(|row, group, weight| {
            let value = i256::from_i128(values[row]).wrapping_mul(i256::from(weight));
            self.sums[group] = self.sums[group].wrapping_add(value);
            self.counts.add(group, weight);
        });
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            let sum = &mut self.sums[*to as usize];
            *sum = sum.wrapping_add(from.sums[*at as usize]);
            self.counts.add(*to as usize, from.counts.get(*at as usize));
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        self.means.answers(groups.iter().map(|group| {
            let at = *group as usize;
            let (sum, count) = (self.sums[at], self.counts.get(at));
            let divisor = if self.is_mean { count } else { 1 };
            (count != 0).then_some((sum, divisor))
        }))
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            out.extend_from_slice(&self.sums[*group as usize].to_le_bytes());
            out.extend_from_slice(&self.counts.get(*group as usize).to_le_bytes());
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            self.sums[*group as usize] = i256::from_le_bytes(from.take()?);
            self.counts.set(*group as usize, from.i64()?);
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i256>() + self.counts.size()
    }
}
