//! `Bucket`: the panes of one bucket, by the start of their window, in memory or not.
//!
//! A pane that is not in memory is in pieces: those that the store has, one that a checkpoint has
//! taken and may still be about to commit, and one that waits for the next checkpoint, because the
//! pane had changed when it was let go. Loading puts them together in that order.
//!
//! It never decides when a pane is let go.

use std::{collections::BTreeMap, ops::Range};

use datafusion::arrow::error::ArrowError;

use super::{directory::Directory, sessions::Due};
use crate::{
    errors::FlowError,
    group_by::GroupBy,
    pane::{Pane, Piece, Stored, Turn},
    state::{SharedState, StateKey},
};

/// The panes of one bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    panes: BTreeMap<i64, Pane>,
    pieces: BTreeMap<i64, Pieces>,
    size: usize,
    /// Of cells of sessions.
    pub(super) due: Due,
}

/// Pieces of a pane that are not, or perhaps not yet, in the store.
#[derive(Debug, Default)]
struct Pieces {
    /// Taken by the last checkpoint.
    sealed: Option<Piece>,
    /// For the next one, and how the pane was kept before it. The pane is not in memory.
    fresh: Option<(Stored, Piece)>,
}

/// What panes are loaded and let go with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeper<'a> {
    pub(super) by: &'a GroupBy,
    pub(super) key: StateKey,
    pub(super) source: &'a SharedState,
    pub(super) directory: &'a Directory,
    /// Number of the next checkpoint.
    pub(super) checkpoint: u64,
}

impl Bucket {
    /// Whether there is a pane of this window, in memory or not.
    pub(super) fn has(&self, start: i64, (bucket, directory): (usize, &Directory)) -> bool {
        self.is_loaded(start)
            || self.pieces.contains_key(&start)
            || directory.is_stored(start, bucket)
    }

    /// Whether the pane of this window is in memory.
    pub(super) fn is_loaded(&self, start: i64) -> bool {
        self.panes.contains_key(&start)
    }

