//! The last entries of each group, in the order in which they came, up to a number.
//!
//! # Format, version 1
//!
//! `version u8 = 1`, then per group the entries, each behind its length, behind the bytes of all.

use datafusion::arrow::{array::new_empty_array, datatypes::DataType, error::ArrowError};

use super::{Answers, Cursor, Damaged, bytes::put_bytes, lists::Lists};
use crate::ranked::{list, listed};

const VERSION: u8 = 1;

/// Entries of all groups.
#[derive(Debug)]
pub(crate) struct Rings {
    depth: usize,
    lists: Lists,
    /// A list while it is made.
    next: Vec<u8>,
}

impl Rings {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            depth,
            lists: Lists::default(),
            next: Vec::new(),
        }
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.lists.grow(groups);
    }

    /// Puts an entry behind those of a group; the first goes if there would be too many.
    pub(crate) fn push(&mut self, group: usize, entry: &[u8]) {
        if self.depth == 0 {
            return;
        }
        let kept = self.lists.get(group);
        let count = listed(kept).count();
        let gone = (count + 1).saturating_sub(self.depth);
        let gone: usize = listed(kept)
            .take(gone)
            .map(|entry| LENGTH + entry.len())
            .sum();
        self.next.clear();
        self.next.extend_from_slice(&kept[gone..]);
        list(entry, &mut self.next);
        self.lists.set(group, &self.next);
    }

    /// The entry that came so many before the next one.
    pub(crate) fn back(&self, group: usize, rows: usize) -> Option<&[u8]> {
        let mut kept = listed(self.lists.get(group));
        let skipped = kept.clone().count().checked_sub(rows)?;
        kept.nth(skipped)
    }

    /// It has none: entries are asked for one by one.
    #[expect(
        clippy::unused_self,
        reason = "one of the methods that all aggregates have"
    )]
    pub(crate) fn answers(&self, _groups: &[u32]) -> Result<Answers, ArrowError> {
        Ok(Answers {
            column: new_empty_array(&DataType::Binary),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        out.push(VERSION);
        for group in groups {
            put_bytes(self.lists.get(*group as usize), out);
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        for group in groups {
            self.lists.set(*group as usize, from.bytes()?);
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.lists.size() + self.next.capacity()
    }
}

/// Bytes of the length before an entry.
const LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entries_stay_and_come_back() {
        let mut rings = Rings::new(3);
        rings.grow(2);
        assert_eq!(rings.back(1, 1), None);
        for number in 0..5_u8 {
            rings.push(1, &vec![number; usize::from(number)]);
        }
        rings.push(0, b"other");
        let mut bytes = Vec::new();
        rings.write(&[1, 0], &mut bytes);
        let mut again = Rings::new(3);
        again.grow(2);
        again.read(&[1, 0], &mut Cursor(&bytes)).unwrap();
        for rings in [&rings, &again] {
            assert_eq!(rings.back(1, 1), Some(&[4_u8; 4][..]));
            assert_eq!(rings.back(1, 3), Some(&[2_u8; 2][..]));
            assert_eq!(rings.back(1, 4), None);
            assert_eq!(rings.back(0, 1), Some(&b"other"[..]));
        }
        bytes[0] = 2;
        assert!(again.read(&[1, 0], &mut Cursor(&bytes)).is_err());
    }

    #[test]
    fn without_depth_nothing_is_kept() {
        let mut rings = Rings::new(0);
        rings.grow(1);
        rings.push(0, b"gone");
        assert_eq!(rings.back(0, 1), None);
    }
}
