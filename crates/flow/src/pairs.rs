//! `Pairs`: rows of two streams with equal keys whose event times lie near each other.
//!
//! A pair comes when its second row does, at that row's place in the log: of one such row first what
//! it finds in earlier slices of time, within one in the order of arrival. So rows and their order do
//! not depend on how the log was cut into steps, nor on threads.
//!
//! # Which rows count
//!
//! A row whose event time is behind the watermark (the smallest of all inputs, as of all rows with
//! smaller seqs) is set aside, and so is one that is too far ahead of its arrival. Every other pair of
//! the two streams comes, exactly once.
//!
//! # State
//!
//! 256 buckets by the hash of the key; in each, per side, a pane per slice of event time (`pane`):
//! its rows, in the order of arrival, chained by key. Slices have one length that the plan decides:
//! an eighth of the time for which rows are kept, and at least a second.
//!
//! ```text
//! needed ── watermark passes time + reach ──► unneeded: no row that counts finds it any more
//! ```
//!
//! Of a LEFT JOIN a row without a pair comes beside NULLs once none can come any more: when the watermark
//! has passed its whole slice by `reach`, at the row of the log that moved it so far (`alone`). Rows of
//! the left side note whether they have found a pair.
//!
//! Rows may also take turns (`Kind::Turns`): there is no right side, nothing is sought, and the rows of a
//! slice that is over come in the order of event time, those of one time in that of arrival. They have no
//! key, and hence are all in one bucket.
//!
//! `reach` is how much later than a row the other of a pair may be. A slice whose rows are all
//! unneeded is forgotten, in memory and, with the next checkpoint, in the store (`shelf`). So what is
//! kept are the rows of (reach + delay of the watermark), and one slice.
//!
//! Panes only grow. A checkpoint writes what was added as one more piece of each; pieces are joined
//! sixteen by sixteen. Panes that the last committed checkpoint has whole can be let go, and are
//! loaded when they are touched.
//!
//! A view has several of them where joins stand on sides of a UNION: each with operators of its own.
//!
//! It never decides which rows are fed to it, and never reads a log.

mod alone;
mod arrivals;
mod lane;
mod pairing;
mod pane;
mod shelf;
mod told;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use datafusion::arrow::error::ArrowError;

use crate::{
    aside::Aside,
    change::{Weighted, regroup},
    errors::FlowError,
    group_by::BUCKETS,
    moment::Moment,
    pool::Pool,
    state::{SharedState, StateChange, StateKey},
    view::{CHUNK_ROWS, Kept, merged},
};
pub(crate) use arrivals::carried_type;
use arrivals::{Arrivals, Ranked};
use lane::{Bucket, LaneTask};
pub(crate) use pairing::{Kind, Pairing};
use pane::MARKS;
use shelf::Shelf;
use told::told;

/// Operators of a view from here on are the two sides' rows, of each join two; groupings have smaller numbers.
const OPERATOR: u8 = 32;
/// Joins of streams that a view has on sides of UNION: operators of the next view begin at 64.
pub(crate) const PAIRINGS_MAX: usize = mainstem_sql::view::PAIRS_MAX;
const _: () = assert!(
    OPERATOR as usize + 2 * PAIRINGS_MAX < 63,
    "numbers of operators"
);

/// The rows of both sides that wait for others.
#[derive(Debug)]
pub(crate) struct Pairs {
    plan: Arc<Pairing>,
    source: SharedState,
    keys: [StateKey; 2],
    buckets: Vec<Bucket>,
    shelves: Arc<[Shelf; 2]>,
    /// Keys of the store that are void since the last checkpoint.
    void: Vec<StateChange>,
    steps: u64,
    size_max: usize,
    is_spilled: bool,
}

impl Pairs {
    /// The state as the store has it; panes are loaded when they are touched.
    pub(crate) fn open(
        plan: Arc<Pairing>,
        (view, first, number): (mainstem_kernel::StreamId, u8, usize),
        (source, kept): (&SharedState, Kept),
    ) -> Result<Self, FlowError> {
        let before = u8::try_from(2 * number).unwrap_or(u8::MAX);
        let first = first.saturating_add(OPERATOR).saturating_add(before);
        let key = |side: u8| StateKey {
            view,
            operator: first.saturating_add(side),
        };
        let keys = [key(0), key(1)];
        let shelf = |key: StateKey| match kept {
            Kept::State => Shelf::load(key, source.as_ref()),
            Kept::Nothing => Ok(Shelf::default()),
        };
        Ok(Self {
            plan,
            keys,
            shelves: Arc::new([shelf(keys[0])?, shelf(keys[1])?]),
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            size_max: source.size_max(),
            source: Arc::clone(source),
            void: Vec::new(),
            steps: 0,
            is_spilled: false,
        })
    }

    /// Goes on with a plan that computes the same.
    pub(crate) fn replan(&mut self, plan: &Arc<Pairing>) {
        self.plan = Arc::clone(plan);
    }

    /// Takes the rows of a step of both sides, gives the pairs that they make, and forgets what the
    /// watermark at its end has passed.
    pub(crate) fn step(
        &mut self,
        sides: [Vec<Weighted>; 2],
        (moment, pool): (&Moment, &Pool),
        aside: &mut Aside,
    ) -> Result<Vec<Weighted>, FlowError> {
        self.steps += 1;
        let arrivals = self.arrive(sides, pool, aside)?;
        let pairs = match arrivals.iter().all(|chunk| chunk.rows() == 0) {
            true => Vec::new(),
            false => self.pair(arrivals, pool)?,
        };
        let alone = self.close(moment)?;
        self.forget(moment.watermark);
        match alone.is_empty() {
            true => Ok(pairs),
            false => Ok(merged(vec![pairs, alone], &self.plan.schema)?),
        }
    }

