//! `Pane`: the groups of one bucket in one window, or all groups of a bucket where there are no
//! windows: keys, counts of rows, and one column per aggregate, all by the number of the group.
//!
//! Numbers are given in the order in which groups appear in the log, so the order of answers does
//! not depend on how the log was cut into steps. Between two emissions a pane remembers what the
//! groups that are touched answered before, so that a change can be told as −before, +after; where
//! every row of a group changes its answer and nobody asks for −before, just which are touched.
//!
//! It never knows the watermark, nor where it is kept.

mod matching;
mod merge;
mod ranked;
mod running;
mod sessions;
mod state;

use std::collections::HashSet;

use datafusion::arrow::{
    array::{Array, ArrayRef, BooleanArray, make_comparator},
    compute::{SortOptions, concat, filter, kernels::cmp::not_distinct},
    error::ArrowError,
};

use crate::{
    aggregate::{Aggregate, Answers, Unfit},
    change::Weights,
    columns::{Longs, resize},
    group_by::{GroupBy, Partial},
    keys::{KeyBytes, read_keys},
    slots::{NONE, Slots, tag_of},
};
use ranked::Sides;
pub(crate) use state::{PIECES_MAX, Piece, Stored, Turn};

/// The groups of one bucket in one window.
#[derive(Debug)]
pub(crate) struct Pane {
    slots: Slots,
    keys: KeyBytes,
    /// Sum of weights; a group with none is not there.
    rows: Longs,
    aggregates: Vec<Aggregate>,
    marks: Vec<u8>,
    /// Groups that changed since the last checkpoint.
    dirty: Vec<u32>,
    /// Groups that changed since the last emission, and what they answered before.
    touched: Vec<u32>,
    existed: Vec<bool>,
    before: Vec<Vec<ArrayRef>>,
    /// Calls and places in `touched` of answers that did not fit before.
    unfit: HashSet<(usize, usize)>,
    /// The pieces that it is kept in.
    stored: Stored,
    /// Step in which it was used last.
    pub(crate) used: u64,
}

const DIRTY: u8 = 1;
const TOUCHED: u8 = 2;

/// Rows that groups answer: keys without the window, then calls.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) calls: Vec<ArrayRef>,
    pub(crate) weights: Weights,
    /// Rows with a call whose answer does not fit; `at` is the row.
    pub(crate) unfit: Vec<Unfit>,
}

impl Told {
    pub(crate) fn rows(&self) -> usize {
        self.calls
            .first()
            .or(self.keys.first())
            .map_or(0, |column| column.len())
    }
}

impl Pane {
    pub(crate) fn new(by: &GroupBy) -> Result<Self, ArrowError> {
        Ok(Self {
            slots: Slots::default(),
            keys: KeyBytes::default(),
            rows: Longs::default(),
            aggregates: by.aggregates()?,
            marks: Vec::new(),
            dirty: Vec::new(),
            touched: Vec::new(),
            existed: Vec::new(),
            before: Vec::new(),
            unfit: HashSet::new(),
            stored: Stored::default(),
            used: 0,
        })
    }

    /// Takes groups of a chunk.
    pub(crate) fn take(
        &mut self,
        partial: &Partial,
        groups: &[u32],
        keep_before: KeepBefore,
    ) -> Result<(), ArrowError> {
        let pairs: Vec<(u32, u32)> = groups
            .iter()
            .map(|from| {
                let at = *from as usize;
                let tag = tag_of(partial.hashes[at]);
                (self.number(tag, partial.keys.get(at)), *from)
            })
            .collect();
        self.grow();
        match keep_before {
            KeepBefore::Yes => self.remember(&pairs)?,
            KeepBefore::Touched => self.touch(&pairs),
            KeepBefore::No => {}
        }
        for (to, from) in &pairs {
            self.rows.add(*to as usize, partial.rows[*from as usize]);
            self.mark_dirty(*to);
        }
        for (to, from) in self.aggregates.iter_mut().zip(&partial.aggregates) {
            to.merge(from, &pairs);
        }
        Ok(())
    }

