//! `Ledger`: gives every row its place, and recognises what was appended before.
//!
//! It is a function of the log: whoever replays all frames in order ends with the same ledger.
//! It never does I/O; what it gave away is taken back with `undo` when the group was not written.
//! Offsets and seqs are then left unused: both may have gaps, but must never repeat.

mod recent;
mod stamps;

use std::{collections::HashMap, sync::Arc};

use mainstem_kernel::{ByteSize, Offset, PartitionId, ProducerId, Seq, StreamId, Timestamp};

use crate::append::{AppendError, Draft, DraftEntry, Repeated};
use crate::frame::Entry;

use stamps::Verdict;
pub(crate) use stamps::{LoadSlot, ProducerSlot, RequestSlot, Run, StampLimits, Stamps};

/// Where a frame goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) seq: Seq,
    /// The stream's frame before this one; `Seq::ZERO` if this is its first.
    pub(crate) prev: Seq,
    pub(crate) entries: Arc<[Entry]>,
}

/// What is known of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// Its last frame.
    pub(crate) last: Seq,
    /// Next offset by partition.
    next: Vec<u64>,
}

impl StreamState {
    /// Takes `span` offsets of a partition and gives the first.
    fn take(&mut self, partition: PartitionId, span: u32) -> Offset {
        let at = usize::from(partition.0);
        if self.next.len() <= at {
            self.next.resize(at.saturating_add(1), 0);
        }
        let Some(next) = self.next.get_mut(at) else {
            return Offset(0);
        };
        let first = *next;
        *next = first.saturating_add(u64::from(span));
        Offset(first)
    }

    /// Sees to it that a partition goes on at `next` or above.
    pub(crate) fn raise(&mut self, partition: PartitionId, next: Offset) {
        let taken = self.take(partition, 0);
        if let Some(slot) = self.next.get_mut(usize::from(partition.0)) {
            *slot = taken.0.max(next.0);
        }
    }

    /// Next offset of every partition that has rows.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (PartitionId, Offset)> + '_ {
        (0..=u16::MAX)
            .zip(&self.next)
            .filter(|(_, next)| **next > 0)
            .map(|(partition, next)| (PartitionId(partition), Offset(*next)))
    }
}

/// Gives every row its place, and recognises what was appended before.
#[derive(Debug)]
pub(crate) struct Ledger {
    last: Seq,
    streams: HashMap<StreamId, StreamState>,
    stamps: Stamps,
    /// Last frames of streams as they were before the group that is under way.
    undo: Vec<(StreamId, Seq)>,
}

impl Ledger {
    pub(crate) fn new(limits: StampLimits) -> Self {
        Self {
            last: Seq::ZERO,
            streams: HashMap::new(),
            stamps: Stamps::new(limits),
            undo: Vec::new(),
        }
    }

    /// The last seq that was given away.
    pub(crate) const fn last(&self) -> Seq {
        self.last
    }

    pub(crate) const fn streams(&self) -> &HashMap<StreamId, StreamState> {
        &self.streams
    }

    pub(crate) const fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    pub(crate) const fn stamps_mut(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    /// The row that a loader has to go on from.
    pub(crate) fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.stamps.next_row(stream, producer)
    }

    /// The stream's last frame, or `Seq::ZERO`.
    pub(crate) fn last_of(&self, stream: StreamId) -> Seq {
        self.streams
            .get(&stream)
            .map_or(Seq::ZERO, |state| state.last)
    }

