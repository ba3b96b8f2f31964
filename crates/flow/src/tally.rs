//! `Tally`: how many rows came out of each operator of a view's plan, retractions too. Pictures show it
//! as what flows on the lines between operators; nothing is decided by it.
//!
//! Operators have the places that `PlannedView::operators` lists them at, which are those in which a
//! plan is compiled: its inputs first. A count is one addition per batch and operator, in whatever
//! thread has the batch; the counts of a chunk join those of its step when it is done.
//!
//! It counts what passes and nothing else: a row that is set aside is counted by no operator from there on,
//! one that is in several windows at once is kept once and counted once, and where several operators are
//! done as one, the operators between have no count.

use crate::aside::Aside;

/// Rows by the place of the operator that they came out of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(Vec<u64>);

impl Tally {
    /// Rows came out of an operator.
    pub(crate) fn add(&mut self, place: usize, rows: usize) {
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        if let Some(count) = self.0.get_mut(place) {
            *count += rows as u64;
        }
    }

    /// Takes all of another one.
    pub(crate) fn append(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let counts = self.0.iter_mut().zip(&other.0);
        counts.for_each(|(count, more)| *count += more);
    }

    /// Rows by place.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.0
    }
}

/// What is noted of rows on their way: those that are set aside, and how many passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) aside: Aside,
    pub(crate) tally: Tally,
}

impl Noted {
    /// Takes all of another one.
    pub(crate) fn append(&mut self, other: Self) {
        self.aside.append(other.aside);
        self.tally.append(&other.tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_chunks_come_to_those_of_the_step() {
        let mut step = Tally::default();
        for rows in [3, 4] {
            let mut chunk = Tally::default();
            chunk.add(2, rows);
            chunk.add(0, 10);
            step.append(&chunk);
        }
        step.append(&Tally::default());
        assert_eq!(step.counts(), [20, 0, 7]);
    }
}
