//! `Buckets`: the state of one grouping: 256 buckets by the hash of the key, in each a pane per
//! window. Merges what chunks bring, and tells what is to be told.
//!
//! # A step
//!
//! Buckets are dealt to the pool's threads; each thread merges the groups of all chunks that are in
//! its buckets, in the order of chunks, and tells what they answer. Answers are put together by
//! window and bucket, so they have the same order with any number of threads.
//!
//! # Windows
//!
//! ```text
//! open ──watermark reaches the end──► closed ──and the time for corrections──► gone
//! ```
//!
//! With `Close`, a window is told whole when it closes; if it is kept for corrections, groups that
//! change later are told as −before, +after at the end of the step. With `Update`, changed groups
//! are told at the end of every step, and a closed window is gone.
//!
//! # Memory
//!
//! A pane that the store knows can be let go (`let_go`); it is loaded again when it is touched.
//! `directory` knows of every pane, in memory or not.

mod directory;
mod lane;

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray},
    compute::concat,
};
use mainstem_kernel::Seq;

use crate::{
    aggregate::Unfit,
    aside::Aside,
    change::{NO_WATERMARK, Run, Weighted, Weights},
    errors::FlowError,
    group_by::{BUCKETS, Emission, GroupBy, NO_WINDOW, Partial},
    moment::Moment,
    pane::{Pane, Piece, Tells, Told, pieces_of},
    pool::Pool,
    state::{SharedState, StateChange, StateKey},
    view::Kept,
    watermark::reached_at,
};
use directory::Directory;
use lane::{Lane, LaneTask};

/// The panes of a bucket, by the start of their window.
pub(crate) type Panes = BTreeMap<i64, Pane>;

/// The state of one grouping.
#[derive(Debug)]
pub(crate) struct Buckets {
    by: Arc<GroupBy>,
    key: StateKey,
    source: SharedState,
    panes: Vec<Panes>,
    directory: Arc<Directory>,
    /// Keys of the store that are void since the last checkpoint.
    void: Vec<StateChange>,
    steps: u64,
    size: usize,
    groups: usize,
}

/// What groups of one pane answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) bucket: usize,
    pub(crate) told: Told,
}

impl Buckets {
    /// The state as the store has it; panes are loaded when they are touched.
    pub(crate) fn open(
        by: Arc<GroupBy>,
        key: StateKey,
        (source, kept): (SharedState, Kept),
    ) -> Result<Self, FlowError> {
        let directory = match kept {
            Kept::State => Directory::load(key, source.as_ref())?,
            Kept::Nothing => Directory::default(),
        };
        Ok(Self {
            by,
            key,
            source,
            panes: (0..BUCKETS).map(|_| Panes::new()).collect(),
            directory: Arc::new(directory),
            void: Vec::new(),
            steps: 0,
            size: 0,
            groups: 0,
        })
    }

    /// Goes on with a grouping that computes the same.
    pub(crate) fn replan(&mut self, by: &Arc<GroupBy>) {
        self.by = Arc::clone(by);
    }

    /// Merges the chunks of a step, and gives the rows that are to be told.
    pub(crate) fn step(
        &mut self,
        partials: Vec<Partial>,
        (moment, tells): (&Moment, Tells),
        pool: &Pool,
        aside: &mut Aside,
    ) -> Result<Vec<Weighted>, FlowError> {
        self.steps += 1;
        let closing = self.directory.closing(moment.watermark);
        let is_quiet = partials.iter().all(|partial| partial.rows.is_empty()) && closing.is_empty();
        let mut answers = if is_quiet {
            Vec::new()
        } else {
            self.merge(partials, (moment.watermark, tells), pool)?
        };
        self.forget_past(moment.watermark);
        answers.sort_unstable_by_key(|answer| (answer.end, answer.start, answer.bucket));
        self.rows_of(answers, moment, aside)
    }

    fn merge(
        &mut self,
        partials: Vec<Partial>,
        (watermark, tells): (i64, Tells),
        pool: &Pool,
    ) -> Result<Vec<Answer>, FlowError> {
        let task = Arc::new(LaneTask {
            by: Arc::clone(&self.by),
            key: self.key,
            source: Arc::clone(&self.source),
            directory: Arc::clone(&self.directory),
            partials,
            watermark,
            tells,
            step: self.steps,
        });
        let shared = Arc::clone(&task);
        let lanes = pool.map(self.deal(pool.threads()), move |lane| shared.run(lane));
        drop(task);
        let mut answers = Vec::new();
        let mut opened = Vec::new();
        for lane in lanes {
            let Lane {
                buckets,
                answers: told,
                opened: new,
            } = lane?;
            for (bucket, panes) in buckets {
                self.panes[bucket] = panes;
            }
            answers.extend(told);
            opened.extend(new);
        }
        let directory = Arc::make_mut(&mut self.directory);
        for (start, end) in opened {
            directory.open(start, end);
        }
        directory.close(watermark);
        Ok(answers)
    }

    /// The buckets, dealt to lanes.
    fn deal(&mut self, lanes: usize) -> Vec<Vec<(usize, Panes)>> {
        let mut dealt: Vec<Vec<(usize, Panes)>> = (0..lanes).map(|_| Vec::new()).collect();
        for (bucket, panes) in self.panes.iter_mut().enumerate() {
            dealt[bucket % lanes].push((bucket, std::mem::take(panes)));
        }
        dealt
    }

