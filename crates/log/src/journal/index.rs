//! `Index`: where each live frame is: in memory while it is recent, and in which file.
//!
//! The sequencer adds, readers look up. It does no I/O, so it is never locked for long.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use mainstem_kernel::{Seq, StreamId};

use super::{file::JournalFile, group::Spot};
use crate::{Extent, Frame, ReadError, ReadFrom};

/// Touches of the tail that may be out of date before they are swept out.
const STALE_MIN: usize = 1_024;

/// A live frame.
#[derive(Clone, Debug)]
pub(crate) struct FrameRef {
    pub(crate) seq: Seq,
    pub(crate) prev: Seq,
    pub(crate) rows: u32,
    /// Bytes of the decoded rows, about.
    pub(crate) memory: u32,
    pub(crate) spot: Spot,
    pub(crate) file: Arc<JournalFile>,
    pub(crate) cached: Option<Arc<Frame>>,
}

#[derive(Debug, Default)]
struct StreamFrames {
    frames: VecDeque<FrameRef>,
    /// Its last frame ever.
    last: Seq,
    rows: u64,
    bytes: u64,
}

impl StreamFrames {
    /// Everything up to here was trimmed.
    fn trimmed(&self) -> Seq {
        self.frames.front().map_or(self.last, |frame| frame.prev)
    }

    fn push(&mut self, frame: FrameRef) {
        self.rows = self.rows.saturating_add(u64::from(frame.rows));
        self.bytes = self.bytes.saturating_add(u64::from(frame.spot.length));
        self.last = self.last.max(frame.seq);
        frame.file.add_live(frame.spot.length);
        self.frames.push_back(frame);
    }

    fn pop(&mut self, through: Seq) -> Option<FrameRef> {
        if self.frames.front()?.seq > through {
            return None;
        }
        let frame = self.frames.pop_front()?;
        self.rows = self.rows.saturating_sub(u64::from(frame.rows));
        self.bytes = self.bytes.saturating_sub(u64::from(frame.spot.length));
        frame.file.sub_live(frame.spot.length);
        Some(frame)
    }

    fn get_mut(&mut self, seq: Seq) -> Option<&mut FrameRef> {
        let at = self
            .frames
            .binary_search_by_key(&seq, |frame| frame.seq)
            .ok()?;
        self.frames.get_mut(at)
    }

    fn extent(&self) -> Option<Extent> {
        let (first, last) = (self.frames.front()?.seq, self.frames.back()?.seq);
        Some(Extent {
            first,
            last,
            rows: self.rows,
            bytes: self.bytes,
        })
    }
}

/// Where each live frame is.
#[derive(Debug)]
pub(crate) struct Index {
    streams: HashMap<StreamId, StreamFrames>,
    frontier: Seq,
    /// Frames in memory, the oldest first; some may have been trimmed.
    tail: VecDeque<(StreamId, Seq)>,
    tail_frames: usize,
    tail_bytes: u64,
    tail_bytes_max: u64,
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) frames: Vec<FrameRef>,
    pub(crate) through: Seq,
    pub(crate) is_end: bool,
}

impl Index {
    pub(crate) fn new(tail_bytes_max: u64) -> Self {
        Self {
            streams: HashMap::new(),
            frontier: Seq::ZERO,
            tail: VecDeque::new(),
            tail_frames: 0,
            tail_bytes: 0,
            tail_bytes_max,
        }
    }

    pub(crate) const fn frontier(&self) -> Seq {
        self.frontier
    }

    pub(crate) const fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// Shows a group to readers. Gives frames that left the tail: dropping them takes time, so
    /// the caller does it without the lock.
    pub(crate) fn publish(
        &mut self,
        frames: Vec<(StreamId, FrameRef)>,
        frontier: Seq,
    ) -> Vec<Arc<Frame>> {
        for (stream, frame) in frames {
            if frame.cached.is_some() {
                self.tail.push_back((stream, frame.seq));
                self.tail_frames = self.tail_frames.saturating_add(1);
                self.tail_bytes = self.tail_bytes.saturating_add(u64::from(frame.memory));
            }
            self.streams.entry(stream).or_default().push(frame);
        }
        self.frontier = self.frontier.max(frontier);
        self.evict()
    }

    /// What recovery found of a stream: its live frames in order, and its last frame ever.
    pub(crate) fn restore(&mut self, stream: StreamId, frames: Vec<FrameRef>, last: Seq) {
        let state = self.streams.entry(stream).or_default();
        state.last = last;
        for frame in frames {
            state.push(frame);
        }
    }

    pub(crate) fn restore_frontier(&mut self, frontier: Seq) {
        self.frontier = frontier;
    }

