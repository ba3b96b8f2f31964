//! The write path: appends become a group, the group becomes durable, readers see it.

use std::{io, sync::Arc};

use mainstem_kernel::{ByteSize, Seq, StreamId};

use super::{
    FreeSlot, Journal, JournalFile,
    format::{FrameHeader, GROUP_HEADER, GroupHeader, PAGE, PAGE_BYTES, frame_length, padded},
    group::{Group, Spot},
    index::FrameRef,
};
use crate::{
    Append, AppendError, Appended, Frame,
    append::Draft,
    ledger::{Place, check_shape},
    memory::appended,
};

/// An append that was checked in its caller's thread.
#[derive(Debug)]
pub(crate) struct Prepared {
    append: Append,
    /// Bytes of its frames in the journal.
    size: u64,
    /// Bytes of each frame's rows in memory.
    memory: Vec<u32>,
}

impl Prepared {
    /// Checks and measures an append.
    ///
    /// # Errors
    /// `Shape` or `TooLarge`.
    pub(crate) fn new(append: Append, group_size_max: ByteSize) -> Result<Self, AppendError> {
        let lengths = append
            .frames
            .iter()
            .map(|d| frame_length(d.entries.len(), d.body.len()));
        let size = ByteSize::from(lengths.fold(GROUP_HEADER, usize::saturating_add));
        check_shape(&append.frames, (size, group_size_max))?;
        let memory =
            |draft: &Draft| u32::try_from(draft.batch.get_array_memory_size()).unwrap_or(u32::MAX);
        let memory = append.frames.iter().map(memory).collect();
        Ok(Self {
            append,
            size: size.0,
            memory,
        })
    }

    /// Bytes that it adds to a group.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
}

/// Where a group was written.
#[derive(Debug)]
pub(super) struct Written {
    file: Arc<JournalFile>,
    at: u64,
}

impl Written {
    /// Place of a frame in the file.
    pub(super) fn spot(&self, spot: Spot) -> Spot {
        Spot {
            at: self.at.saturating_add(spot.at),
            ..spot
        }
    }
}

impl Journal {
    /// Makes appends durable as one group, and shows them to readers. One result each.
    pub(crate) fn commit(&mut self, appends: Vec<Prepared>) -> Vec<Result<Appended, AppendError>> {
        let count = appends.len();
        match self.try_commit(appends) {
            Ok(results) => results,
            Err(error) => {
                self.ledger.undo();
                (0..count).map(|_| Err(again(&error))).collect()
            }
        }
    }

    /// One failure for all is an `Err`; refusals of single appends are within `Ok`.
    fn try_commit(
        &mut self,
        appends: Vec<Prepared>,
    ) -> Result<Vec<Result<Appended, AppendError>>, AppendError> {
        self.check_poison()?;
        self.check_clock()?;
        let sizes = appends.iter().map(Prepared::size);
        self.make_room(padded(sizes.fold(0, u64::saturating_add)))?;

        let now = self.clock.now();
        let mut group = Group::new();
        let mut frames = Vec::new();
        let mut results = Vec::with_capacity(appends.len());
        for Prepared { append, memory, .. } in appends {
            let placed = self.ledger.place(append.frames.iter(), now);
            results.push(placed.map(|places| {
                let answer = appended(&places);
                let drafts = append.frames.into_iter().zip(places).zip(memory);
                frames.extend(
                    drafts.map(|((draft, place), memory)| push(&mut group, draft, place, memory)),
                );
                answer
            }));
        }
        if frames.is_empty() {
            return Ok(results);
        }
        let written = self.write_group(group, 0)?;
        self.ledger.settle();
        self.publish(frames, &written);
        Ok(results)
    }

