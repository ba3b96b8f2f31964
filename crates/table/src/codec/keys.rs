//! `RowKeys`: keys of rows as bytes, with their hashes. Never the rows.

use std::hash::{BuildHasher, Hasher};

use arrow::array::{Array, BinaryArray};
use hashbrown::DefaultHashBuilder;

/// How keys are hashed: alike in all layers of an application, and differently in each process, so
/// that nobody can choose keys that collide.
#[derive(Clone, Debug, Default)]
pub struct RowHasher(DefaultHashBuilder);

impl RowHasher {
    /// The hash of a key.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

/// Keys of rows as bytes, with their hashes.
#[derive(Clone, Debug)]
pub struct RowKeys {
    keys: BinaryArray,
    hashes: Vec<u64>,
}

impl RowKeys {
    pub(crate) fn new(keys: BinaryArray, hasher: &RowHasher) -> Self {
        let hash = |at| hasher.hash(keys.value(at));
        let hashes = (0..keys.len()).map(hash).collect();
        Self { keys, hashes }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.keys.len()).map(|at| self.keys.value(at))
    }

    /// The keys in order, each with its hash.
    pub(crate) fn hashed(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.iter().zip(self.hashes.iter().copied())
    }

    /// The keys, and the hash of each.
    pub(crate) fn into_parts(self) -> (BinaryArray, Vec<u64>) {
        (self.keys, self.hashes)
    }
}
