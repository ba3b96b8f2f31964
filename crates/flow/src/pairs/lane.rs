//! One thread's share of a step: some buckets, one after the other, every row in the order of
//! arrival: first it finds its pairs among the other side's rows, then it waits among its own.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    Kind, Pairing,
    arrivals::{Arrival, Ranked},
    pane::{MARKS, Pane, Put, Sought, numbers},
    shelf::Shelf,
};
use crate::{
    errors::FlowError,
    keys::KeyBytes,
    slots::tag_of,
    state::{SharedState, StateKey},
};

/// The panes of one bucket that are in memory, by side and slice.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    sides: [BTreeMap<i64, Pane>; 2],
    size: usize,
}

impl Bucket {
    pub(super) fn panes_mut(&mut self) -> impl Iterator<Item = (usize, i64, &mut Pane)> {
        let sides = self.sides.iter_mut().enumerate();
        sides.flat_map(|(side, panes)| panes.iter_mut().map(move |(at, pane)| (side, *at, pane)))
    }

    fn panes(&self) -> impl Iterator<Item = &Pane> {
        self.sides.iter().flat_map(BTreeMap::values)
    }

    /// Measures what is in memory.
    pub(super) fn measure(&mut self) -> usize {
        self.size = self.panes().map(Pane::size).sum();
        self.size
    }

    /// Bytes in memory when it was measured last.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn unkept(&self) -> usize {
        self.panes().map(Pane::unkept).sum()
    }

    pub(super) fn rows(&self) -> usize {
        self.panes().map(Pane::len).sum()
    }

    /// Lets a pane go that the store has whole.
    pub(super) fn let_go(&mut self, side: usize, slice: i64) {
        let gone = self.sides[side].remove(&slice);
        debug_assert!(gone.is_none_or(|pane| pane.is_kept()));
    }

    /// Takes out the pane of a slice.
    pub(super) fn take(&mut self, side: usize, slice: i64) -> Option<Pane> {
        self.sides[side].remove(&slice)
    }

    /// Slices of a side before this one.
    pub(super) fn before(&self, side: usize, needed: i64) -> impl Iterator<Item = i64> + '_ {
        self.sides[side].range(..needed).map(|(slice, _)| *slice)
    }

    /// Forgets the slices of a side before this one.
    pub(super) fn forget(&mut self, side: usize, needed: i64) {
        let panes = &mut self.sides[side];
        if panes
            .first_key_value()
            .is_some_and(|(first, _)| *first < needed)
        {
            *panes = panes.split_off(&needed);
            self.measure();
        }
    }
}

/// The pairs of one bucket.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The rank of the row that completed each.
    pub(super) ranks: Vec<u32>,
    /// The columns of both sides.
    pub(super) rows: [KeyBytes; 2],
}

impl Found {
    /// A row of left beside NULLs, or alone if there is no right side.
    pub(super) fn alone(&mut self, rank: u32, row: &[u8], plan: &Pairing) {
        self.ranks.push(rank);
        self.rows[0].push(row);
        self.rows[1].push(&plan.nothing);
    }
}

/// What all lanes of a step share.
#[derive(Debug)]
pub(super) struct LaneTask {
    pub(super) plan: Arc<Pairing>,
    pub(super) keys: [StateKey; 2],
    pub(super) source: SharedState,
    /// As of the step's begin.
    pub(super) shelves: Arc<[Shelf; 2]>,
    pub(super) ranked: Ranked,
    pub(super) step: u64,
    /// Bytes of all buckets in memory.
    pub(super) size: AtomicUsize,
    pub(super) size_max: usize,
    /// Whether panes had to go.
    pub(super) is_spilled: AtomicBool,
}

type Done = Vec<(usize, Bucket, Option<Found>)>;

impl LaneTask {
    pub(super) fn run(&self, buckets: Vec<(usize, Bucket)>) -> Result<Done, FlowError> {
        let mut done = Vec::with_capacity(buckets.len());
        for (number, mut bucket) in buckets {
            let arrivals = self.ranked.of_bucket(number);
            if arrivals.is_empty() {
                done.push((number, bucket, None));
                continue;
            }
            let mut found = Found::default();
            for arrival in arrivals {
                self.arrive((number, &mut bucket), arrival, &mut found)?;
            }
            self.fit(&mut bucket);
            done.push((number, bucket, Some(found)));
        }
        Ok(done)
    }

