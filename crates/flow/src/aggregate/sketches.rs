//! Aggregates that keep a sketch per group: variance and deviation, approximate counts of different
//! values, approximate percentiles. The sketches are those of questions.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, PrimitiveArray},
    error::ArrowError,
};
use mainstem_sql::sketch::Sketch;

use super::{Answers, Cursor, Damaged, Taken};

/// Sketches of all groups, and what they are asked.
#[derive(Debug)]
pub(crate) struct Sketches<S: Sketch> {
    sketches: Vec<S>,
    asked: S::Asked,
}

impl<S: Sketch> Sketches<S> {
    /// `None` if rows are taken back and the sketch cannot.
    pub(crate) fn new(asked: S::Asked, retracts: bool) -> Option<Self> {
        (S::RETRACTS || !retracts).then(|| Self {
            sketches: Vec::new(),
            asked,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        let groups = groups.max(self.sketches.len());
        self.sketches.resize_with(groups, S::default);
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let values = S::values(column)?;
        taken.each(|row, group, weight| self.sketches[group].take(values[row], weight));
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        for (to, at) in pairs {
            self.sketches[*to as usize].merge(&from.sketches[*at as usize]);
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let answers = groups
            .iter()
            .map(|group| self.sketches[*group as usize].answer(self.asked));
        Ok(Answers {
            column: Arc::new(PrimitiveArray::<S::Answer>::from_iter(answers)),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for group in groups {
            self.sketches[*group as usize].write(out);
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for group in groups {
            self.sketches[*group as usize] = S::read(&mut from.0).ok_or(Damaged)?;
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        let spare = self.sketches.capacity() - self.sketches.len();
        let sketches: usize = self.sketches.iter().map(Sketch::size).sum();
        spare * size_of::<S>() + sketches
    }
}