    /// Forgets windows that can no longer change.
    fn forget_past(&mut self, watermark: i64) {
        if self.by.window.is_none() || watermark == NO_WATERMARK {
            return;
        }
        let bound = watermark.saturating_sub(self.by.keep_us());
        if !self.directory.has_past(bound) {
            return;
        }
        for (start, entry) in Arc::make_mut(&mut self.directory).take_past(bound) {
            for panes in &mut self.panes {
                panes.remove(&start);
            }
            if !entry.is_stored() {
                continue;
            }
            self.void.push(StateChange::delete(self.key.entry(start)));
            for bucket in entry.buckets() {
                for piece in pieces_of() {
                    self.void
                        .push(StateChange::delete(self.key.piece(start, bucket, piece)));
                }
            }
        }
    }

    /// Answers as rows, each window's together.
    fn rows_of(
        &self,
        answers: Vec<Answer>,
        moment: &Moment,
        aside: &mut Aside,
    ) -> Result<Vec<Weighted>, FlowError> {
        let mut rows = Vec::new();
        let is_final = matches!(self.by.emission, Emission::Close { .. });
        for window in answers.chunk_by(|a, b| (a.start, a.end) == (b.start, b.end)) {
            let seq = match window.first() {
                Some(first) if is_final && self.by.window.is_some() => {
                    reached_at(&moment.trace, first.end, moment.through)
                }
                _ => moment.through,
            };
            rows.push(self.window_rows(window, seq, aside)?);
        }
        // A correction is of the step's end; what closed in the step may have closed before it.
        rows.sort_by_key(|rows: &Weighted| rows.runs.first().map(|run| run.seq));
        Ok(rows)
    }

    fn window_rows(
        &self,
        answers: &[Answer],
        seq: Seq,
        aside: &mut Aside,
    ) -> Result<Weighted, FlowError> {
        let (start, end) = answers
            .first()
            .map_or(NO_WINDOW, |first| (first.start, first.end));
        let count: usize = answers.iter().map(|answer| answer.told.rows()).sum();
        let joined = |of: &dyn Fn(&Told) -> &ArrayRef| {
            let pieces: Vec<&dyn Array> = answers
                .iter()
                .map(|answer| of(&answer.told).as_ref())
                .collect();
            concat(&pieces)
        };
        let bound = |time: i64| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from_value(time, count).with_timezone("UTC"))
        };
        let keys = self.by.schema.fields().len() - self.by.calls.len();
        let mut columns = Vec::with_capacity(keys);
        let mut next = 0;
        for at in 0..keys {
            columns.push(match self.by.window {
                Some((first, _)) if at == first => bound(start),
                Some((_, last)) if at == last => bound(end),
                _ => {
                    next += 1;
                    joined(&|told| &told.keys[next - 1])?
                }
            });
        }
        for call in 0..self.by.calls.len() {
            columns.push(joined(&|told| &told.calls[call])?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.by.schema), columns)?;
        let (mut first, mut unfit, mut weights) = (0, Vec::new(), Vec::with_capacity(count));
        for answer in answers {
            let rows = answer.told.rows();
            unfit.extend(answer.told.unfit.iter().map(|unfit| Unfit {
                at: first + unfit.at,
                ..*unfit
            }));
            weights.extend((0..rows).map(|row| answer.told.weights.of(row)));
            first += rows;
        }
        unfit.sort_by_key(|unfit: &Unfit| unfit.at);
        for unfit in unfit {
            aside.fail(
                &batch,
                unfit.code,
                vec![(unfit.at, unfit.reason.to_owned())],
            )?;
        }
        let weights = if weights.iter().all(|weight| *weight == 1) {
            Weights::Inserts
        } else {
            Weights::Mixed(weights.into())
        };
        let run = Run {
            rows: count,
            seq,
            watermark: NO_WATERMARK,
        };
        Ok(Weighted {
            batch,
            weights,
            runs: Arc::new([run]),
        })
    }

    /// What changed since the last checkpoint, for the redo file.
    pub(crate) fn checkpoint(&mut self) -> Result<Vec<StateChange>, FlowError> {
        let mut changes = std::mem::take(&mut self.void);
        let directory = Arc::make_mut(&mut self.directory);
        let (mut size, mut groups) = (0, 0);
        for (bucket, panes) in self.panes.iter_mut().enumerate() {
            for (start, pane) in panes.iter_mut() {
                let is_closed = directory.is_closed(*start);
                if let Some(piece) = pane.checkpoint(&self.by, is_closed)? {
                    let Piece {
                        number,
                        bytes,
                        void,
                    } = piece;
                    let key = |number| self.key.piece(*start, bucket, number);
                    changes.extend((1..=void).map(|number| StateChange::delete(key(number))));
                    changes.push(StateChange::put(key(number), bytes));
                    directory.stored(*start, bucket);
                }
                size += pane.size();
                groups += pane.groups();
            }
        }
        for (start, bytes) in directory.changed() {
            changes.push(StateChange::put(self.key.entry(start), bytes));
        }
        (self.size, self.groups) = (size, groups);
        Ok(changes)
    }

    /// Lets go of panes that were not used for longest, until what is left takes at most
    /// `size_max` bytes. What has changed since the last checkpoint stays.
    pub(crate) fn let_go(&mut self, size_max: usize) {
        if self.size <= size_max {
            return;
        }
        let clean = self.panes.iter().enumerate().flat_map(|(bucket, panes)| {
            let clean = panes.iter().filter(|(_, pane)| pane.is_clean());
            clean.map(move |(start, pane)| (pane.used, bucket, *start))
        });
        let mut clean: Vec<(u64, usize, i64)> = clean.collect();
        clean.sort_unstable();
        for (_, bucket, start) in clean {
            if self.size <= size_max {
                return;
            }
            if let Some(pane) = self.panes[bucket].remove(&start) {
                self.size = self.size.saturating_sub(pane.size());
            }
        }
    }

    /// Bytes in memory as of the last checkpoint.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Groups in memory as of the last checkpoint.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }
}
