//! `Layer`: changed rows of one table, immutable, found by their key. State is kept likewise.
//!
//! Keys and values lie in one buffer each, those of state apart (`values`); a hash table of row
//! numbers points into them, so that a row costs no allocation. It never knows what a value means.

mod build;
mod merge;
mod values;

use std::{fmt, ops::Range, sync::OnceLock};

use arrow::{
    array::{Array, BinaryArray},
    buffer::{BooleanBuffer, ScalarBuffer},
};
use bytes::Bytes;
use hashbrown::HashTable;
use mainstem_kernel::{SchemaVersion, Seq};
use mainstem_store::KeyRange;

use crate::codec::RowRef;

pub(crate) use build::{LayerParts, STATE_VERSION, Strings, too_much};
pub(crate) use merge::merge;
pub(crate) use values::Values;

/// Bytes of keys, and of values, that a layer can hold.
pub(crate) const LAYER_BYTES_MAX: usize = 0x7fff_ffff;

/// Changed rows of one table, one per key.
pub(crate) struct Layer {
    /// Of the columns in `values`.
    version: SchemaVersion,
    keys: BinaryArray,
    /// Of a row that is gone: anything.
    values: Values,
    deleted: BooleanBuffer,
    /// Seqs; empty for state.
    written: ScalarBuffer<u64>,
    index: HashTable<u32>,
    /// Row numbers in the order of keys, made when the first scan asks.
    sorted: OnceLock<Box<[u32]>>,
    /// The least seq of a row that is not gone.
    oldest: Seq,
    bytes: usize,
}

impl Layer {
    /// Number of rows, those included that are gone.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Memory that it takes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Of the columns in its values.
    pub(crate) const fn version(&self) -> SchemaVersion {
        self.version
    }

    /// The least seq of a row that is not gone; `MAX` if all are.
    pub(crate) const fn oldest(&self) -> Seq {
        self.oldest
    }

    /// The number of the row of a key.
    pub(crate) fn find(&self, key: &[u8], hash: u64) -> Option<usize> {
        let is_it = |row: &u32| self.keys.value(place(*row)) == key;
        self.index.find(hash, is_it).map(|row| place(*row))
    }

    pub(crate) fn key(&self, row: usize) -> &[u8] {
        self.keys.value(row)
    }

    pub(crate) fn value(&self, row: usize) -> &[u8] {
        self.values.value(row)
    }

    /// The same without a copy.
    pub(crate) fn shared_value(&self, row: usize) -> Bytes {
        self.values.shared(row)
    }

    /// Whether the row is gone.
    pub(crate) fn is_deleted(&self, row: usize) -> bool {
        self.deleted.value(row)
    }

    /// When the row was written; zero for state.
    pub(crate) fn written(&self, row: usize) -> Seq {
        Seq(self.written.get(row).copied().unwrap_or_default())
    }

    /// The row as bytes.
    pub(crate) fn row(&self, row: usize) -> RowRef<'_> {
        RowRef {
            key: self.key(row),
            value: self.value(row),
            version: self.version,
        }
    }

    /// Row numbers in the order of keys.
    pub(crate) fn sorted(&self) -> &[u32] {
        self.sorted.get_or_init(|| {
            // Keys lie far apart in memory: what tells most of them from each other is beside.
            let same = self.same_bytes();
            let head = |row: u32| (head_of(self.key(place(row)), same), row);
            let numbers = (0..).zip(0..self.len()).map(|(row, _)| row);
            let mut rows: Vec<(u64, u32)> = numbers.map(head).collect();
            rows.sort_unstable_by(|(a_head, a), (b_head, b)| {
                let by_key = || self.key(place(*a)).cmp(self.key(place(*b)));
                a_head.cmp(b_head).then_with(by_key)
            });
            rows.into_iter().map(|(_, row)| row).collect()
        })
    }

    /// How many bytes all keys begin with alike.
    fn same_bytes(&self) -> usize {
        let mut keys = (0..self.len()).map(|row| self.key(row));
        let first = keys.next().unwrap_or_default();
        keys.fold(first, |same, key| {
            let pairs = same.iter().zip(key);
            let alike = pairs.take_while(|(a, b)| a == b).count();
            same.get(..alike).unwrap_or_default()
        })
        .len()
    }

    /// The places in `sorted` of the keys that are in a range.
    pub(crate) fn range(&self, range: &KeyRange) -> Range<usize> {
        let sorted = self.sorted();
        let key = |row: &u32| self.key(place(*row));
        let start = match range.bounds().0 {
            std::ops::Bound::Included(start) => sorted.partition_point(|row| key(row) < start),
            std::ops::Bound::Excluded(start) => sorted.partition_point(|row| key(row) <= start),
            std::ops::Bound::Unbounded => 0,
        };
        let end = match range.bounds().1 {
            std::ops::Bound::Included(end) => sorted.partition_point(|row| key(row) <= end),
            std::ops::Bound::Excluded(end) => sorted.partition_point(|row| key(row) < end),
            std::ops::Bound::Unbounded => sorted.len(),
        };
        start..end.max(start)
    }

    /// Neighbouring rows whose values take about so many bytes together, until there are no more.
    pub(crate) fn portions(&self, bytes: usize) -> Vec<Range<usize>> {
        let mut portions = Vec::new();
        let (mut start, mut size) = (0, 0);
        for row in 0..self.len() {
            size += self.value(row).len();
            if size >= bytes || row + 1 == self.len() {
                portions.push(start..row + 1);
                (start, size) = (row + 1, 0);
            }
        }
        portions
    }

    /// What it is made of, shared.
    pub(crate) fn parts(&self) -> LayerParts {
        LayerParts {
            version: self.version,
            keys: self.keys.clone(),
            values: self.values.clone(),
            deleted: self.deleted.clone(),
            written: self.written.clone(),
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("rows", &self.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The eight bytes of a key behind the first `skip`, zeroes behind its end: they sort as keys do.
fn head_of(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(rest) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// A row number as a place in memory.
pub(crate) fn place(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