    /// Moves the frontier to the present, with a group without frames.
    ///
    /// # Errors
    /// As `commit`.
    pub(crate) fn heartbeat(&mut self) -> Result<(), AppendError> {
        self.check_poison()?;
        self.check_clock()?;
        self.make_room(PAGE_BYTES)?;
        self.ledger.pass(self.clock.now());
        let written = self.write_group(Group::new(), 0)?;
        self.publish(Vec::new(), &written);
        Ok(())
    }

    /// Refuses when the wall clock shows a time long before the last seq, and tells when it has
    /// jumped forward: later seqs carry the new time, right or wrong.
    fn check_clock(&mut self) -> Result<(), AppendError> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let limit = self.config.clock_behind_max;
        let (then, monotonic_then) = std::mem::replace(&mut self.clock_seen, (now, monotonic));
        let jumped = now
            .since(then)
            .saturating_sub(monotonic.saturating_sub(monotonic_then));
        if jumped > limit {
            let seconds = jumped.as_secs();
            tracing::warn!(seconds, "wall clock jumped forward");
        }
        let behind = self.ledger.last().ahead_of(now);
        if behind > limit {
            return Err(AppendError::ClockBehind { behind, limit });
        }
        Ok(())
    }

    fn publish(&self, frames: Vec<Published>, written: &Written) {
        let refs = frames.into_iter().map(|published| {
            let frame = FrameRef {
                seq: published.frame.seq,
                prev: published.prev,
                rows: u32::try_from(published.frame.batch.num_rows()).unwrap_or(u32::MAX),
                memory: published.memory,
                spot: written.spot(published.spot),
                file: Arc::clone(&written.file),
                cached: Some(Arc::new(published.frame)),
            };
            (published.stream, frame)
        });
        let refs: Vec<_> = refs.collect();
        let mut index = self.index.write();
        let evicted = index.publish(refs, self.ledger.last());
        let tail_bytes = index.tail_bytes();
        drop(index);
        drop(evicted);
        self.metrics
            .tail_bytes
            .set(i64::try_from(tail_bytes).unwrap_or(i64::MAX));
        let live = i64::try_from(self.live().0).unwrap_or(i64::MAX);
        self.metrics.journal_live_bytes.set(live);
        let millis = self.ledger.last().millis();
        self.metrics
            .frontier_millis
            .set(i64::try_from(millis).unwrap_or(i64::MAX));
    }

    /// Writes and syncs a group behind the last one. There must be room.
    ///
    /// # Errors
    /// `Write` and `DiskFull` leave the journal as it was; `Poisoned` closes it.
    pub(super) fn write_group(&mut self, group: Group, flags: u16) -> Result<Written, AppendError> {
        let Some(file) = self.files.back().map(Arc::clone) else {
            return Err(AppendError::Closed);
        };
        let last = self.ledger.last();
        let header = GroupHeader {
            flags,
            journal: self.id,
            generation: file.generation(),
            number: self.next_group,
            length: group.frames_length(),
            frames: group.frames(),
            first: group.first().unwrap_or(last),
            last,
            behind: u32::try_from(file.generation().saturating_sub(self.oldest()))
                .unwrap_or(u32::MAX),
        };
        let at = self.at;
        let size = match group.write(&header, (&file.slot.file, at)) {
            Ok(size) => size,
            Err(source) => return Err(self.void((&file.slot, at), source)),
        };
        let begun = self.clock.monotonic();
        if file.slot.file.sync_data().is_err() {
            return Err(self.poison(file.path()));
        }
        let took = self.clock.monotonic().saturating_sub(begun);
        self.metrics
            .journal_sync_seconds
            .observe(took.as_secs_f64());
        self.metrics.journal_groups.inc();
        self.metrics.journal_frames.inc_by(u64::from(header.frames));
        self.metrics.journal_written_bytes.inc_by(size);
        self.at = at.saturating_add(size);
        self.next_group = self.next_group.saturating_add(1);
        self.durable_oldest = self.durable_oldest.max(header.oldest());
        file.set_used(self.at);
        Ok(Written { file, at })
    }

    /// Sees to it that a header whose write failed is not there, also after a power cut.
    pub(super) fn void(&mut self, (slot, at): (&FreeSlot, u64), source: io::Error) -> AppendError {
        let voided = slot
            .file
            .write_at(&[0; PAGE], at)
            .and_then(|()| slot.file.sync_data());
        match voided {
            Ok(()) => write_error(&slot.path, source),
            Err(_) => self.poison(&slot.path),
        }
    }

    /// Sees to it that a group of `size` fits behind the last one, and a page behind it.
    pub(super) fn make_room(&mut self, size: u64) -> Result<(), AppendError> {
        self.finish_roll()?;
        let length = self.files.back().map_or(0, |file| file.length());
        let end = self.at.saturating_add(size).saturating_add(PAGE_BYTES);
        if end > length { self.roll() } else { Ok(()) }
    }
}