    /// Panes in memory whose windows start within a range.
    pub(super) fn loaded_within(&self, starts: Range<i64>) -> impl Iterator<Item = i64> + '_ {
        self.panes.range(starts).map(|(start, _)| *start)
    }

    /// The pane of a window, from memory, from its pieces, or a new one.
    pub(super) fn pane(
        &mut self,
        start: i64,
        (bucket, keeper): (usize, &Keeper<'_>),
    ) -> Result<&mut Pane, FlowError> {
        use std::collections::btree_map::Entry;
        match self.panes.entry(start) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let pane = match self.pieces.get_mut(&start) {
                    Some(pieces) => pieces.load(start, (bucket, keeper))?,
                    None if keeper.directory.is_stored(start, bucket) => {
                        keeper.load((start, bucket), None)?
                    }
                    None => Pane::new(keeper.by)?,
                };
                Ok(entry.insert(pane))
            }
        }
    }

    /// Takes a pane that is in memory out, to be put back.
    pub(super) fn take_out(&mut self, start: i64) -> Result<Pane, ArrowError> {
        let pane = self.panes.remove(&start);
        pane.ok_or_else(|| ArrowError::ComputeError("a pane is not in memory".to_owned()))
    }

    /// Puts it back.
    pub(super) fn put_back(&mut self, start: i64, pane: Pane) {
        self.panes.insert(start, pane);
    }

    /// Measures what is in memory.
    pub(super) fn measure(&mut self) -> usize {
        let panes: usize = self.panes.values().map(Pane::size).sum();
        let pieces = self.pieces.values().map(Pieces::size);
        self.size = panes + pieces.sum::<usize>();
        self.size
    }

    /// Bytes in memory when it was measured last.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Bytes of pieces that wait for a checkpoint.
    pub(super) fn waiting(&self) -> usize {
        let fresh = self.pieces.values().filter_map(|own| own.fresh.as_ref());
        fresh.map(|(_, piece)| piece.bytes.len()).sum()
    }

    /// Groups in memory.
    pub(super) fn groups(&self) -> usize {
        self.panes.values().map(Pane::groups).sum()
    }

    /// Panes in memory by when they were used last, the longest ago first.
    pub(super) fn by_use(&self) -> Vec<(u64, i64)> {
        let panes = self.panes.iter();
        let mut used: Vec<(u64, i64)> = panes.map(|(start, pane)| (pane.used, *start)).collect();
        used.sort_unstable();
        used
    }

    /// Lets a pane go that has nothing to tell; what has changed in it waits for the next
    /// checkpoint as a piece.
    pub(super) fn let_go(
        &mut self,
        start: i64,
        (bucket, keeper): (usize, &Keeper<'_>),
    ) -> Result<(), FlowError> {
        let Some(mut pane) = self.panes.remove(&start) else {
            return Ok(());
        };
        debug_assert!(!pane.is_touched(), "what a pane has to tell is told");
        let before = pane.stored();
        let turn = keeper.turn(start, bucket);
        if let Some(piece) = pane.piece(keeper.by, turn)? {
            let pieces = self.pieces.entry(start).or_default();
            pieces.fresh = Some((before, piece));
        }
        Ok(())
    }

    /// The pieces of panes that changed since the last checkpoint, by the start of their window.
    pub(super) fn seal(
        &mut self,
        (bucket, keeper): (usize, &Keeper<'_>),
    ) -> Result<Vec<(i64, Piece)>, FlowError> {
        let mut sealed = Vec::new();
        for (start, pane) in &mut self.panes {
            if let Some(piece) = pane.piece(keeper.by, keeper.turn(*start, bucket))? {
                sealed.push((*start, piece));
            }
        }
        for (start, pieces) in &mut self.pieces {
            sealed.extend(pieces.fresh.take().map(|(_, piece)| (*start, piece)));
        }
        for (start, piece) in &sealed {
            self.pieces.entry(*start).or_default().sealed = Some(piece.clone());
        }
        Ok(sealed)
    }

    /// The store has what the last checkpoint took.
    pub(super) fn committed(&mut self) {
        self.pieces.retain(|_, pieces| {
            pieces.sealed = None;
            pieces.fresh.is_some()
        });
    }

    /// Forgets a window.
    pub(super) fn forget(&mut self, start: i64) {
        self.due.remove(&start);
        self.panes.remove(&start);
        self.pieces.remove(&start);
    }
}

impl Pieces {
    fn size(&self) -> usize {
        let fresh = self.fresh.as_ref().map(|(_, piece)| piece);
        let pieces = self.sealed.iter().chain(fresh);
        pieces.map(|piece| piece.bytes.len()).sum()
    }

    /// The pane that they make on what the store has.
    fn load(
        &mut self,
        start: i64,
        (bucket, keeper): (usize, &Keeper<'_>),
    ) -> Result<Pane, FlowError> {
        let Some((before, fresh)) = self.fresh.take() else {
            return keeper.load((start, bucket), self.sealed.as_ref());
        };
        let mut pane = match fresh.number {
            0 => Pane::new(keeper.by)?,
            _ => keeper.load((start, bucket), self.sealed.as_ref())?,
        };
        pane.go_on(&fresh, before)
            .map_err(|_damaged| keeper.damaged())?;
        Ok(pane)
    }
}

impl Keeper<'_> {
    fn turn(&self, start: i64, bucket: usize) -> Turn {
        Turn::of(bucket, self.checkpoint, self.directory.is_closed(start))
    }

    fn damaged(&self) -> FlowError {
        FlowError::State {
            view: self.key.view,
        }
    }

    /// The pane of what the store has, and of a piece that it may not have yet.
    fn load(
        &self,
        (start, bucket): (i64, usize),
        sealed: Option<&Piece>,
    ) -> Result<Pane, FlowError> {
        let end = sealed.map_or(u8::MAX, |piece| piece.number);
        let mut pieces = Vec::new();
        // A base, and deltas without a gap.
        for number in 0..end {
            let key = self.key.piece(start, bucket, number);
            match self.source.get(&key)? {
                Some(bytes) => pieces.push((number, bytes)),
                None => break,
            }
        }
        pieces.extend(sealed.map(|piece| (piece.number, piece.bytes.clone())));
        let pieces = pieces
            .iter()
            .map(|(number, bytes)| (*number, bytes.as_ref()));
        let loaded = Pane::load(self.by, pieces)?;
        loaded.map_err(|_damaged| self.damaged())
    }
}
