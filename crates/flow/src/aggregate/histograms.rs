//! Histograms: a counter per bucket, of all groups in one column. A row that is taken back leaves no
//! trace; what is kept does not grow with the number of rows.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, AsArray, Int64Builder, ListBuilder},
    datatypes::Float64Type,
    error::ArrowError,
};
use mainstem_sql::sketch::Buckets;

use super::{Answers, Cursor, Damaged, Taken};
use crate::columns::Longs;

/// Counters of all groups, those of one beside each other.
#[derive(Debug)]
pub(crate) struct Histograms {
    buckets: Buckets,
    counts: Longs,
}

impl Histograms {
    pub(crate) fn new(buckets: Buckets) -> Self {
        Self {
            buckets,
            counts: Longs::default(),
        }
    }

    /// Where the counters of a group are.
    fn of(&self, group: usize) -> std::ops::Range<usize> {
        let width = self.buckets.counters();
        group * width..(group + 1) * width
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.counts.grow(groups * self.buckets.counters());
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let values = column.as_primitive_opt::<Float64Type>().ok_or_else(|| {
            ArrowError::ComputeError(format!("a histogram of {}", column.data_type()))
        })?;
        let (buckets, width) = (self.buckets, self.buckets.counters());
        taken.each(|row, group, weight| {
            let at = group * width + buckets.of(values.value(row));
            self.counts.add(at, weight);
        });
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            for (to, at) in self.of(*to as usize).zip(from.of(*at as usize)) {
                self.counts.add(to, from.counts.get(at));
            }
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let mut lists = ListBuilder::new(Int64Builder::new());
        for group in groups {
            let counts = self.of(*group as usize).map(|at| self.counts.get(at));
            let has_some = counts.clone().any(|count| count > 0);
            if has_some {
                counts.for_each(|count| lists.values().append_value(count));
            }
            lists.append(has_some);
        }
        Ok(Answers {
            column: Arc::new(lists.finish()),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            for at in self.of(*group as usize) {
                out.extend_from_slice(&self.counts.get(at).to_le_bytes());
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            for at in self.of(*group as usize) {
                self.counts.set(at, from.i64()?);
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.counts.size()
    }
}
