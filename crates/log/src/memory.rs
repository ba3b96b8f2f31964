//! A log in memory, for tests of the parts above: the same promises, nothing survives it.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{Offset, PartitionId, ProducerId, Seq, StreamId, clock::SharedClock};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Append, AppendError, Appended, Chunk, Done, Draft, Entry, Extent, Frame, Log, ReadError,
    ReadFrom,
    producers::{ProducerKey, Producers},
    verdict::judge,
};

/// Producers that a log in memory remembers.
const PRODUCERS_MAX: usize = 100_000;

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    clock: SharedClock,
    state: Mutex<State>,
    frontier: watch::Sender<Seq>,
}

#[derive(Debug)]
struct State {
    last: Seq,
    streams: BTreeMap<StreamId, Held>,
    next_offsets: BTreeMap<(StreamId, PartitionId), Offset>,
    producers: Producers,
}

#[derive(Debug, Default)]
struct Held {
    trimmed: Seq,
    frames: BTreeMap<Seq, (Frame, u64)>,
}

impl MemoryLog {
    /// An empty log whose seqs follow `clock`.
    #[must_use]
    pub fn new(clock: SharedClock) -> Arc<Self> {
        let state = State {
            last: Seq::ZERO,
            streams: BTreeMap::new(),
            next_offsets: BTreeMap::new(),
            producers: Producers::bounded(PRODUCERS_MAX),
        };
        Arc::new(Self { clock, state: Mutex::new(state), frontier: watch::Sender::new(Seq::ZERO) })
    }
}

impl State {
    fn append(&mut self, append: Append, clock: &SharedClock) -> Result<Appended, AppendError> {
        judge(&self.producers, &append)?;
        let mut appended = Appended { seqs: Vec::new(), first_offsets: Vec::new() };
        for draft in append.frames {
            self.last = self.last.next(clock.now());
            let bytes = u64::try_from(draft.body.len()).unwrap_or(u64::MAX);
            let frame = self.place(draft);
            appended.seqs.push(frame.seq);
            appended.first_offsets.push(frame.entries.iter().map(|e| e.first_offset).collect());
            let held = self.streams.entry(frame.stream).or_default();
            held.frames.insert(frame.seq, (frame, bytes));
        }
        Ok(appended)
    }

    /// Gives a draft its seq and offsets, and remembers its stamps.
    fn place(&mut self, draft: Draft) -> Frame {
        let mut entries = Vec::with_capacity(draft.entries.len());
        for entry in draft.entries {
            let next = self.next_offsets.entry((draft.stream, entry.partition)).or_default();
            let first_offset = *next;
            next.0 = next.0.saturating_add(u64::from(entry.rows));
            if let Some(stamp) = entry.stamp {
                let key = ProducerKey::of(draft.stream, entry.partition, stamp);
                self.producers.record(key, stamp, self.last, u64::from(entry.rows));
            }
            entries.push(Entry {
                partition: entry.partition,
                first_offset,
                offset_span: entry.rows,
                rows: entry.rows,
                stamp: entry.stamp,
            });
        }
        Frame {
            seq: self.last,
            stream: draft.stream,
            schema: draft.schema,
            key: draft.key,
            entries: entries.into(),
            batch: draft.batch,
        }
    }
}

impl Log for MemoryLog {
    fn append(&self, append: Append, done: Done) {
        let mut state = self.state.lock();
        let result = state.append(append, &self.clock);
        let last = state.last;
        drop(state);
        self.frontier.send_replace(last);
        done(result);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        let state = self.state.lock();
        let end = from.through.min(state.last);
        let empty = Chunk { frames: Vec::new(), through: end.max(from.after), is_end: true };
        let Some(held) = state.streams.get(&stream) else {
            return Ok(empty);
        };
        if from.after < held.trimmed {
            return Err(ReadError::Trimmed { stream, trimmed: held.trimmed });
        }
        if from.after >= end {
            return Ok(empty);
        }
        let mut chunk = empty;
        let mut bytes = 0;
        let range = (std::ops::Bound::Excluded(from.after), std::ops::Bound::Included(end));
        for (seq, (frame, _)) in held.frames.range(range) {
            if bytes >= from.bytes_max && !chunk.frames.is_empty() {
                chunk.is_end = false;
                break;
            }
            bytes = bytes.saturating_add(frame.batch.get_array_memory_size());
            chunk.through = *seq;
            chunk.frames.push(frame.clone());
        }
        if chunk.is_end {
            chunk.through = end;
        }
        Ok(chunk)
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.state.lock().streams.get(&stream).and_then(extent)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        let state = self.state.lock();
        state.streams.iter().filter_map(|(id, held)| Some((*id, extent(held)?))).collect()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        let mut state = self.state.lock();
        let held = state.streams.entry(stream).or_default();
        held.trimmed = held.trimmed.max(through);
        held.frames.retain(|seq, _| *seq > through);
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        let key = ProducerKey { stream, partition: None, producer };
        self.state.lock().producers.next_row(&key)
    }

    fn frontier(&self) -> Seq {
        *self.frontier.borrow()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.frontier.subscribe()
    }
}

fn extent(held: &Held) -> Option<Extent> {
    let (first, _) = held.frames.first_key_value()?;
    let (last, _) = held.frames.last_key_value()?;
    let rows = held.frames.values().map(|(frame, _)| frame.batch.num_rows()).sum::<usize>();
    let bytes = held.frames.values().map(|(_, bytes)| bytes).sum();
    let rows = u64::try_from(rows).unwrap_or(u64::MAX);
    Some(Extent { first: *first, last: *last, rows, bytes })
}
