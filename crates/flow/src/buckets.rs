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
//! are told at the end of every step, and a closed window is gone. Windows that overlap are kept as
//! slices and merged when they close (`slices`); with `Update`, where each row of theirs is told of,
//! each by itself.
//!
//! # Memory
//!
//! Panes can be let go, at the end of a step as after a checkpoint, and are loaded again when they are
//! touched (`bucket`). With more groups than memory, a step that touches every bucket goes through
//! them with few panes in memory at a time; what it changes waits as pieces for the next checkpoint
//! (`waiting`), which has to come before these take too much. `directory` knows of every pane that
//! the store has.

mod bucket;
mod directory;
mod lane;
mod sessions;
mod slices;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use datafusion::arrow::{
    array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray},
    compute::concat,
    error::ArrowError,
};
use mainstem_kernel::Seq;

use crate::{
    aggregate::Unfit,
    aside::Aside,
    change::{NO_WATERMARK, Run, Weighted, Weights},
    errors::FlowError,
    group_by::{BUCKETS, Emission, GroupBy, NO_WINDOW, Partial},
    matching::Found,
    moment::Moment,
    pane::{Tells, Told},
    pool::Pool,
    running::{Ran, Running},
    state::{SharedState, StateChange, StateKey},
    view::Kept,
    watermark::reached_at,
};
use bucket::{Bucket, Keeper};
use directory::Directory;
use lane::{Lane, LaneTask};
use sessions::Over;
use slices::Sliced;

/// The state of one grouping.
#[derive(Debug)]
pub(crate) struct Buckets {
    by: Arc<GroupBy>,
    key: StateKey,
    source: SharedState,
    buckets: Vec<Bucket>,
    directory: Arc<Directory>,
    /// Keys of the store that are void since the last checkpoint.
    void: Vec<StateChange>,
    /// The watermark at which the last step ended; none before the first one here.
    watermark: Option<i64>,
    steps: u64,
    checkpoints: u64,
    size_max: usize,
    is_spilled: bool,
}

/// What groups of one pane answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) bucket: usize,
    pub(crate) told: Told,
}

/// What the buckets of a step gave.
#[derive(Debug, Default)]
struct Merged {
    answers: Vec<Answer>,
    ran: Vec<(usize, Ran)>,
    /// Changes of pairs, with the number of their bucket.
    found: Vec<(usize, Found)>,
    /// Sessions that are over.
    over: Vec<Over>,
}

/// The rows of chunks with their figures.
fn joined(
    running: &Running,
    (chunks, mut ran): (Vec<Option<Weighted>>, Vec<(usize, Ran)>),
    aside: &mut Aside,
) -> Result<Vec<Weighted>, ArrowError> {
    ran.sort_by_key(|(chunk, _)| *chunk);
    let mut ran = ran.into_iter().peekable();
    let mut joined = Vec::with_capacity(chunks.len());
    for (number, rows) in chunks.into_iter().enumerate() {
        let mut own = Vec::new();
        while let Some((_, figures)) = ran.next_if(|(chunk, _)| *chunk == number) {
            own.push(figures);
        }
        if let Some(rows) = rows.filter(|rows| rows.rows() > 0) {
            joined.push(running.joined(rows, &own, aside)?);
        }
    }
    Ok(joined)
}

