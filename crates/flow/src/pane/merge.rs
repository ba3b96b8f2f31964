//! Panes that are merged from others: a window from the panes, or slices, that it is made of.
//!
//! Groups of a merged pane have numbers in the order in which the others are merged, and of each in
//! its own order.

use std::ops::Range;

use super::Pane;
use crate::{group_by::Partial, slots::tag_of};

impl Pane {
    /// Adds all groups of another pane that are there.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let tags = other.slots.tags(0, other.groups());
        let there = (0_u32..).zip(tags);
        let there = there.filter(|(group, _)| other.rows.get(*group as usize) > 0);
        let pairs: Vec<(u32, u32)> = there
            .map(|(from, tag)| (self.number(tag, other.keys.get(from as usize)), from))
            .collect();
        self.add(other, &pairs);
    }

    /// Knows the keys of a chunk's groups; gives the numbers of those that are new.
    pub(crate) fn know(&mut self, partial: &Partial, groups: &[u32]) -> Range<u32> {
        let first = self.groups();
        for group in groups {
            let at = *group as usize;
            self.number(tag_of(partial.hashes[at]), partial.keys.get(at));
        }
        self.grow();
        let number = |groups: usize| u32::try_from(groups).unwrap_or(u32::MAX);
        number(first)..number(self.groups())
    }

    /// Adds what another pane has of some groups of this one.
    pub(crate) fn absorb_of(&mut self, other: &Self, groups: Range<u32>) {
        let tags = self.slots.tags(groups.start as usize, groups.end as usize);
        let find = |(to, tag): (u32, u32)| {
            let key = self.keys.get(to as usize);
            let is_it = |from: u32| other.keys.get(from as usize) == key;
            let from = other.slots.find(u64::from(tag), is_it)?;
            Some((to, from))
        };
        let pairs: Vec<(u32, u32)> = groups.zip(tags).filter_map(find).collect();
        self.add(other, &pairs);
    }

    pub(super) fn add(&mut self, other: &Self, pairs: &[(u32, u32)]) {
        self.grow();
        for (to, from) in pairs {
            self.rows.add(*to as usize, other.rows.get(*from as usize));
        }
        for (to, from) in self.aggregates.iter_mut().zip(&other.aggregates) {
            to.merge(from, pairs);
        }
    }
}