    /// Rows that count, with their keys.
    fn arrive(
        &self,
        sides: [Vec<Weighted>; 2],
        pool: &Pool,
        aside: &mut Aside,
    ) -> Result<Vec<Arrivals>, FlowError> {
        let mut chunks = Vec::new();
        for (side, rows) in sides.into_iter().enumerate() {
            let rows = regroup(rows, CHUNK_ROWS)?;
            chunks.extend(rows.into_iter().map(|rows| (side, rows)));
        }
        let plan = Arc::clone(&self.plan);
        let arrived = pool.map(chunks, move |(side, rows)| {
            let mut aside = Aside::default();
            let arrivals = Arrivals::of(&plan, (side, rows), &mut aside)?;
            Ok::<_, ArrowError>((arrivals, aside))
        });
        let mut all = Vec::with_capacity(arrived.len());
        for one in arrived {
            let (arrivals, set_aside) = one?;
            aside.append(set_aside);
            all.push(arrivals);
        }
        Ok(all)
    }

    fn pair(&mut self, arrivals: Vec<Arrivals>, pool: &Pool) -> Result<Vec<Weighted>, FlowError> {
        let ranked = Ranked::of(arrivals);
        let task = Arc::new(LaneTask {
            plan: Arc::clone(&self.plan),
            keys: self.keys,
            source: Arc::clone(&self.source),
            shelves: Arc::clone(&self.shelves),
            ranked,
            step: self.steps,
            size: AtomicUsize::new(self.size()),
            size_max: self.size_max,
            is_spilled: AtomicBool::new(false),
        });
        let shared = Arc::clone(&task);
        let lanes = pool.map(pool.deal(&mut self.buckets), move |lane| shared.run(lane));
        self.is_spilled = task.is_spilled.load(Ordering::Relaxed);
        let mut found = Vec::new();
        for lane in lanes {
            for (number, bucket, pairs) in lane? {
                self.buckets[number] = bucket;
                found.extend(pairs);
            }
        }
        Ok(told(&self.plan, &found, &task.ranked.runs)?)
    }

    /// Forgets slices that no row finds any more.
    fn forget(&mut self, watermark: i64) {
        for side in [0, 1] {
            let needed = self.plan.needed(side, watermark);
            for bucket in &mut self.buckets {
                bucket.forget(side, needed);
            }
            if !self.shelves[side].has_before(needed) {
                continue;
            }
            let shelf = &mut Arc::make_mut(&mut self.shelves)[side];
            let key = self.keys[side];
            for (slice, entry) in shelf.take_before(needed) {
                self.void.push(StateChange::delete(key.entry(slice)));
                let pieces = entry
                    .pieces()
                    .map(|(bucket, number)| StateChange::delete(key.piece(slice, bucket, number)));
                self.void.extend(pieces);
            }
        }
    }

    /// What changed since the last checkpoint, for the redo file. The one before is committed.
    pub(crate) fn checkpoint(&mut self) -> Vec<StateChange> {
        let mut changes = std::mem::take(&mut self.void);
        let shelves = Arc::make_mut(&mut self.shelves);
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            for (side, slice, pane) in bucket.panes_mut() {
                let key = |number_of| self.keys[side].piece(slice, number, number_of);
                if let Some(piece) = pane.piece() {
                    let void = piece.void.iter();
                    changes.extend(void.map(|void| StateChange::delete(key(*void))));
                    changes.push(StateChange::put(key(piece.number), piece.bytes));
                    shelves[side].stored(slice, number, pane.pieces());
                }
                let marks = pane.marks();
                changes.extend(marks.map(|marks| StateChange::put(key(MARKS), marks)));
            }
            bucket.measure();
        }
        for (side, shelf) in shelves.iter_mut().enumerate() {
            for (slice, bytes) in shelf.changed() {
                changes.push(StateChange::put(self.keys[side].entry(slice), bytes));
            }
        }
        changes
    }

    /// The last checkpoint is committed. Lets go of panes that were not used for longest and that it
    /// has whole, until all take at most `size_max` bytes; steps keep to it, too.
    pub(crate) fn let_go(&mut self, size_max: usize) {
        self.size_max = size_max;
        let mut panes = Vec::new();
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            for (side, slice, pane) in bucket.panes_mut() {
                pane.committed();
                if pane.is_kept() {
                    panes.push((pane.used, number, side, slice));
                }
            }
            bucket.measure();
        }
        let mut size = self.size();
        if size <= size_max {
            return;
        }
        panes.sort_unstable();
        for (_, number, side, slice) in panes {
            if size <= size_max {
                break;
            }
            let bucket = &mut self.buckets[number];
            let before = bucket.size();
            bucket.let_go(side, slice);
            size = size.saturating_sub(before) + bucket.measure();
        }
    }

    /// Bytes in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.buckets.iter().map(Bucket::size).sum()
    }

    /// Bytes that only a checkpoint makes room for, while there is more than there may be.
    pub(crate) fn waiting(&self) -> usize {
        match self.size() > self.size_max {
            true => self.buckets.iter().map(Bucket::unkept).sum(),
            false => 0,
        }
    }

    /// Whether rows wait for event time to go on.
    pub(crate) fn waits(&self) -> bool {
        self.rows() > 0 || self.shelves.iter().any(|shelf| shelf.has_before(i64::MAX))
    }

    /// Whether the last step had to let panes go.
    pub(crate) fn is_spilled(&self) -> bool {
        self.is_spilled
    }

    /// Rows in memory.
    pub(crate) fn rows(&self) -> usize {
        self.buckets.iter().map(Bucket::rows).sum()
    }
}