    /// The number of a key; a new one if it is new.
    fn number(&mut self, tag: u32, key: &[u8]) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(NONE);
        let is_it = |number: u32| self.keys.get(number as usize) == key;
        let (number, is_new) = self.slots.find_or_put(tag, next, is_it);
        if is_new {
            self.keys.push(key);
        }
        number
    }

    fn grow(&mut self) {
        let groups = self.keys.len();
        self.rows.grow(groups);
        resize(&mut self.marks, groups, 0);
        for aggregate in &mut self.aggregates {
            aggregate.grow(groups);
        }
    }

    fn mark_dirty(&mut self, group: u32) {
        let mark = &mut self.marks[group as usize];
        if *mark & DIRTY == 0 {
            *mark |= DIRTY;
            self.dirty.push(group);
        }
    }

    /// Remembers what groups answer before they are touched for the first time.
    fn remember(&mut self, pairs: &[(u32, u32)]) -> Result<(), ArrowError> {
        let mut fresh = Vec::new();
        for (group, _) in pairs {
            let mark = &mut self.marks[*group as usize];
            if *mark & TOUCHED == 0 {
                *mark |= TOUCHED;
                fresh.push(*group);
                self.existed.push(self.rows.get(*group as usize) > 0);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let first = self.touched.len();
        let answers = self.answers(&fresh)?;
        for (call, answers) in answers.iter().enumerate() {
            self.unfit
                .extend(answers.unfit.iter().map(|unfit| (call, first + unfit.at)));
        }
        self.before
            .push(answers.into_iter().map(|answers| answers.column).collect());
        self.touched.append(&mut fresh);
        Ok(())
    }

    /// Notes the groups that are touched.
    fn touch(&mut self, pairs: &[(u32, u32)]) {
        for (group, _) in pairs {
            let mark = &mut self.marks[*group as usize];
            if *mark & TOUCHED == 0 {
                *mark |= TOUCHED;
                self.touched.push(*group);
            }
        }
    }

    /// Whether there is something to tell.
    pub(crate) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// What changed since the last call: rows that are no more so, with weight −1, then rows that
    /// are now so.
    pub(crate) fn tell_changes(&mut self, by: &GroupBy) -> Result<Option<Told>, ArrowError> {
        let touched = std::mem::take(&mut self.touched);
        let existed = BooleanArray::from(std::mem::take(&mut self.existed));
        let pieces = std::mem::take(&mut self.before);
        let complained = std::mem::take(&mut self.unfit);
        for group in &touched {
            self.marks[*group as usize] &= !TOUCHED;
        }
        let mut before = Vec::with_capacity(self.aggregates.len());
        for call in 0..self.aggregates.len() {
            let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece[call].as_ref()).collect();
            before.push(concat(&pieces)?);
        }
        let after = self.answers(&touched)?;
        if let (Some(ranked), [before], [after]) = (&by.ranked, before.as_slice(), after.as_slice())
        {
            let (groups, after) = (touched.as_slice(), &after.column);
            let sides = Sides {
                groups,
                before,
                after,
            };
            return ranked::changes((by, ranked), &self.keys, sides);
        }
        let exists: Vec<bool> = touched
            .iter()
            .map(|group| self.rows.get(*group as usize) > 0)
            .collect();
        let same = unchanged(&before, &after, touched.len())?;
        let changed = |at: usize| !(same[at] && existed.value(at) && exists[at]);
        let minus: BooleanArray = (0..touched.len())
            .map(|at| Some(existed.value(at) && changed(at)))
            .collect();
        let plus: BooleanArray = (0..touched.len())
            .map(|at| Some(exists[at] && changed(at)))
            .collect();
        let minus_rows = minus.values().count_set_bits();
        let rows = minus_rows + plus.values().count_set_bits();
        if rows == 0 {
            return Ok(None);
        }
        let mut calls = Vec::with_capacity(before.len());
        for (before, after) in before.iter().zip(&after) {
            calls.push(concat(&[
                &filter(before, &minus)?,
                &filter(&after.column, &plus)?,
            ])?);
        }
        let unfit = newly_unfit(&after, (&exists, &complained), |at| {
            minus_rows + plus.values().slice(0, at).count_set_bits()
        });
        let chosen = minus
            .values()
            .set_indices()
            .chain(plus.values().set_indices());
        let keys = chosen.map(|at| self.keys.get(touched[at] as usize));
        let keys = read_keys(&by.key_types(), keys)?;
        Ok(Some(Told {
            keys,
            calls,
            weights: weights(minus_rows, rows),
            unfit,
        }))
    }

    /// The groups that were touched since the last call, as they are now.
    pub(crate) fn tell_touched(&mut self, by: &GroupBy) -> Result<Told, ArrowError> {
        let touched = std::mem::take(&mut self.touched);
        for group in &touched {
            self.marks[*group as usize] &= !TOUCHED;
        }
        self.told(&touched, by)
    }

    /// All groups that are there.
    pub(crate) fn tell_all(&mut self, by: &GroupBy) -> Result<Option<Told>, ArrowError> {
        self.forget_touched();
        let groups: Vec<u32> = (0..)
            .zip(self.rows.iter())
            .filter(|(_, rows)| *rows > 0)
            .map(|(group, _)| group)
            .collect();
        if groups.is_empty() {
            return Ok(None);
        }
        self.told(&groups, by).map(Some)
    }

    /// What groups answer.
    fn told(&self, groups: &[u32], by: &GroupBy) -> Result<Told, ArrowError> {
        let answers = self.answers(groups)?;
        if let (Some(ranked), [answers]) = (&by.ranked, answers.as_slice()) {
            return ranked::all((by, ranked), &self.keys, (groups, &answers.column));
        }
        let unfit = answers
            .iter()
            .flat_map(|answers| &answers.unfit)
            .copied()
            .collect();
        let keys = groups.iter().map(|group| self.keys.get(*group as usize));
        Ok(Told {
            keys: read_keys(&by.key_types(), keys)?,
            calls: answers.into_iter().map(|answers| answers.column).collect(),
            weights: Weights::Inserts,
            unfit,
        })
    }

    fn forget_touched(&mut self) {
        for group in std::mem::take(&mut self.touched) {
            self.marks[group as usize] &= !TOUCHED;
        }
        self.existed.clear();
        self.before.clear();
        self.unfit.clear();
    }

    fn answers(&self, groups: &[u32]) -> Result<Vec<Answers>, ArrowError> {
        self.aggregates
            .iter()
            .map(|aggregate| aggregate.answers(groups))
            .collect()
    }

    /// Groups, those included that are not there any more.
    pub(crate) fn groups(&self) -> usize {
        self.keys.len()
    }

    /// Bytes that it takes, about.
    pub(crate) fn size(&self) -> usize {
        let aggregates: usize = self.aggregates.iter().map(Aggregate::size).sum();
        size_of::<Self>()
            + self.slots.size()
            + self.keys.size()
            + self.rows.size()
            + self.marks.capacity()
            + self.dirty.capacity() * size_of::<u32>()
            + aggregates
    }
}

