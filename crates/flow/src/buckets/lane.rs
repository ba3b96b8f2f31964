//! One thread's share of a step: some buckets, one after the other, all chunks.
//!
//! While state takes more memory than it may, the panes of a bucket are let go as soon as the
//! bucket is done: those that were not used for longest first, and of a bucket that does not fit
//! all. Buckets that fit stay, so that a step which touches every bucket finds most of them again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mainstem_sql::view::{Outer, Overlapping};

use super::{
    Answer,
    bucket::{Bucket, Keeper},
    directory::Directory,
    sessions::Over,
    slices::Sliced,
};
use crate::{
    change::NO_WATERMARK,
    errors::FlowError,
    group_by::{Emission, GroupBy, NO_WINDOW, Partial},
    matching::Found,
    pane::{KeepBefore, Tells},
    running::Ran,
    state::{SharedState, StateKey},
};

/// What all lanes of a step share.
#[derive(Debug)]
pub(super) struct LaneTask {
    pub(super) by: Arc<GroupBy>,
    pub(super) key: StateKey,
    pub(super) source: SharedState,
    /// As of the step's begin.
    pub(super) directory: Arc<Directory>,
    /// Windows that overlap and are told when they close.
    pub(super) sliced: Option<Sliced>,
    pub(super) partials: Vec<Partial>,
    pub(super) watermark: i64,
    pub(super) tells: Tells,
    pub(super) step: u64,
    /// Number of the next checkpoint.
    pub(super) checkpoint: u64,
    /// Bytes of all buckets in memory.
    pub(super) size: AtomicUsize,
    pub(super) size_max: usize,
    /// Whether panes had to go.
    pub(super) is_spilled: AtomicBool,
}

/// What a lane did.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) buckets: Vec<(usize, Bucket)>,
    pub(super) answers: Vec<Answer>,
    /// Figures of rows, with the number of their chunk.
    pub(super) ran: Vec<(usize, Ran)>,
    /// Changes of pairs, with the number of their bucket.
    pub(super) found: Vec<(usize, Found)>,
    /// Sessions that are over.
    pub(super) over: Vec<Over>,
    /// Windows that are not in the directory: start and end.
    pub(super) opened: Vec<(i64, i64)>,
}

impl LaneTask {
    pub(super) fn run(&self, buckets: Vec<(usize, Bucket)>) -> Result<Lane, FlowError> {
        let mut lane = Lane {
            buckets: Vec::with_capacity(buckets.len()),
            answers: Vec::new(),
            ran: Vec::new(),
            found: Vec::new(),
            over: Vec::new(),
            opened: Vec::new(),
        };
        let closing = self.directory.closing(self.watermark);
        for (number, mut bucket) in buckets {
            if let (Some(overlapping), Some(sliced)) = (&self.by.overlapping, &self.sliced) {
                if self.run_sliced((number, &mut bucket), (overlapping, sliced), &mut lane)? {
                    self.fit((number, &mut bucket))?;
                }
                lane.buckets.push((number, bucket));
                continue;
            }
            if let Some(sessions) = self.by.sessions {
                if self.run_sessions((number, &mut bucket), sessions, &mut lane)? {
                    self.fit((number, &mut bucket))?;
                }
                lane.buckets.push((number, bucket));
                continue;
            }
            if let Some(matching) = &self.by.matching {
                let found = self.pair((number, &mut bucket), matching.outer)?;
                lane.found.extend(found.map(|found| (number, found)));
                if !self.directory.knows(NO_WINDOW.0) && lane.opened.is_empty() {
                    lane.opened.push(NO_WINDOW);
                }
                lane.buckets.push((number, bucket));
                continue;
            }
            let mut windows = Vec::new();
            for (chunk, partial) in self.partials.iter().enumerate() {
                let ran = self.merge((number, &mut bucket), partial, &mut windows)?;
                lane.ran.extend(ran.map(|ran| (chunk, ran)));
            }
            windows.extend(closing.iter().copied());
            windows.sort_unstable();
            windows.dedup();
            let is_used = !windows.is_empty();
            for window in windows {
                self.tell((number, &mut bucket), window, &mut lane.answers)?;
                let (start, end) = window;
                if !self.directory.knows(start) && !lane.opened.contains(&window) {
                    lane.opened.push((start, end));
                }
            }
            if is_used {
                self.fit((number, &mut bucket))?;
            }
            lane.buckets.push((number, bucket));
        }
        Ok(lane)
    }