    /// Lets the oldest frames in memory go until the tail fits.
    fn evict(&mut self) -> Vec<Arc<Frame>> {
        let mut evicted = Vec::new();
        while self.tail_bytes > self.tail_bytes_max {
            let Some((stream, seq)) = self.tail.pop_front() else {
                break;
            };
            let found = self
                .streams
                .get_mut(&stream)
                .and_then(|frames| frames.get_mut(seq));
            let Some(frame) = found else { continue };
            if let Some(cached) = frame.cached.take() {
                self.tail_bytes = self.tail_bytes.saturating_sub(u64::from(frame.memory));
                self.tail_frames = self.tail_frames.saturating_sub(1);
                evicted.push(cached);
            }
        }
        evicted
    }

    /// Forgets a stream's frames up to and including `through`, and gives them for dropping
    /// without the lock.
    pub(crate) fn trim(&mut self, stream: StreamId, through: Seq) -> Vec<FrameRef> {
        let mut trimmed = Vec::new();
        let Some(state) = self.streams.get_mut(&stream) else {
            return trimmed;
        };
        while let Some(frame) = state.pop(through) {
            if frame.cached.is_some() {
                self.tail_bytes = self.tail_bytes.saturating_sub(u64::from(frame.memory));
                self.tail_frames = self.tail_frames.saturating_sub(1);
            }
            trimmed.push(frame);
        }
        let limit = self.tail_frames.saturating_mul(2).saturating_add(STALE_MIN);
        if self.tail.len() > limit {
            let streams = &self.streams;
            self.tail.retain(|(stream, seq)| {
                streams
                    .get(stream)
                    .is_some_and(|state| *seq > state.trimmed())
            });
        }
        trimmed
    }

    /// Up to where each stream was given up.
    pub(crate) fn trimmed(&self) -> HashMap<StreamId, Seq> {
        self.streams
            .iter()
            .map(|(stream, state)| (*stream, state.trimmed()))
            .collect()
    }

    /// The live frames of a file, by seq.
    pub(crate) fn frames_of(&self, file: &Arc<JournalFile>) -> Vec<(StreamId, FrameRef)> {
        let generation = file.generation();
        let mut frames = Vec::new();
        for (stream, state) in &self.streams {
            let own = state
                .frames
                .iter()
                .filter(|frame| frame.file.generation() == generation);
            frames.extend(own.map(|frame| (*stream, frame.clone())));
        }
        frames.sort_unstable_by_key(|(_, frame)| frame.seq);
        frames
    }

    /// Frames stand elsewhere now. Those that were trimmed meanwhile stay so.
    pub(crate) fn relocate(&mut self, frames: Vec<(StreamId, Seq, Spot)>, file: &Arc<JournalFile>) {
        for (stream, seq, spot) in frames {
            let found = self
                .streams
                .get_mut(&stream)
                .and_then(|state| state.get_mut(seq));
            let Some(frame) = found else { continue };
            frame.file.sub_live(frame.spot.length);
            file.add_live(spot.length);
            frame.spot = spot;
            frame.file = Arc::clone(file);
        }
    }

    /// The frames that a read asks for, without touching the disk.
    pub(crate) fn find(&self, stream: StreamId, from: ReadFrom) -> Result<Found, ReadError> {
        let end = self.frontier.min(from.through);
        let mut found = Found {
            frames: Vec::new(),
            through: end.max(from.after),
            is_end: true,
        };
        let Some(state) = self.streams.get(&stream) else {
            return Ok(found);
        };
        let trimmed = state.trimmed();
        if from.after < trimmed {
            return Err(ReadError::Trimmed { stream, trimmed });
        }
        let first = state
            .frames
            .partition_point(|frame| frame.seq <= from.after);
        let mut bytes = 0_usize;
        for frame in state
            .frames
            .range(first..)
            .take_while(|frame| frame.seq <= end)
        {
            if bytes >= from.bytes_max && !found.frames.is_empty() {
                found.through = found.frames.last().map_or(from.after, |frame| frame.seq);
                found.is_end = false;
                break;
            }
            bytes = bytes.saturating_add(usize::try_from(frame.memory).unwrap_or(usize::MAX));
            found.frames.push(frame.clone());
        }
        Ok(found)
    }

    pub(crate) fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.streams.get(&stream)?.extent()
    }

    pub(crate) fn extents(&self) -> Vec<(StreamId, Extent)> {
        let all = self
            .streams
            .iter()
            .filter_map(|(id, state)| Some((*id, state.extent()?)));
        let mut extents: Vec<_> = all.collect();
        extents.sort_unstable_by_key(|(stream, _)| *stream);
        extents
    }
}