    /// Gives an append its places, or refuses it whole and changes nothing.
    ///
    /// # Errors
    /// `Repeated` with all repetitions, else the first `Conflict`, `Gap` or `Fenced`.
    pub(crate) fn place<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a Draft> + Clone,
        now: Timestamp,
    ) -> Result<Vec<Place>, AppendError> {
        let before = self.before(frames.clone().count(), now);
        self.check_stamps(frames.clone(), (before, now))?;
        self.last = before;
        let mut places = Vec::with_capacity(frames.size_hint().0);
        for draft in frames {
            self.last = self.last.next(now);
            let state = self.streams.entry(draft.stream).or_default();
            self.undo.push((draft.stream, state.last));
            let entries = draft.entries.iter().map(|entry| Entry {
                partition: entry.partition,
                first_offset: state.take(entry.partition, entry.rows),
                offset_span: entry.rows,
                rows: entry.rows,
                stamp: entry.stamp,
            });
            let entries = entries.collect();
            places.push(Place {
                seq: self.last,
                prev: state.last,
                entries,
            });
            state.last = self.last;
        }
        Ok(places)
    }

    /// Gives a seq away to nobody, so that all later ones are behind `now`.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        self.last = self.last.next(now);
    }

    /// Behind which seq an append of so many frames begins. All of its seqs are in one millisecond,
    /// the next one if this one has no room left: so whoever stops between two milliseconds never
    /// has a part of it.
    fn before(&self, frames: usize, now: Timestamp) -> Seq {
        let first = self.last.next(now);
        let more = u64::try_from(frames.saturating_sub(1)).unwrap_or(u64::MAX);
        let last = Seq(first.0.saturating_add(more));
        match last.millis() == first.millis() {
            true => self.last,
            false => Seq(Seq::from_millis(last.millis()).0.saturating_sub(1)),
        }
    }

    /// Records the stamps of an append if all of them are new.
    fn check_stamps<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a Draft>,
        (before, now): (Seq, Timestamp),
    ) -> Result<(), AppendError> {
        let (mut repeated, mut refused) = (Vec::new(), None);
        let mark = self.stamps.mark();
        let mut seq = before;
        for (frame, draft) in frames.enumerate() {
            seq = seq.next(now);
            for entry in stamped(&draft.entries) {
                let Some(run) = draft.entries.get(entry) else {
                    continue;
                };
                let stream = draft.stream;
                let error = match self.stamps.admit(stream, seq, run) {
                    Verdict::New => continue,
                    Verdict::Repeated {
                        seq,
                        rows,
                        rejected,
                    } => {
                        repeated.push(Repeated {
                            frame,
                            entry,
                            seq,
                            rows,
                            rejected,
                        });
                        continue;
                    }
                    Verdict::OtherBody => AppendError::Conflict { stream },
                    Verdict::Gap { expected, found } => AppendError::Gap {
                        stream,
                        expected,
                        found,
                    },
                    Verdict::Fenced => AppendError::Fenced { stream },
                };
                refused.get_or_insert(error);
            }
        }
        let outcome = match refused {
            None if repeated.is_empty() => return Ok(()),
            Some(error) if repeated.is_empty() => Err(error),
            Some(_) | None => Err(AppendError::Repeated(repeated)),
        };
        self.stamps.undo_to(mark);
        outcome
    }

    /// The group is durable: what was given away stays so.
    pub(crate) fn settle(&mut self) {
        self.undo.clear();
        self.stamps.settle(self.last);
    }

    /// The group was not written: takes back what readers could notice.
    pub(crate) fn undo(&mut self) {
        for (stream, last) in self.undo.drain(..).rev() {
            if let Some(state) = self.streams.get_mut(&stream) {
                state.last = last;
            }
        }
        self.stamps.undo_to(0);
    }

    /// Takes over a frame that was found in the log.
    pub(crate) fn replay(&mut self, stream: StreamId, seq: Seq, entries: &[Entry]) {
        self.raise_last(seq);
        let state = self.streams.entry(stream).or_default();
        state.last = state.last.max(seq);
        for entry in entries {
            let next = entry
                .first_offset
                .0
                .saturating_add(u64::from(entry.offset_span));
            state.raise(entry.partition, Offset(next));
            if entry.stamp.is_some() {
                let draft = DraftEntry {
                    partition: entry.partition,
                    rows: entry.rows,
                    stamp: entry.stamp,
                };
                self.stamps.record(stream, seq, &draft);
            }
        }
    }

    /// Takes over what a snapshot says of a stream.
    pub(crate) fn restore(&mut self, stream: StreamId, last: Seq, next: &[(PartitionId, Offset)]) {
        let state = self.streams.entry(stream).or_default();
        state.last = state.last.max(last);
        for (partition, next) in next {
            state.raise(*partition, *next);
        }
    }

    /// No seq up to `seq` is given away from now on.
    pub(crate) fn raise_last(&mut self, seq: Seq) {
        self.last = self.last.max(seq);
    }
}

/// Indexes of the stamped entries. Loads come last and in the order of their rows, because the
/// entries themselves are in the order of partitions.
fn stamped(entries: &[DraftEntry]) -> Vec<usize> {
    let first_row = |entry: &DraftEntry| match entry.stamp {
        Some(crate::Stamp::Load { first, .. }) => Some(first),
        _ => None,
    };
    let all = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.stamp.is_some());
    let mut order: Vec<(Option<u64>, usize)> =
        all.map(|(at, entry)| (first_row(entry), at)).collect();
    order.sort();
    order.into_iter().map(|(_, at)| at).collect()
}

/// Frames of one append: as many as a millisecond has seqs.
const APPEND_FRAMES_MAX: usize = 1 << 16;

/// Checks what a log can refuse before an append waits in its queue.
///
/// # Errors
/// `Shape` or `TooLarge`.
pub(crate) fn check_shape(
    frames: &[Draft],
    (size, limit): (ByteSize, ByteSize),
) -> Result<(), AppendError> {
    if size > limit {
        return Err(AppendError::TooLarge { size, limit });
    }
    let Some(first) = frames.first() else {
        return Err(AppendError::Shape {
            stream: StreamId::CATALOG,
            reason: "expected at least one frame",
        });
    };
    let refuse = |stream, reason| Err(AppendError::Shape { stream, reason });
    if frames.len() > APPEND_FRAMES_MAX {
        return refuse(first.stream, "expected at most 65,536 frames");
    }
    let mut streams: Vec<StreamId> = frames.iter().map(|draft| draft.stream).collect();
    streams.sort_unstable();
    if streams
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
    {
        return refuse(first.stream, "expected at most one frame per stream");
    }
    for draft in frames {
        if draft.stream == SNAPSHOT {
            return refuse(draft.stream, "this stream is the journal's own");
        }
        let rows: u64 = draft
            .entries
            .iter()
            .map(|entry| u64::from(entry.rows))
            .sum();
        if usize::try_from(rows) != Ok(draft.batch.num_rows()) {
            return refuse(draft.stream, "expected entries that cover the rows");
        }
    }
    Ok(())
}

/// The stream under which the journal keeps its own snapshots; nobody can append to it.
pub(crate) const SNAPSHOT: StreamId = StreamId(u32::MAX);

#[cfg(test)]
mod tests;