    fn arrive(
        &self,
        (number, bucket): (usize, &mut Bucket),
        arrival: Arrival,
        found: &mut Found,
    ) -> Result<(), FlowError> {
        let chunk = &self.ranked.chunks[arrival.chunk];
        let (side, other) = (chunk.side, 1 - chunk.side);
        let (hash, key) = (chunk.hashes[arrival.row], chunk.keys.get(arrival.row));
        let (time, row) = (chunk.times[arrival.row], chunk.rows.get(arrival.row));
        let (from, to) = self.plan.near(side, time);
        let sought = Sought {
            hash,
            key,
            from,
            to,
            marks: self.plan.marks(other),
        };
        let mut paired = false;
        let slices = match self.plan.kind {
            Kind::Inner | Kind::Left => self.plan.slice(from)..=self.plan.slice(to),
            Kind::Turns => RangeInclusive::new(0, -1),
        };
        for slice in slices {
            let Some(pane) = self.known((number, &mut *bucket), (other, slice))? else {
                continue;
            };
            pane.find(&sought, |partner| {
                paired = true;
                found.ranks.push(arrival.rank);
                found.rows[side].push(row);
                found.rows[other].push(partner);
            });
        }
        if self.plan.waits(side) && !paired {
            let watermark = self.ranked.watermark(arrival.rank);
            if self.plan.slice(time) < self.plan.needed(side, watermark) {
                // Nothing that comes finds it any more.
                found.alone(arrival.rank, row, &self.plan);
                return Ok(());
            }
        }
        let own = (side, self.plan.slice(time));
        if self.known((number, &mut *bucket), own)?.is_none() {
            bucket.sides[own.0].insert(own.1, Pane::default());
        }
        if let Some(pane) = bucket.sides[own.0].get_mut(&own.1) {
            pane.used = self.step;
            pane.put(Put {
                tag: tag_of(hash),
                key,
                time,
                row,
                paired: paired && self.plan.marks(side),
            });
        }
        Ok(())
    }

    /// The pane of a slice, from memory or from the store, if there is one.
    fn known<'a>(
        &self,
        (number, bucket): (usize, &'a mut Bucket),
        (side, slice): (usize, i64),
    ) -> Result<Option<&'a mut Pane>, FlowError> {
        use std::collections::btree_map::Entry;
        let pane = match bucket.sides[side].entry(slice) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => match self.shelves[side].pieces(slice, number) {
                0 => return Ok(None),
                pieces => {
                    let place = Place {
                        key: self.keys[side],
                        slice,
                        bucket: number,
                    };
                    let marks = self.plan.marks(side);
                    entry.insert(place.load(&self.source, (pieces, marks))?)
                }
            },
        };
        pane.used = self.step;
        Ok(Some(pane))
    }

    /// Lets panes of a bucket go that the store has, while all buckets take more than they may.
    fn fit(&self, bucket: &mut Bucket) {
        self.remeasure(bucket);
        if self.size.load(Ordering::Relaxed) <= self.size_max {
            return;
        }
        let kept = bucket.panes_mut().filter(|(.., pane)| pane.is_kept());
        let mut kept: Vec<(u64, usize, i64)> = kept
            .map(|(side, slice, pane)| (pane.used, side, slice))
            .collect();
        kept.sort_unstable();
        for (_, side, slice) in kept {
            self.is_spilled.store(true, Ordering::Relaxed);
            bucket.let_go(side, slice);
            self.remeasure(bucket);
            if self.size.load(Ordering::Relaxed) <= self.size_max {
                break;
            }
        }
    }

    fn remeasure(&self, bucket: &mut Bucket) {
        let before = bucket.size();
        let after = bucket.measure();
        match after.checked_sub(before) {
            Some(more) => self.size.fetch_add(more, Ordering::Relaxed),
            None => self.size.fetch_sub(before - after, Ordering::Relaxed),
        };
    }
}

/// Where a pane is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: StateKey,
    pub(super) slice: i64,
    pub(super) bucket: usize,
}

impl Place {
    /// The pane of so many pieces, with its marks if its side has some.
    pub(super) fn load(
        self,
        source: &SharedState,
        (pieces, has_marks): (u32, bool),
    ) -> Result<Pane, FlowError> {
        let damaged = || FlowError::State {
            view: self.key.view,
        };
        let get = |number: u8| source.get(&self.key.piece(self.slice, self.bucket, number));
        let mut found = Vec::new();
        for number in numbers(pieces) {
            found.push((number, get(number)?.ok_or_else(damaged)?));
        }
        let mut pane = Pane::load(pieces, found).map_err(|_damaged| damaged())?;
        if has_marks && let Some(marks) = get(MARKS)? {
            pane.mark(&marks).map_err(|_damaged| damaged())?;
        }
        Ok(pane)
    }
}
