//! COUNT: the sum of weights. It cannot leave BIGINT: a log has fewer rows.

use std::sync::Arc;

use datafusion::arrow::{array::Int64Array, error::ArrowError};

use super::{Answers, Cursor, Damaged, Taken};
use crate::columns::Longs;

/// Counts of all groups.
#[derive(Debug, Default)]
pub(crate) struct Counts(Longs);

impl Counts {
    pub(crate) fn grow(&mut self, groups: usize) {
        self.0.grow(groups);
    }

    pub(crate) fn update(&mut self, taken: &Taken<'_>) {
        taken.each(|_, group, weight| self.0.add(group, weight));
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            self.0.add(*to as usize, from.0.get(*at as usize));
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let counts = groups.iter().map(|group| self.0.get(*group as usize));
        Ok(Answers {
            column: Arc::new(Int64Array::from_iter_values(counts)),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            out.extend_from_slice(&self.0.get(*group as usize).to_le_bytes());
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            self.0.set(*group as usize, from.i64()?);
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.0.size()
    }
}
