//! Which rows of a chunk have the same key: the pre-aggregation's first half. It keeps nothing
//! from chunk to chunk.

use crate::{
    keys::KeyColumn,
    slots::{Slots, tag_of},
};

/// The groups of a chunk.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// The group of each row, from 0, in the order in which groups appear.
    pub(crate) groups: Vec<u32>,
    /// The first row of each group.
    pub(crate) firsts: Vec<u32>,
}

/// Groups rows by key columns whose rows have these hashes.
pub(crate) fn group_rows(columns: &[KeyColumn<'_>], hashes: &[u64]) -> Grouping {
    match columns {
        [] => group_by(hashes, |_, _| true),
        [only] => group_by(hashes, |a, b| only.same(a, b)),
        _ => group_by(hashes, |a, b| {
            columns.iter().all(|column| column.same(a, b))
        }),
    }
}

#[inline]
fn group_by(hashes: &[u64], same: impl Fn(usize, usize) -> bool) -> Grouping {
    let mut firsts: Vec<u32> = Vec::new();
    let mut kept: Vec<u64> = Vec::new();
    let mut slots = Slots::with_room(ROOM);
    let mut groups = Vec::with_capacity(hashes.len());
    for (row, hash) in (0_u32..).zip(hashes) {
        let next = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
        let is_it = |group: u32| {
            let group = group as usize;
            kept[group] == *hash && same(firsts[group] as usize, row as usize)
        };
        let (group, is_new) = slots.find_or_put(tag_of(*hash), next, is_it);
        if is_new {
            firsts.push(row);
            kept.push(*hash);
        }
        groups.push(group);
    }
    Grouping { groups, firsts }
}

/// Groups that fit before the first growth.
const ROOM: usize = 1024;

#[cfg(test)]
mod tests;
