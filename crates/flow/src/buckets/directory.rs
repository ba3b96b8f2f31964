//! `Directory`: which windows, or slices of windows that overlap, there are, whether they are closed, and which buckets of them the
//! store has.
//!
//! # Format of an entry, version 1
//!
//! `version u8 = 1 | end i64 | closed u8 | buckets 4 × u64`, little endian, one bit per bucket.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    aggregate::{Cursor, Damaged},
    change::NO_WATERMARK,
    errors::FlowError,
    group_by::BUCKETS,
    pane::PIECES_MAX,
    state::{StateKey, StateSource},
};

const VERSION: u8 = 1;

/// All windows by start.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    entries: BTreeMap<i64, Entry>,
}

/// One window.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    end: i64,
    is_closed: bool,
    stored: [u64; BUCKETS / 64],
    /// Pieces that the store may have of each bucket: those with smaller numbers.
    pieces: [u8; BUCKETS],
    is_changed: bool,
}

impl Entry {
    fn new(end: i64) -> Self {
        Self {
            end,
            is_closed: false,
            stored: [0; BUCKETS / 64],
            pieces: [0; BUCKETS],
            is_changed: false,
        }
    }

    /// Whether the store has any of it.
    pub(super) fn is_stored(&self) -> bool {
        self.stored != [0; BUCKETS / 64]
    }

    /// Bucket and number of all pieces that the store may have.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        let buckets = self.pieces.iter().enumerate();
        buckets.flat_map(|(bucket, pieces)| (0..*pieces).map(move |number| (bucket, number)))
    }

    fn has(&self, bucket: usize) -> bool {
        self.stored[bucket / 64] >> (bucket % 64) & 1 == 1
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.end.to_le_bytes());
        out.push(u8::from(self.is_closed));
        self.stored
            .iter()
            .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Cursor(bytes);
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        let (end, is_closed) = (from.i64()?, from.byte()? != 0);
        let mut stored = [0; BUCKETS / 64];
        for word in &mut stored {
            *word = from.u64()?;
        }
        let mut entry = Self {
            end,
            is_closed,
            stored,
            pieces: [0; BUCKETS],
            is_changed: false,
        };
        // How many there are is not kept.
        for bucket in 0..BUCKETS {
            entry.pieces[bucket] = if entry.has(bucket) { PIECES_MAX } else { 0 };
        }
        Ok(entry)
    }
}

impl Directory {
    /// As the store has it.
    pub(super) fn load(key: StateKey, source: &dyn StateSource) -> Result<Self, FlowError> {
        let mut entries = BTreeMap::new();
        for (found, bytes) in source.load(&key.entries())? {
            let damaged = || FlowError::State { view: key.view };
            let start = StateKey::start_of(&found).ok_or_else(damaged)?;
            entries.insert(start, Entry::read(&bytes).map_err(|_damaged| damaged())?);
        }
        Ok(Self { entries })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn knows(&self, start: i64) -> bool {
        self.entries.contains_key(&start)
    }

    pub(super) fn is_closed(&self, start: i64) -> bool {
        self.entries
            .get(&start)
            .is_some_and(|entry| entry.is_closed)
    }

    pub(super) fn is_stored(&self, start: i64, bucket: usize) -> bool {
        self.entries
            .get(&start)
            .is_some_and(|entry| entry.has(bucket))
    }

    /// Windows that the watermark closes: start and end.
    pub(super) fn closing(&self, watermark: i64) -> Vec<(i64, i64)> {
        if watermark == NO_WATERMARK {
            return Vec::new();
        }
        // Windows that start behind the watermark end behind it.
        let begun = self.entries.range(..watermark);
        let closing = begun.filter(|(_, entry)| entry.end <= watermark && !entry.is_closed);
        closing.map(|(start, entry)| (*start, entry.end)).collect()
    }

    /// Whether some window was not closed yet.
    pub(super) fn has_open(&self) -> bool {
        self.entries.values().any(|entry| !entry.is_closed)
    }

    /// Start and end of all.
    pub(super) fn all(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let entries = self.entries.iter();
        entries.map(|(start, entry)| (*start, entry.end))
    }

    /// Starts within a range.
    pub(super) fn within(&self, starts: Range<i64>) -> impl Iterator<Item = i64> + '_ {
        self.entries.range(starts).map(|(start, _)| *start)
    }

    pub(super) fn open(&mut self, start: i64, end: i64) {
        self.entries.entry(start).or_insert_with(|| Entry::new(end));
    }

    /// The watermark has come here.
    pub(super) fn close(&mut self, watermark: i64) {
        for (start, _) in self.closing(watermark) {
            if let Some(entry) = self.entries.get_mut(&start) {
                entry.is_closed = true;
                entry.is_changed = true;
            }
        }
    }

    /// The store gets a piece of a window. A base makes the others void, which go with it.
    pub(super) fn stored(&mut self, start: i64, (bucket, piece): (usize, u8)) {
        let Some(entry) = self.entries.get_mut(&start) else {
            return;
        };
        entry.pieces[bucket] = piece + 1;
        if !entry.has(bucket) {
            entry.stored[bucket / 64] |= 1 << (bucket % 64);
            entry.is_changed = true;
        }
    }

    pub(super) fn has_past(&self, bound: i64) -> bool {
        self.entries
            .values()
            .next()
            .is_some_and(|entry| entry.end <= bound)
    }

    /// Takes the windows out that end at `bound` or before.
    pub(super) fn take_past(&mut self, bound: i64) -> Vec<(i64, Entry)> {
        let past = self
            .entries
            .iter()
            .take_while(|(_, entry)| entry.end <= bound);
        let past: Vec<i64> = past.map(|(start, _)| *start).collect();
        past.into_iter()
            .filter_map(|start| self.entries.remove_entry(&start))
            .collect()
    }

    /// Entries that changed since the last call and that the store has to have.
    pub(super) fn changed(&mut self) -> Vec<(i64, Vec<u8>)> {
        let changed = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.is_changed && entry.is_stored());
        changed
            .map(|(start, entry)| {
                entry.is_changed = false;
                (*start, entry.write())
            })
            .collect()
    }
}