/// A frame of the group that is under way.
struct Published {
    stream: StreamId,
    prev: Seq,
    memory: u32,
    spot: Spot,
    frame: Frame,
}

/// Adds a frame to the group.
fn push(group: &mut Group, draft: Draft, place: Place, memory: u32) -> Published {
    let header = FrameHeader {
        length: 0,
        body_length: u32::try_from(draft.body.len()).unwrap_or(u32::MAX),
        body_crc: draft.body_crc,
        entries: u32::try_from(place.entries.len()).unwrap_or(u32::MAX),
        seq: place.seq,
        prev: place.prev,
        stream: draft.stream,
        schema: draft.schema,
        key: draft.key,
        rows: u32::try_from(draft.batch.num_rows()).unwrap_or(u32::MAX),
        memory,
    };
    let spot = group.push(header, &place.entries, draft.body);
    let frame = Frame {
        seq: place.seq,
        stream: draft.stream,
        schema: draft.schema,
        key: draft.key,
        entries: place.entries,
        batch: draft.batch,
    };
    Published {
        stream: draft.stream,
        prev: place.prev,
        memory,
        spot,
        frame,
    }
}

/// What a failed write means.
pub(super) fn write_error(path: &std::path::Path, source: io::Error) -> AppendError {
    let path = path.to_owned();
    let is_full = source.kind() == io::ErrorKind::StorageFull;
    let source = Arc::new(source);
    if is_full {
        AppendError::DiskFull { path, source }
    } else {
        AppendError::Write { path, source }
    }
}

/// The same failure for the next append of a group.
fn again(error: &AppendError) -> AppendError {
    match error {
        AppendError::Write { path, source } => AppendError::Write {
            path: path.clone(),
            source: Arc::clone(source),
        },
        AppendError::DiskFull { path, source } => AppendError::DiskFull {
            path: path.clone(),
            source: Arc::clone(source),
        },
        AppendError::Carry { path, source } => AppendError::Carry {
            path: path.clone(),
            source: Arc::clone(source),
        },
        AppendError::Reserve {
            folder,
            free,
            floor,
        } => AppendError::Reserve {
            folder: folder.clone(),
            free: *free,
            floor: *floor,
        },
        AppendError::Paused { wait } => AppendError::Paused { wait: *wait },
        AppendError::Moved { to } => AppendError::Moved { to: to.clone() },
        AppendError::JournalFull { limit } => AppendError::JournalFull { limit: *limit },
        AppendError::Engine(fault) => AppendError::Engine(Arc::clone(fault)),
        AppendError::Poisoned { path } => AppendError::Poisoned { path: path.clone() },
        AppendError::ClockBehind { behind, limit } => AppendError::ClockBehind {
            behind: *behind,
            limit: *limit,
        },
        AppendError::Repeated(_)
        | AppendError::Conflict { .. }
        | AppendError::Gap { .. }
        | AppendError::Fenced { .. }
        | AppendError::TooLarge { .. }
        | AppendError::Shape { .. }
        | AppendError::Closed => AppendError::Closed,
    }
}
