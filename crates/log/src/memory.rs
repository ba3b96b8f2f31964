//! `MemoryLog`: a log in memory, for tests of the parts above and as the model of the others.
//!
//! It keeps every promise of [`Log`] but durability, never forgets what was not trimmed, and
//! commits each append in the caller's thread.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Duration,
};

use mainstem_kernel::{ByteSize, ProducerId, Seq, StreamId, clock::SharedClock};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::{
    Append, AppendError, Appended, Chunk, Done, Extent, Frame, Log, ReadError, ReadFrom,
    ledger::{Ledger, Place, StampLimits, check_shape},
};

/// Largest append.
const APPEND_SIZE_MAX: ByteSize = ByteSize::mib(16);
/// What is remembered of senders.
const STAMP_LIMITS: StampLimits = StampLimits {
    producers_max: 10_000,
    request_keep: Duration::from_secs(24 * 60 * 60),
};

/// A log in memory.
pub struct MemoryLog {
    clock: SharedClock,
    /// Held during a whole append, so that seqs come out in order.
    ledger: Mutex<Ledger>,
    streams: RwLock<BTreeMap<StreamId, Stream>>,
    frontier: watch::Sender<Seq>,
}

#[derive(Debug, Default)]
struct Stream {
    trimmed: Seq,
    frames: VecDeque<(Frame, u64)>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            ledger: Mutex::new(Ledger::new(STAMP_LIMITS)),
            streams: RwLock::default(),
            frontier: watch::Sender::new(Seq::ZERO),
        }
    }

    fn commit(&self, append: Append) -> Result<Appended, AppendError> {
        let size: usize = append.frames.iter().map(|draft| draft.body.len()).sum();
        check_shape(&append.frames, (ByteSize::from(size), APPEND_SIZE_MAX))?;
        let mut ledger = self.ledger.lock();
        let places = ledger.place(append.frames.iter(), self.clock.now())?;
        ledger.settle();
        let appended = appended(&places);
        let mut streams = self.streams.write();
        for (draft, place) in append.frames.into_iter().zip(places) {
            let bytes = u64::try_from(draft.body.len()).unwrap_or(u64::MAX);
            let frame = Frame {
                seq: place.seq,
                stream: draft.stream,
                schema: draft.schema,
                key: draft.key,
                entries: place.entries,
                batch: draft.batch,
            };
            streams
                .entry(draft.stream)
                .or_default()
                .frames
                .push_back((frame, bytes));
        }
        drop(streams);
        self.frontier.send_replace(appended.last());
        Ok(appended)
    }
}

/// What the caller is told of its places.
pub(crate) fn appended(places: &[Place]) -> Appended {
    let offsets = |place: &Place| {
        place
            .entries
            .iter()
            .map(|entry| entry.first_offset)
            .collect()
    };
    Appended {
        seqs: places.iter().map(|place| place.seq).collect(),
        first_offsets: places.iter().map(offsets).collect(),
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLog")
            .field("frontier", &self.frontier())
            .finish_non_exhaustive()
    }
}

impl Log for MemoryLog {
    fn append(&self, append: Append, done: Done) {
        let outcome = self.commit(append);
        done(outcome);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        let streams = self.streams.read();
        let end = self.frontier().min(from.through);
        let mut chunk = Chunk {
            frames: Vec::new(),
            through: end.max(from.after),
            is_end: true,
        };
        let Some(state) = streams.get(&stream) else {
            return Ok(chunk);
        };
        if from.after < state.trimmed {
            return Err(ReadError::Trimmed {
                stream,
                trimmed: state.trimmed,
            });
        }
        let first = state
            .frames
            .partition_point(|(frame, _)| frame.seq <= from.after);
        let mut bytes = 0_usize;
        for (frame, _) in state
            .frames
            .range(first..)
            .take_while(|(frame, _)| frame.seq <= end)
        {
            if bytes >= from.bytes_max && !chunk.frames.is_empty() {
                chunk.is_end = false;
                chunk.through = chunk.frames.last().map_or(from.after, |frame| frame.seq);
                break;
            }
            bytes = bytes.saturating_add(frame.batch.get_array_memory_size());
            chunk.frames.push(frame.clone());
        }
        Ok(chunk)
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.streams.read().get(&stream).and_then(Stream::extent)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        let streams = self.streams.read();
        streams
            .iter()
            .filter_map(|(id, stream)| Some((*id, stream.extent()?)))
            .collect()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        let mut streams = self.streams.write();
        let Some(state) = streams.get_mut(&stream) else {
            return;
        };
        while let Some((frame, _)) = state
            .frames
            .front()
            .filter(|(frame, _)| frame.seq <= through)
        {
            state.trimmed = frame.seq;
            state.frames.pop_front();
        }
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.ledger.lock().next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        let mut ledger = self.ledger.lock();
        ledger.pass(self.clock.now());
        self.frontier.send_replace(ledger.last());
        Ok(ledger.last())
    }

    fn frontier(&self) -> Seq {
        *self.frontier.borrow()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.frontier.subscribe()
    }
}

impl Stream {
    fn extent(&self) -> Option<Extent> {
        let (first, last) = (self.frames.front()?, self.frames.back()?);
        let rows = self.frames.iter().map(|(frame, _)| frame.batch.num_rows());
        Some(Extent {
            first: first.0.seq,
            last: last.0.seq,
            rows: rows
                .map(|rows| u64::try_from(rows).unwrap_or(u64::MAX))
                .sum(),
            bytes: self.frames.iter().map(|(_, bytes)| bytes).sum(),
        })
    }
}

#[cfg(test)]
mod tests;
