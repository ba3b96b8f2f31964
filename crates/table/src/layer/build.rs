//! Building a layer: from rows, from state, or from what a redo file kept.

use std::sync::OnceLock;

use arrow::{
    array::{Array, BinaryArray},
    buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer},
};
use hashbrown::{HashTable, hash_table::Entry};
use mainstem_kernel::{ByteSize, SchemaVersion, Seq};

use super::{LAYER_BYTES_MAX, Layer, Values, place};
use crate::{codec::RowHasher, errors::TableError};

/// The version that layers of state have.
pub(crate) const STATE_VERSION: SchemaVersion = SchemaVersion(0);

/// What a layer is made of.
#[derive(Clone, Debug)]
pub(crate) struct LayerParts {
    /// Of the columns in `values`.
    pub(crate) version: SchemaVersion,
    pub(crate) keys: BinaryArray,
    pub(crate) values: Values,
    pub(crate) deleted: BooleanBuffer,
    /// Seqs; empty for state.
    pub(crate) written: ScalarBuffer<u64>,
}

impl LayerParts {
    /// Whether there is one of each for each row, and there are not too many.
    pub(crate) fn is_whole(&self) -> bool {
        let rows = self.keys.len();
        let has_seqs = match self.version {
            STATE_VERSION => self.written.is_empty(),
            _ => self.written.len() == rows,
        };
        self.values.len() == rows
            && self.deleted.len() == rows
            && has_seqs
            && self.keys.null_count() == 0
            && !self.values.has_null()
            && u32::try_from(rows).is_ok()
    }

    /// The layer, when no key comes twice. `hashes` are those of the keys. The number of the
    /// second row otherwise.
    pub(crate) fn build(self, hashes: &[u64]) -> Result<Layer, usize> {
        let mut index = HashTable::with_capacity(self.keys.len());
        for (row, hash) in (0_u32..).zip(hashes) {
            let key = self.keys.value(place(row));
            let is_it = |other: &u32| self.keys.value(place(*other)) == key;
            let hash_of = |other: &u32| hashes.get(place(*other)).copied().unwrap_or_default();
            match index.entry(*hash, is_it, hash_of) {
                Entry::Vacant(entry) => {
                    entry.insert(row);
                }
                Entry::Occupied(_) => return Err(place(row)),
            }
        }
        Ok(self.with_index(index))
    }

    /// The layer, when no key comes twice.
    pub(crate) fn build_hashing(self, hasher: &RowHasher) -> Result<Layer, usize> {
        let hash = |row| hasher.hash(self.keys.value(row));
        let hashes: Vec<u64> = (0..self.keys.len()).map(hash).collect();
        self.build(&hashes)
    }

    /// The layer, in which of a key that comes several times the last row counts.
    pub(crate) fn build_last(self, hasher: &RowHasher) -> Result<Layer, TableError> {
        let hash = |row| hasher.hash(self.keys.value(row));
        let hashes: Vec<u64> = (0..self.keys.len()).map(hash).collect();
        let mut index: HashTable<u32> = HashTable::with_capacity(self.keys.len());
        let mut is_twice = false;
        for (row, hash) in (0_u32..).zip(&hashes) {
            let key = self.keys.value(place(row));
            let is_it = |other: &u32| self.keys.value(place(*other)) == key;
            let hash_of = |other: &u32| hashes.get(place(*other)).copied().unwrap_or_default();
            match index.entry(*hash, is_it, hash_of) {
                Entry::Vacant(entry) => {
                    entry.insert(row);
                }
                Entry::Occupied(mut entry) => {
                    *entry.get_mut() = row;
                    is_twice = true;
                }
            }
        }
        let layer = self.with_index(index);
        if is_twice {
            return layer.without_overwritten(hasher);
        }
        Ok(layer)
    }

    pub(super) fn with_index(self, index: HashTable<u32>) -> Layer {
        let rows = self.keys.len();
        let live = (0..rows).filter(|row| !self.deleted.value(*row));
        let seqs = live.filter_map(|row| self.written.get(row));
        let oldest = seqs.min().map_or(Seq::MAX, |seq| Seq(*seq));
        let bytes = self.keys.get_array_memory_size()
            + self.values.memory()
            + self.deleted.inner().capacity()
            + self.written.inner().capacity()
            + index.allocation_size()
            + rows * size_of::<u32>();
        Layer {
            version: self.version,
            keys: self.keys,
            values: self.values,
            deleted: self.deleted,
            written: self.written,
            index,
            sorted: OnceLock::new(),
            oldest,
            bytes,
        }
    }
}

/// Byte strings that are put into one buffer, one after the other.
#[derive(Debug)]
pub(crate) struct Strings {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Strings {
    pub(crate) fn with_capacity(strings: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(strings + 1);
        ends.push(0);
        Self {
            ends,
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// How many.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len() - 1
    }

    pub(crate) fn push(&mut self, string: &[u8]) -> Result<(), TableError> {
        let size = self.bytes.len() + string.len();
        let end = i32::try_from(size).ok();
        let end = end.ok_or_else(|| too_much(size))?;
        self.bytes.extend_from_slice(string);
        self.ends.push(end);
        Ok(())
    }

    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let end = |at: usize| usize::try_from(self.ends.get(at).copied()?).ok();
        let (start, end) = (end(at).unwrap_or(0), end(at + 1).unwrap_or(0));
        self.bytes.get(start..end).unwrap_or_default()
    }

    pub(crate) fn finish(mut self) -> BinaryArray {
        shrink(&mut self.ends);
        shrink(&mut self.bytes);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        BinaryArray::new(offsets, Buffer::from_vec(self.bytes), None)
    }
}

/// Gives back what is spare, if that is much.
fn shrink<T>(values: &mut Vec<T>) {
    if values.capacity() / 4 * 3 > values.len() {
        values.shrink_to_fit();
    }
}

pub(crate) fn too_much(size: usize) -> TableError {
    TableError::TooMuch {
        size: ByteSize::from(size),
        limit: ByteSize::from(LAYER_BYTES_MAX),
    }
}