/// For each group, whether all calls answer what they did before.
fn unchanged(
    before: &[ArrayRef],
    after: &[Answers],
    groups: usize,
) -> Result<Vec<bool>, ArrowError> {
    let mut same = vec![true; groups];
    for (before, after) in before.iter().zip(after) {
        if before.data_type().is_nested() {
            // Arrays have no kernel that compares them.
            let order = make_comparator(before, &after.column, SortOptions::default())?;
            let same = same.iter_mut().enumerate();
            same.for_each(|(at, same)| *same &= order(at, at).is_eq());
            continue;
        }
        let equal = not_distinct(before, &after.column)?;
        same.iter_mut()
            .zip(equal.values().iter())
            .for_each(|(same, equal)| *same &= equal);
    }
    Ok(same)
}

/// Answers that do not fit, of groups that are there; what was complained of before is not
/// complained of again.
fn newly_unfit(
    after: &[Answers],
    (exists, complained): (&[bool], &HashSet<(usize, usize)>),
    row_of: impl Fn(usize) -> usize,
) -> Vec<Unfit> {
    let all = after.iter().enumerate();
    let all = all.flat_map(|(call, answers)| answers.unfit.iter().map(move |unfit| (call, unfit)));
    let new =
        all.filter(|(call, unfit)| exists[unfit.at] && !complained.contains(&(*call, unfit.at)));
    new.map(|(_, unfit)| Unfit {
        at: row_of(unfit.at),
        ..*unfit
    })
    .collect()
}

/// Whether a pane remembers what groups answered before they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepBefore {
    Yes,
    /// Only which of them change.
    Touched,
    No,
}

/// What is told of groups that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// What is no more so, then what is now so.
    Changes,
    /// What is now so: enough for whoever keeps rows by their key.
    Rows,
}

/// Rows that are no more so, then rows that are now so.
fn weights(minus_rows: usize, rows: usize) -> Weights {
    if minus_rows == 0 {
        return Weights::Inserts;
    }
    let weight = |row: usize| if row < minus_rows { -1 } else { 1 };
    Weights::Mixed((0..rows).map(weight).collect())
}