    pub(super) fn keeper(&self) -> Keeper<'_> {
        Keeper {
            by: &self.by,
            key: self.key,
            source: &self.source,
            directory: &self.directory,
            checkpoint: self.checkpoint,
        }
    }

    /// Pairs the rows of all chunks of a bucket, if it has some.
    fn pair(
        &self,
        (number, bucket): (usize, &mut Bucket),
        outer: Outer,
    ) -> Result<Option<Found>, FlowError> {
        let mut found = Found::default();
        let chunks = self.partials.iter();
        let mut chunks = chunks
            .map(|partial| (partial, partial.of_bucket(number)))
            .filter(|(_, groups)| !groups.is_empty())
            .peekable();
        if chunks.peek().is_none() {
            return Ok(None);
        }
        for (partial, groups) in chunks {
            let (start, _) = NO_WINDOW;
            let pane = bucket.pane(start, (number, &self.keeper()))?;
            pane.used = self.step;
            pane.pair((partial, groups), outer, &mut found)?;
        }
        found.settle();
        self.fit((number, bucket))?;
        Ok(Some(found))
    }

    /// Lets panes of a bucket go while all buckets take more than they may.
    fn fit(&self, (number, bucket): (usize, &mut Bucket)) -> Result<(), FlowError> {
        self.remeasure(bucket);
        if self.size.load(Ordering::Relaxed) <= self.size_max {
            return Ok(());
        }
        self.is_spilled.store(true, Ordering::Relaxed);
        for (_, start) in bucket.by_use() {
            bucket.let_go(start, (number, &self.keeper()))?;
            self.remeasure(bucket);
            if self.size.load(Ordering::Relaxed) <= self.size_max {
                break;
            }
        }
        Ok(())
    }

    fn remeasure(&self, bucket: &mut Bucket) {
        let before = bucket.size();
        let after = bucket.measure();
        match after.checked_sub(before) {
            Some(more) => self.size.fetch_add(more, Ordering::Relaxed),
            None => self.size.fetch_sub(before - after, Ordering::Relaxed),
        };
    }

    /// Merges a chunk's groups of a bucket; notes the windows that they are in. Gives the figures
    /// of its rows where each is told.
    fn merge(
        &self,
        (number, bucket): (usize, &mut Bucket),
        partial: &Partial,
        windows: &mut Vec<(i64, i64)>,
    ) -> Result<Option<Ran>, FlowError> {
        let groups = partial.of_bucket(number);
        let window_of = |group: &u32| partial.windows[*group as usize];
        for run in groups.chunk_by(|a, b| window_of(a) == window_of(b)) {
            let Some(window) = run.first().map(window_of) else {
                continue;
            };
            for window in self.windows_of(window) {
                if windows.last() != Some(&window) {
                    windows.push(window);
                }
                let (start, _) = window;
                let pane = bucket.pane(start, (number, &self.keeper()))?;
                pane.used = self.step;
                if let (Some(running), Some(chunk)) = (&self.by.running, &partial.chunk) {
                    // There are no windows: all groups are one run.
                    return Ok(Some(pane.run(running, (partial, chunk), run)?));
                }
                pane.take(partial, run, self.keep_before(start))?;
            }
        }
        Ok(None)
    }

    fn keep_before(&self, start: i64) -> KeepBefore {
        match self.by.emission {
            Emission::Update if self.tells == Tells::Rows => KeepBefore::Touched,
            Emission::Update => KeepBefore::Yes,
            Emission::Close { .. } if self.directory.is_closed(start) => KeepBefore::Yes,
            Emission::Close { .. } => KeepBefore::No,
        }
    }

    /// Each window of a slice by itself, if windows overlap: its id and its end.
    fn windows_of(&self, window: (i64, i64)) -> Vec<(i64, i64)> {
        let Some(overlapping) = &self.by.overlapping else {
            return vec![window];
        };
        let windows = overlapping.windows_of(window.0).into_iter().flatten();
        let windows = windows.filter_map(|window| {
            let (_, end) = overlapping.bounds(window)?;
            Some((overlapping.id(window)?, end))
        });
        windows.collect()
    }

    /// When the window of an id starts.
    fn start_of(&self, id: i64) -> i64 {
        let of = |overlapping: &Arc<Overlapping>| overlapping.bounds(overlapping.window(id)?);
        let bounds = self.by.overlapping.as_ref().and_then(of);
        bounds.map_or(id, |(start, _)| start)
    }

    /// What a window's pane has to say.
    fn tell(
        &self,
        (number, bucket): (usize, &mut Bucket),
        (start, end): (i64, i64),
        answers: &mut Vec<Answer>,
    ) -> Result<(), FlowError> {
        let is_past =
            self.by.window.is_some() && self.watermark != NO_WATERMARK && end <= self.watermark;
        let closes = is_past && !self.directory.is_closed(start);
        let is_needed =
            bucket.is_loaded(start) || (closes && bucket.has(start, (number, &self.directory)));
        if !is_needed {
            return Ok(());
        }
        let is_final = matches!(self.by.emission, Emission::Close { .. });
        let pane = bucket.pane(start, (number, &self.keeper()))?;
        let told = match (is_final, closes) {
            (true, true) => pane.tell_all(&self.by)?,
            _ if !pane.is_touched() => None,
            _ if self.tells == Tells::Rows => Some(pane.tell_touched(&self.by)?),
            _ => pane.tell_changes(&self.by)?,
        };
        answers.extend(told.map(|told| Answer {
            start: self.start_of(start),
            end,
            bucket: number,
            told,
        }));
        Ok(())
    }
}
