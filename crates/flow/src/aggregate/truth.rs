//! BOOL_AND and BOOL_OR: how many values are false, and how many are true; so rows can be taken back.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    error::ArrowError,
};

use super::{Answers, Cursor, Damaged, Taken};
use crate::columns::Longs;

/// Counts of all groups.
#[derive(Debug)]
pub(crate) struct Truths {
    /// By value: false, true.
    counts: [Longs; 2],
    /// The value of which one decides: false of BOOL_AND.
    decides: bool,
}

impl Truths {
    pub(crate) fn new(decides: bool) -> Self {
        Self {
            counts: [Longs::default(), Longs::default()],
            decides,
        }
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.counts
            .iter_mut()
            .for_each(|counts| counts.grow(groups));
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let Some(values) = column.as_boolean_opt() else {
            let found = column.data_type();
            return Err(ArrowError::CastError(format!(
                "expected BOOLEAN, found {found}"
            )));
        };
        taken.each(|row, group, weight| {
            self.counts[usize::from(values.value(row))].add(group, weight);
        });
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (counts, from) in self.counts.iter_mut().zip(&from.counts) {
            for (to, at) in pairs {
                counts.add(*to as usize, from.get(*at as usize));
            }
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let answer = |group: &u32| {
            let has = |value: bool| self.counts[usize::from(value)].get(*group as usize) > 0;
            match (has(self.decides), has(!self.decides)) {
                (false, false) => None,
                (true, _) => Some(self.decides),
                (false, true) => Some(!self.decides),
            }
        };
        let answers: BooleanArray = groups.iter().map(answer).collect();
        Ok(Answers {
            column: Arc::new(answers),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            for counts in &self.counts {
                out.extend_from_slice(&counts.get(*group as usize).to_le_bytes());
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            for counts in &mut self.counts {
                counts.set(*group as usize, from.i64()?);
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.counts.iter().map(Longs::size).sum()
    }
}
