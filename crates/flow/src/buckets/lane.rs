//! One thread's share of a step: some buckets, all chunks.

use std::sync::Arc;

use super::{Answer, Panes, directory::Directory};
use crate::{
    change::NO_WATERMARK,
    errors::FlowError,
    group_by::{Emission, GroupBy, Partial},
    pane::{KeepBefore, Pane, Tells},
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
    pub(super) partials: Vec<Partial>,
    pub(super) watermark: i64,
    pub(super) tells: Tells,
    pub(super) step: u64,
}

/// What a lane did.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) buckets: Vec<(usize, Panes)>,
    pub(super) answers: Vec<Answer>,
    /// Windows that are not in the directory: start and end.
    pub(super) opened: Vec<(i64, i64)>,
}

impl LaneTask {
    pub(super) fn run(&self, buckets: Vec<(usize, Panes)>) -> Result<Lane, FlowError> {
        let mut lane = Lane {
            buckets: Vec::with_capacity(buckets.len()),
            answers: Vec::new(),
            opened: Vec::new(),
        };
        let closing = self.directory.closing(self.watermark);
        for (bucket, mut panes) in buckets {
            let mut windows = Vec::new();
            for partial in &self.partials {
                self.merge((bucket, &mut panes), partial, &mut windows)?;
            }
            windows.extend(closing.iter().copied());
            windows.sort_unstable();
            windows.dedup();
            for window in windows {
                self.tell((bucket, &mut panes), window, &mut lane.answers)?;
                let (start, end) = window;
                if !self.directory.knows(start) && !lane.opened.contains(&window) {
                    lane.opened.push((start, end));
                }
            }
            lane.buckets.push((bucket, panes));
        }
        Ok(lane)
    }

    /// Merges a chunk's groups of a bucket; notes the windows that they are in.
    fn merge(
        &self,
        (bucket, panes): (usize, &mut Panes),
        partial: &Partial,
        windows: &mut Vec<(i64, i64)>,
    ) -> Result<(), FlowError> {
        let groups = partial.of_bucket(bucket);
        let window_of = |group: &u32| partial.windows[*group as usize];
        for run in groups.chunk_by(|a, b| window_of(a) == window_of(b)) {
            let Some(window) = run.first().map(window_of) else {
                continue;
            };
            if windows.last() != Some(&window) {
                windows.push(window);
            }
            let (start, _) = window;
            let keep_before = match self.by.emission {
                Emission::Update if self.tells == Tells::Rows => KeepBefore::Touched,
                Emission::Update => KeepBefore::Yes,
                Emission::Close { .. } if self.directory.is_closed(start) => KeepBefore::Yes,
                Emission::Close { .. } => KeepBefore::No,
            };
            let pane = self.pane((bucket, panes), start)?;
            pane.used = self.step;
            pane.take(partial, run, keep_before)?;
        }
        Ok(())
    }

    /// The pane of a window, from memory or the store, or a new one.
    fn pane<'a>(
        &self,
        (bucket, panes): (usize, &'a mut Panes),
        start: i64,
    ) -> Result<&'a mut Pane, FlowError> {
        use std::collections::btree_map::Entry;
        match panes.entry(start) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let pane = if self.directory.is_stored(start, bucket) {
                    self.load(start, bucket)?
                } else {
                    Pane::new(&self.by)?
                };
                Ok(entry.insert(pane))
            }
        }
    }

    fn load(&self, start: i64, bucket: usize) -> Result<Pane, FlowError> {
        let prefix = self.key.pieces(start, bucket);
        let found = self.source.load(&prefix)?;
        let pieces = found
            .iter()
            .filter_map(|(key, bytes)| Some((*key.last()?, bytes.as_ref())));
        let loaded = Pane::load(&self.by, pieces)?;
        loaded.map_err(|_damaged| FlowError::State {
            view: self.key.view,
        })
    }

    /// What a window's pane has to say.
    fn tell(
        &self,
        (bucket, panes): (usize, &mut Panes),
        (start, end): (i64, i64),
        answers: &mut Vec<Answer>,
    ) -> Result<(), FlowError> {
        let is_past =
            self.by.window.is_some() && self.watermark != NO_WATERMARK && end <= self.watermark;
        let closes = is_past && !self.directory.is_closed(start);
        let is_needed =
            panes.contains_key(&start) || (closes && self.directory.is_stored(start, bucket));
        if !is_needed {
            return Ok(());
        }
        let is_final = matches!(self.by.emission, Emission::Close { .. });
        let pane = self.pane((bucket, panes), start)?;
        let told = match (is_final, closes) {
            (true, true) => pane.tell_all(&self.by)?,
            _ if !pane.is_touched() => None,
            _ if self.tells == Tells::Rows => Some(pane.tell_touched(&self.by)?),
            _ => pane.tell_changes(&self.by)?,
        };
        answers.extend(told.map(|told| Answer {
            start,
            end,
            bucket,
            told,
        }));
        Ok(())
    }
}
