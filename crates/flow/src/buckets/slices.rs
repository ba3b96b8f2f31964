//! Windows that overlap, where they are told when they close: state is kept once per slice (see
//! `Overlapping`), and a window is merged from its slices when it is due.
//!
//! # A step, in one bucket
//!
//! 1. Windows that were told before and that chunks change, because they are kept for corrections:
//!    what they answered of the groups of these chunks is merged from the slices as they are, the
//!    chunks are added, and what differs is told.
//! 2. The chunks are merged into their slices.
//! 3. Windows that close are merged from all their slices, and told whole.
//!
//! Which windows were told before follows from the watermark at which the last step ended: all that
//! had ended by then. A slice goes when its last window can no longer change.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use mainstem_sql::view::Overlapping;

use super::{
    Answer,
    bucket::Bucket,
    directory::Directory,
    lane::{Lane, LaneTask},
};
use crate::{
    change::NO_WATERMARK,
    errors::FlowError,
    group_by::{GroupBy, Partial},
    pane::{KeepBefore, Pane},
};

/// Windows of a step.
#[derive(Debug)]
pub(super) struct Sliced {
    /// Windows below were told before.
    told_below: i64,
    /// Windows below are told when the step is over.
    closed_below: i64,
    /// Those between that have a slice, as of the step's begin.
    closing: Vec<i64>,
}

impl Sliced {
    /// The windows of a step from one watermark to another.
    pub(super) fn new(
        overlapping: &Overlapping,
        (before, now): (i64, i64),
        directory: &Directory,
    ) -> Self {
        let below = |watermark: i64| match watermark {
            NO_WATERMARK => i64::MIN,
            watermark => overlapping.first_open(watermark).unwrap_or(i64::MIN),
        };
        let (told_below, closed_below) = (below(before), below(now));
        let mut closing = BTreeSet::new();
        if told_below < closed_below {
            for (slice, _) in directory.all() {
                if let Some(windows) = overlapping.windows_of(slice) {
                    let first = (*windows.start()).max(told_below);
                    closing.extend(first..closed_below.min(*windows.end() + 1));
                }
            }
        }
        Self {
            told_below,
            closed_below,
            closing: closing.into_iter().collect(),
        }
    }

    /// Whether no window closes.
    pub(super) fn is_quiet(&self) -> bool {
        self.closing.is_empty()
    }
}

/// What chunks were merged into.
#[derive(Debug, Default)]
struct Merged {
    /// Windows that close.
    due: BTreeSet<i64>,
    /// Slices: their ids and ends.
    slices: BTreeSet<(i64, i64)>,
}

/// A bucket in its step.
struct Slices<'a> {
    task: &'a LaneTask,
    overlapping: &'a Overlapping,
    sliced: &'a Sliced,
    number: usize,
    bucket: &'a mut Bucket,
}

impl LaneTask {
    /// The step of a bucket whose windows overlap; whether it touched any state.
    pub(super) fn run_sliced(
        &self,
        (number, bucket): (usize, &mut Bucket),
        (overlapping, sliced): (&Overlapping, &Sliced),
        lane: &mut Lane,
    ) -> Result<bool, FlowError> {
        let mut slices = Slices {
            task: self,
            overlapping,
            sliced,
            number,
            bucket,
        };
        let corrected = slices.correct()?;
        let Merged {
            mut due,
            slices: opened,
        } = slices.merge()?;
        due.extend(&sliced.closing);
        let is_used = !due.is_empty() || !opened.is_empty() || !corrected.is_empty();
        for window in due {
            if slices.slices_of(window).is_empty() {
                continue;
            }
            let told = slices.whole(window)?.tell_all(&self.by)?;
            slices.answer(window, told, &mut lane.answers);
        }
        for (window, mut pane) in corrected {
            let told = pane.tell_changes(&self.by)?;
            slices.answer(window, told, &mut lane.answers);
        }
        let new = opened.into_iter();
        lane.opened
            .extend(new.filter(|(id, _)| !self.directory.knows(*id)));
        Ok(is_used)
    }
}

