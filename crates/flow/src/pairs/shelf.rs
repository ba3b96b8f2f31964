//! `Shelf`: which slices of one side the store has, and how many pieces of each bucket were written.
//!
//! # Format of an entry, version 1
//!
//! `version u8 = 1 | 256 × u32`, little endian: how many pieces of each bucket were written, which
//! says which of them there are (`pane`). Its key has the slice's number in the place of a start.

use std::collections::BTreeMap;

use super::pane::{MARKS, numbers};
use crate::{
    aggregate::{Cursor, Damaged},
    errors::FlowError,
    group_by::BUCKETS,
    state::{StateKey, StateSource},
};

const VERSION: u8 = 1;

/// All slices by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    entries: BTreeMap<i64, Entry>,
}

/// One slice.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pieces: Vec<u32>,
    is_changed: bool,
}

impl Entry {
    /// Bucket and number of all pieces, and of marks, which may not be there.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        let buckets = self.pieces.iter().enumerate();
        buckets.flat_map(|(bucket, pieces)| {
            let marks = (*pieces > 0).then_some(MARKS);
            let numbers = numbers(*pieces).chain(marks);
            numbers.map(move |number| (bucket, number))
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let pieces = self.pieces.iter();
        pieces.for_each(|pieces| out.extend_from_slice(&pieces.to_le_bytes()));
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Cursor(bytes);
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        let pieces = from.u32s(BUCKETS)?.collect();
        match from.is_empty() {
            true => Ok(Self {
                pieces,
                is_changed: false,
            }),
            false => Err(Damaged),
        }
    }
}

impl Shelf {
    /// As the store has it.
    pub(super) fn load(key: StateKey, source: &dyn StateSource) -> Result<Self, FlowError> {
        let mut entries = BTreeMap::new();
        for (found, bytes) in source.load(&key.entries())? {
            let damaged = || FlowError::State { view: key.view };
            let slice = StateKey::start_of(&found).ok_or_else(damaged)?;
            entries.insert(slice, Entry::read(&bytes).map_err(|_damaged| damaged())?);
        }
        Ok(Self { entries })
    }

    /// Pieces of a bucket of a slice that were written; none if the store has nothing of it.
    pub(super) fn pieces(&self, slice: i64, bucket: usize) -> u32 {
        self.entries
            .get(&slice)
            .map_or(0, |entry| entry.pieces[bucket])
    }

    /// The store gets a piece; so many were written now.
    pub(super) fn stored(&mut self, slice: i64, bucket: usize, pieces: u32) {
        let entry = self.entries.entry(slice).or_insert_with(|| Entry {
            pieces: vec![0; BUCKETS],
            is_changed: true,
        });
        entry.pieces[bucket] = pieces;
        entry.is_changed = true;
    }

    /// Slices before this one.
    pub(super) fn before(&self, slice: i64) -> impl Iterator<Item = i64> + '_ {
        self.entries.range(..slice).map(|(slice, _)| *slice)
    }

    pub(super) fn has_before(&self, slice: i64) -> bool {
        self.entries
            .first_key_value()
            .is_some_and(|(first, _)| *first < slice)
    }

    /// Takes out the slices before this one.
    pub(super) fn take_before(&mut self, slice: i64) -> BTreeMap<i64, Entry> {
        let kept = self.entries.split_off(&slice);
        std::mem::replace(&mut self.entries, kept)
    }

    /// Entries that changed since the last call.
    pub(super) fn changed(&mut self) -> Vec<(i64, Vec<u8>)> {
        let changed = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.is_changed);
        changed
            .map(|(slice, entry)| {
                entry.is_changed = false;
                (*slice, entry.write())
            })
            .collect()
    }
}
