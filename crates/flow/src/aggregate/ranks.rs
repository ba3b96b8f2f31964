//! The first entries of each group in the order of their bytes: of rows that are only added no more
//! than are told; of rows that may be taken back all, with their counts.
//!
//! # Format, version 1
//!
//! `version u8 = 1`, then per group a list of entries, each behind its length, behind the bytes of
//! all; or how many there are, then each behind its length and followed by its count i64.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder},
    error::ArrowError,
};

use super::{
    Answers, Cursor, Damaged, Taken,
    bytes::{put_bytes, put_count},
    lists::Lists,
};
use crate::{
    columns::resize,
    ranked::{list, listed},
};

const VERSION: u8 = 1;

/// Entries of all groups.
#[derive(Debug)]
pub(crate) struct Ranks {
    limit: usize,
    kept: Kept,
}

/// Entries with how often they are there; never 0.
type Counted = BTreeMap<Box<[u8]>, i64>;

#[derive(Debug)]
enum Kept {
    /// The first ones.
    First(Lists),
    /// All, and the bytes that they take, about.
    All(Vec<Counted>, usize),
}

impl Ranks {
    pub(crate) fn new(limit: usize, retracts: bool) -> Self {
        let kept = match retracts {
            false => Kept::First(Lists::default()),
            true => Kept::All(Vec::new(), 0),
        };
        Self { limit, kept }
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        match &mut self.kept {
            Kept::First(lists) => lists.grow(groups),
            Kept::All(sets, _) => resize(sets, groups, Counted::new()),
        }
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let entries = column.as_binary_opt::<i32>();
        let entries =
            entries.ok_or_else(|| ArrowError::CastError("an entry is no bytes".to_owned()))?;
        match &mut self.kept {
            Kept::First(lists) => {
                let mut rows = Vec::with_capacity(entries.len());
                taken.each(|row, group, _| rows.push((group, entries.value(row))));
                rows.sort_unstable();
                let mut added = Vec::new();
                for of_group in rows.chunk_by(|a, b| a.0 == b.0) {
                    added.clear();
                    let first = of_group.iter().take(self.limit);
                    first.for_each(|(_, entry)| list(entry, &mut added));
                    if let Some((group, _)) = of_group.first() {
                        add(lists, (*group, &added), self.limit);
                    }
                }
            }
            Kept::All(sets, size) => {
                taken.each(|row, group, weight| {
                    count_in(&mut sets[group], (entries.value(row), weight), size);
                });
            }
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        match (&mut self.kept, &from.kept) {
            (Kept::First(lists), Kept::First(from)) => {
                for (to, at) in pairs {
                    add(lists, (*to as usize, from.get(*at as usize)), self.limit);
                }
            }
            (Kept::All(sets, size), Kept::All(from, _)) => {
                for (to, at) in pairs {
                    for (entry, weight) in &from[*at as usize] {
                        count_in(&mut sets[*to as usize], (&**entry, *weight), size);
                    }
                }
            }
            // Both are made from one plan.
            _ => debug_assert!(false, "entries of two kinds are not merged"),
        }
    }

    /// The lists of the first entries of groups.
    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let mut answers = BinaryBuilder::with_capacity(groups.len(), 0);
        let mut first = Vec::new();
        for group in groups {
            match &self.kept {
                Kept::First(lists) => answers.append_value(lists.get(*group as usize)),
                Kept::All(sets, _) => {
                    first.clear();
                    self.first_of(&sets[*group as usize], &mut first);
                    answers.append_value(&first);
                }
            }
        }
        let column: BinaryArray = answers.finish();
        Ok(Answers {
            column: Arc::new(column),
            unfit: Vec::new(),
        })
    }

    fn first_of(&self, set: &Counted, first: &mut Vec<u8>) {
        let there = set.iter().filter(|(_, count)| **count > 0);
        let each = there.flat_map(|(entry, count)| {
            let times = usize::try_from(*count).unwrap_or(usize::MAX);
            std::iter::repeat_n(entry, times.min(self.limit))
        });
        each.take(self.limit).for_each(|entry| list(entry, first));
    }

    /// The entries of a group whose rows may be taken back, with their counts.
    pub(crate) fn counted(&self, group: u32) -> impl Iterator<Item = (&[u8], i64)> {
        let set = match &self.kept {
            Kept::All(sets, _) => sets.get(group as usize),
            Kept::First(_) => None,
        };
        let entries = set.into_iter().flatten();
        entries.map(|(entry, count)| (&**entry, *count))
    }

    /// Whether such a group has a row.
    pub(crate) fn is_any(&self, group: u32) -> bool {
        self.counted(group).next().is_some()
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        out.push(VERSION);
        for group in groups {
            match &self.kept {
                Kept::First(lists) => put_bytes(lists.get(*group as usize), out),
                Kept::All(sets, _) => {
                    let set = &sets[*group as usize];
                    put_count(set.len(), out);
                    for (entry, count) in set {
                        put_bytes(entry, out);
                        out.extend_from_slice(&count.to_le_bytes());
                    }
                }
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        for group in groups {
            let group = *group as usize;
            match &mut self.kept {
                Kept::First(lists) => lists.set(group, from.bytes()?),
                Kept::All(sets, size) => {
                    for (entry, _) in std::mem::take(&mut sets[group]) {
                        *size -= entry_size(&entry);
                    }
                    for _ in 0..from.count()? {
                        let entry = from.bytes()?;
                        count_in(&mut sets[group], (entry, from.i64()?), size);
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        match &self.kept {
            Kept::First(lists) => lists.size(),
            Kept::All(sets, size) => sets.capacity() * size_of::<Counted>() + size,
        }
    }
}

/// Bytes that an entry takes in a set, about.
fn entry_size(entry: &[u8]) -> usize {
    entry.len() + size_of::<Box<[u8]>>() + size_of::<i64>()
}

fn count_in(set: &mut Counted, (entry, weight): (&[u8], i64), size: &mut usize) {
    match set.get_mut(entry) {
        None => {
            *size += entry_size(entry);
            set.insert(entry.into(), weight);
        }
        Some(count) => {
            *count += weight;
            if *count == 0 {
                *size -= entry_size(entry);
                set.remove(entry);
            }
        }
    }
}

/// Merges a list into that of a group and keeps the first entries.
fn add(lists: &mut Lists, (group, added): (usize, &[u8]), limit: usize) {
    let kept = lists.get(group);
    if kept.is_empty() {
        lists.set(group, added);
    } else if let Some(merged) = merged((kept, added), limit) {
        lists.set(group, &merged);
    }
}

/// The first entries of two lists; `None` if they are those of the first list.
fn merged((kept, added): (&[u8], &[u8]), limit: usize) -> Option<Vec<u8>> {
    // Mostly nothing of what comes is among the first.
    let (mut count, mut last) = (0, None);
    for entry in listed(kept) {
        (count, last) = (count + 1, Some(entry));
    }
    if count >= limit && listed(added).next() >= last {
        return None;
    }
    let mut merged = Vec::with_capacity(kept.len() + added.len());
    let (mut kept, mut added) = (listed(kept).peekable(), listed(added).peekable());
    for _ in 0..limit {
        let next = match (kept.peek(), added.peek()) {
            (Some(a), Some(b)) if a.cmp(b) == Ordering::Greater => added.next(),
            (Some(_), _) => kept.next(),
            (None, _) => added.next(),
        };
        match next {
            Some(entry) => list(entry, &mut merged),
            None => break,
        }
    }
    Some(merged)
}

#[cfg(test)]
mod tests;