impl Buckets {
    /// The state as the store has it; panes are loaded when they are touched.
    pub(crate) fn open(
        by: Arc<GroupBy>,
        key: StateKey,
        (source, kept): (SharedState, Kept),
    ) -> Result<Self, FlowError> {
        let size_max = source.size_max();
        let directory = match kept {
            Kept::State => Directory::load(key, source.as_ref())?,
            Kept::Nothing => Directory::default(),
        };
        Ok(Self {
            by,
            key,
            source,
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            directory: Arc::new(directory),
            void: Vec::new(),
            watermark: None,
            steps: 0,
            checkpoints: 0,
            size_max,
            is_spilled: false,
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
        let sliced = self.sliced(moment);
        let is_closing = match &sliced {
            Some(sliced) => !sliced.is_quiet(),
            // A session may end with every step in which event time goes on.
            None if self.by.sessions.is_some() => {
                self.goes_on(moment) && !self.directory.is_empty()
            }
            None => !self.directory.closing(moment.watermark).is_empty(),
        };
        self.watermark = Some(moment.watermark);
        let is_quiet = partials.iter().all(|partial| partial.rows.is_empty()) && !is_closing;
        let chunks = partials.iter().map(|partial| partial.chunk.as_ref());
        let chunks = chunks.map(|chunk| chunk.map(|chunk| chunk.rows.clone()));
        let chunks: Vec<Option<Weighted>> = chunks.collect();
        let Merged {
            mut answers,
            ran,
            mut found,
            over,
        } = if is_quiet {
            Merged::default()
        } else {
            self.merge((partials, sliced), (moment.watermark, tells), pool)?
        };
        if let Some(running) = &self.by.running {
            return Ok(joined(running, (chunks, ran), aside)?);
        }
        if let Some(matching) = &self.by.matching {
            found.sort_unstable_by_key(|(bucket, _)| *bucket);
            let found: Vec<Found> = found.into_iter().map(|(_, found)| found).collect();
            return Ok(matching.told(&found, moment.through)?);
        }
        self.forget_past(moment.watermark);
        answers.sort_unstable_by_key(|answer| (answer.end, answer.start, answer.bucket));
        let sessions = sessions::rows_of(&self.by, &over, moment, aside)?;
        let mut rows = self.rows_of(answers, moment, aside)?;
        rows.extend(sessions);
        Ok(rows)
    }

    /// The windows of a step, if they overlap and are told when they close.
    fn sliced(&self, moment: &Moment) -> Option<Sliced> {
        let overlapping = self.by.overlapping.as_ref()?;
        if self.by.emission == Emission::Update {
            return None;
        }
        let marks = (self.watermark.unwrap_or(moment.before), moment.watermark);
        Some(Sliced::new(overlapping, marks, &self.directory))
    }

    /// Whether event time is further than when the last step ended, or may be.
    fn goes_on(&self, moment: &Moment) -> bool {
        self.watermark
            .is_none_or(|before| before < moment.watermark)
    }

    fn merge(
        &mut self,
        (partials, sliced): (Vec<Partial>, Option<Sliced>),
        (watermark, tells): (i64, Tells),
        pool: &Pool,
    ) -> Result<Merged, FlowError> {
        let task = Arc::new(LaneTask {
            by: Arc::clone(&self.by),
            key: self.key,
            source: Arc::clone(&self.source),
            directory: Arc::clone(&self.directory),
            sliced,
            partials,
            watermark,
            tells,
            step: self.steps,
            checkpoint: self.checkpoints,
            size: AtomicUsize::new(self.size()),
            size_max: self.size_max,
            is_spilled: AtomicBool::new(false),
        });
        let shared = Arc::clone(&task);
        let lanes = pool.map(pool.deal(&mut self.buckets), move |lane| shared.run(lane));
        self.is_spilled = task.is_spilled.load(Ordering::Relaxed);
        drop(task);
        let mut merged = Merged::default();
        let mut opened = Vec::new();
        for lane in lanes {
            let Lane {
                buckets,
                answers,
                ran,
                found,
                over,
                opened: new,
            } = lane?;
            for (number, bucket) in buckets {
                self.buckets[number] = bucket;
            }
            merged.answers.extend(answers);
            merged.ran.extend(ran);
            merged.found.extend(found);
            merged.over.extend(over);
            opened.extend(new);
        }
        let directory = Arc::make_mut(&mut self.directory);
        for (start, end) in opened {
            directory.open(start, end);
        }
        directory.close(watermark);
        Ok(merged)
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
            for bucket in &mut self.buckets {
                bucket.forget(start);
            }
            if !entry.is_stored() {
                continue;
            }
            self.void.push(StateChange::delete(self.key.entry(start)));
            for (bucket, number) in entry.pieces() {
                self.void
                    .push(StateChange::delete(self.key.piece(start, bucket, number)));
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
        let keys = self.by.schema.fields().len() - self.by.answers();
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
        for call in 0..self.by.answers() {
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

    /// What changed since the last checkpoint, for the redo file. The one before is committed.
    pub(crate) fn checkpoint(&mut self) -> Result<Vec<StateChange>, FlowError> {
        let mut changes = std::mem::take(&mut self.void);
        let directory = Arc::make_mut(&mut self.directory);
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            let keeper = Keeper {
                by: &self.by,
                key: self.key,
                source: &self.source,
                directory,
                checkpoint: self.checkpoints,
            };
            let sealed = bucket.seal((number, &keeper))?;
            bucket.measure();
            for (start, piece) in sealed {
                directory.stored(start, (number, piece.number));
                let key = |piece| self.key.piece(start, number, piece);
                let void = (1..=piece.void).map(|void| StateChange::delete(key(void)));
                changes.extend(void);
                changes.push(StateChange::put(key(piece.number), piece.bytes));
            }
        }
        for (start, bytes) in directory.changed() {
            changes.push(StateChange::put(self.key.entry(start), bytes));
        }
        self.checkpoints += 1;
        Ok(changes)
    }

    /// The last checkpoint is committed. Lets go of panes that were not used for longest, until all
    /// buckets take at most `size_max` bytes; steps keep to it, too.
    pub(crate) fn let_go(&mut self, size_max: usize) -> Result<(), FlowError> {
        self.size_max = size_max;
        for bucket in &mut self.buckets {
            bucket.committed();
            bucket.measure();
        }
        let mut size = self.size();
        if size <= size_max {
            return Ok(());
        }
        let by_use = |(number, bucket): (usize, &Bucket)| {
            let panes = bucket.by_use().into_iter();
            panes.map(move |(used, start)| (used, number, start))
        };
        let mut panes: Vec<(u64, usize, i64)> =
            self.buckets.iter().enumerate().flat_map(by_use).collect();
        panes.sort_unstable();
        let keeper = Keeper {
            by: &self.by,
            key: self.key,
            source: &self.source,
            directory: &self.directory,
            checkpoint: self.checkpoints,
        };
        for (_, number, start) in panes {
            if size <= size_max {
                break;
            }
            let bucket = &mut self.buckets[number];
            let before = bucket.size();
            bucket.let_go(start, (number, &keeper))?;
            size = size.saturating_sub(before) + bucket.measure();
        }
        Ok(())
    }

    /// Bytes in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.buckets.iter().map(Bucket::size).sum()
    }

    /// Whether the last step that changed something had to let panes go: the next one loads them.
    pub(crate) fn is_spilled(&self) -> bool {
        self.is_spilled
    }

    /// Whether a window waits for event time to pass its end.
    pub(crate) fn waits(&self) -> bool {
        self.by.window.is_some() && self.directory.has_open()
    }

    /// Bytes of changes that wait for the next checkpoint, beside panes in memory.
    pub(crate) fn waiting(&self) -> usize {
        self.buckets.iter().map(Bucket::waiting).sum()
    }

    /// Groups in memory.
    pub(crate) fn groups(&self) -> usize {
        self.buckets.iter().map(Bucket::groups).sum()
    }
}
