//! Layers and the store as one sequence in the order of keys: of each key the newest.
//!
//! The store is read in chunks, so that no lock or iterator of it is held between two. It never
//! decodes a value.

use std::{cmp::Ordering, ops::ControlFlow, ops::Range, sync::Arc};

use mainstem_kernel::Seq;
use mainstem_store::{KeyRange, SharedSnapshot, Space, StoreError};

use crate::{
    layer::{Layer, place},
    stack::{Part, Stack},
};

/// Layers and the store as one sequence.
#[derive(Debug)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// Cursors that stand at the least key, the newest first; kept for its memory.
    ties: Vec<usize>,
    snapshot: SharedSnapshot,
    space: Space,
    /// What stands before keys in the store.
    prefix: Vec<u8>,
    /// What is still to be read of the store, with the prefix.
    range: KeyRange,
    chunk: Chunk,
    is_read: bool,
    frontier: Seq,
}

/// A layer, the newest first in their list.
#[derive(Debug)]
struct Cursor {
    layer: Arc<Layer>,
    is_flight: bool,
    /// Places in `Layer::sorted` that are still to come.
    rest: Range<usize>,
}

/// Keys and values of the store, one after the other in one buffer.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Where each key and its value begin and end.
    places: Vec<(usize, usize, usize)>,
    next: usize,
}

/// Where the next row is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Which cursor, and which row of its layer.
    Layer(usize, usize),
    /// Which pair of the chunk.
    Stored(usize),
}

/// A key with its value, of which the layer is named if it comes from one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pair<'a> {
    Layer(&'a Layer, usize),
    Stored(&'a [u8], &'a [u8]),
}

impl Merge {
    pub(super) fn new(
        stack: &Stack,
        (snapshot, frontier): (&SharedSnapshot, Seq),
        (space, prefix): (Space, &[u8]),
        range: &KeyRange,
    ) -> Self {
        let cursors = stack.newest_first().map(|entry| Cursor {
            rest: entry.layer.range(range),
            is_flight: entry.part == Part::Flight,
            layer: Arc::clone(&entry.layer),
        });
        let cursors = cursors.filter(|cursor| !cursor.rest.is_empty());
        Self {
            cursors: cursors.collect(),
            ties: Vec::new(),
            snapshot: Arc::clone(snapshot),
            space,
            prefix: prefix.to_vec(),
            range: range.within(prefix),
            chunk: Chunk::default(),
            is_read: false,
            frontier,
        }
    }

    /// Where the next rows are, at most `rows_max`; fewer when a chunk of the store ends. Empty at
    /// the end. What was given before is no longer valid.
    pub(super) fn advance(&mut self, rows_max: usize) -> Result<Vec<Source>, StoreError> {
        let mut sources = Vec::new();
        while sources.is_empty() {
            if self.chunk.is_used_up() && !self.is_read {
                self.read(rows_max)?;
            }
            while sources.len() < rows_max {
                if self.chunk.is_used_up() && !self.is_read {
                    break;
                }
                match self.next() {
                    Some(Some(source)) => sources.push(source),
                    Some(None) => {}
                    None => return Ok(sources),
                }
            }
        }
        Ok(sources)
    }

    /// What is at a place.
    pub(super) fn pair(&self, source: Source) -> Option<Pair<'_>> {
        match source {
            Source::Layer(cursor, row) => {
                let layer = &self.cursors.get(cursor)?.layer;
                Some(Pair::Layer(layer, row))
            }
            Source::Stored(at) => {
                let (key, value) = self.chunk.pair(at)?;
                Some(Pair::Stored(key, value))
            }
        }
    }

    /// Goes over the least key. `Some(None)` if its row is gone; `None` at the end.
    fn next(&mut self) -> Option<Option<Source>> {
        for cursor in &mut self.cursors {
            cursor.skip_seen(self.frontier);
        }
        let mut least: Option<&[u8]> = None;
        self.ties.clear();
        for (number, cursor) in self.cursors.iter().enumerate() {
            let Some(key) = cursor.key() else { continue };
            match least.map_or(Ordering::Less, |other| key.cmp(other)) {
                Ordering::Less => {
                    least = Some(key);
                    self.ties.clear();
                    self.ties.push(number);
                }
                Ordering::Equal => self.ties.push(number),
                Ordering::Greater => {}
            }
        }
        let stored = self.chunk.pair(self.chunk.next).map(|(key, _)| key);
        let order = match (stored, least) {
            (Some(stored), Some(least)) => stored.cmp(least),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        if order == Ordering::Less {
            self.chunk.next += 1;
            return Some(Some(Source::Stored(self.chunk.next - 1)));
        }
        if order == Ordering::Equal {
            self.chunk.next += 1;
        }
        let newest = self.ties.first().copied().unwrap_or_default();
        let found = self.cursors.get(newest).and_then(|cursor| {
            let row = cursor.row()?;
            let is_there = !cursor.layer.is_deleted(row);
            is_there.then_some(Source::Layer(newest, row))
        });
        for number in &self.ties {
            if let Some(cursor) = self.cursors.get_mut(*number) {
                cursor.rest.start += 1;
            }
        }
        Some(found)
    }

    /// Reads the next pairs of the store.
    fn read(&mut self, pairs_max: usize) -> Result<(), StoreError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.clear();
        let prefix = self.prefix.len();
        let mut visit = |key: &[u8], value: &[u8]| {
            chunk.push(key.get(prefix..).unwrap_or_default(), value);
            if chunk.places.len() < pairs_max.max(1) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        self.snapshot.scan(self.space, &self.range, &mut visit)?;
        self.is_read = chunk.places.len() < pairs_max.max(1);
        if let Some((last, _)) = chunk
            .places
            .len()
            .checked_sub(1)
            .and_then(|at| chunk.pair(at))
        {
            let last = [self.prefix.as_slice(), last].concat();
            self.range = self.range.after(&last);
        }
        self.chunk = chunk;
        Ok(())
    }
}

impl Cursor {
    /// Passes rows of writes that the frontier has reached: layers of steps have them.
    fn skip_seen(&mut self, frontier: Seq) {
        while self.is_flight
            && let Some(row) = self.row()
            && self.layer.written(row) <= frontier
        {
            self.rest.start += 1;
        }
    }

    fn row(&self) -> Option<usize> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.layer.sorted().get(self.rest.start)?;
        Some(place(*row))
    }

    fn key(&self) -> Option<&[u8]> {
        self.row().map(|row| self.layer.key(row))
    }
}

impl Chunk {
    fn is_used_up(&self) -> bool {
        self.next >= self.places.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.next = 0;
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.places.push((start, middle, self.bytes.len()));
    }

    fn pair(&self, at: usize) -> Option<(&[u8], &[u8])> {
        let (start, middle, end) = *self.places.get(at)?;
        Some((self.bytes.get(start..middle)?, self.bytes.get(middle..end)?))
    }
}