impl Slices<'_> {
    /// Windows that were told before and change, with what they answered and the chunks.
    fn correct(&mut self) -> Result<BTreeMap<i64, Pane>, FlowError> {
        let mut corrected: BTreeMap<i64, Pane> = BTreeMap::new();
        let task = self.task;
        for partial in &task.partials {
            for (slice, run) in runs(partial, self.number) {
                let (first, last) = self.windows_of(slice);
                for window in first..self.sliced.told_below.min(last + 1) {
                    let pane = match corrected.entry(window) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => entry.insert(Pane::new(self.by())?),
                    };
                    let fresh = pane.know(partial, run);
                    if !fresh.is_empty() {
                        for id in self.slices_of(window) {
                            pane.absorb_of(self.pane(id)?, fresh.clone());
                        }
                    }
                    pane.take(partial, run, KeepBefore::Yes)?;
                }
            }
        }
        Ok(corrected)
    }

    /// Merges chunks into slices.
    fn merge(&mut self) -> Result<Merged, FlowError> {
        let (task, mut merged) = (self.task, Merged::default());
        for partial in &task.partials {
            for (slice, run) in runs(partial, self.number) {
                let (first, last) = self.windows_of(slice);
                let first = first.max(self.sliced.told_below);
                let closing = first..self.sliced.closed_below.min(last + 1);
                merged.due.extend(closing);
                merged.slices.insert(slice);
                let pane = self.pane(slice.0)?;
                pane.take(partial, run, KeepBefore::No)?;
            }
        }
        Ok(merged)
    }

    /// A window, merged from its slices.
    fn whole(&mut self, window: i64) -> Result<Pane, FlowError> {
        let mut whole = Pane::new(self.by())?;
        for id in self.slices_of(window) {
            whole.absorb(self.pane(id)?);
        }
        Ok(whole)
    }

    /// The slices that this bucket has of a window, in the order of their ids.
    fn slices_of(&self, window: i64) -> Vec<i64> {
        let Some((from, below)) = self.overlapping.slices_of(window) else {
            return Vec::new();
        };
        let directory = self.task.directory.as_ref();
        let kept = directory.within(from..below);
        let kept = kept.filter(|id| self.bucket.has(*id, (self.number, directory)));
        let new = self.bucket.loaded_within(from..below);
        let mut ids: Vec<i64> = kept.chain(new).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| {
            let windows = self.overlapping.windows_of(*id);
            windows.is_some_and(|windows| windows.contains(&window))
        });
        ids
    }

    fn pane(&mut self, slice: i64) -> Result<&mut Pane, FlowError> {
        let keeper = self.task.keeper();
        let pane = self.bucket.pane(slice, (self.number, &keeper))?;
        pane.used = self.task.step;
        Ok(pane)
    }

    fn windows_of(&self, (slice, _): (i64, i64)) -> (i64, i64) {
        let windows = self.overlapping.windows_of(slice);
        // Ids are made of windows, so they have some.
        windows.map_or((0, -1), |windows| (*windows.start(), *windows.end()))
    }

    fn answer(&self, window: i64, told: Option<crate::pane::Told>, answers: &mut Vec<Answer>) {
        let bounds = self.overlapping.bounds(window);
        if let (Some(told), Some((start, end))) = (told, bounds) {
            answers.push(Answer {
                start,
                end,
                bucket: self.number,
                told,
            });
        }
    }

    fn by(&self) -> &GroupBy {
        &self.task.by
    }
}

/// The groups of a chunk in a bucket, slice by slice as they stand.
pub(super) fn runs(partial: &Partial, bucket: usize) -> impl Iterator<Item = ((i64, i64), &[u32])> {
    let slice_of = |group: &u32| partial.windows[*group as usize];
    let runs = partial.of_bucket(bucket);
    let runs = runs.chunk_by(move |a, b| slice_of(a) == slice_of(b));
    runs.filter_map(move |run| Some((run.first().map(slice_of)?, run)))
}
