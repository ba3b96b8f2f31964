//! Rolling: the journal goes on in the next file, in a slot that became free or a new one.
//!
//! It never gives up a live frame: what is in the way is carried, or the roll is refused.

use std::{io, sync::Arc};

use bytes::Bytes;
use mainstem_disk::{Disk, OpenMode};
use mainstem_kernel::{ByteSize, KeyId, SchemaVersion, Seq};

use super::{
    Journal, JournalFile,
    commit::write_error,
    file::{FreeSlot, slot_name},
    format::{
        FLAG_CARRY, FLAG_SNAPSHOT, FileHeader, FrameHeader, GROUP_HEADER, PAGE_BYTES, frame_length,
        padded,
    },
    group::Group,
    index::FrameRef,
    reader::read_bytes,
    snapshot,
};
use crate::{AppendError, ledger::SNAPSHOT, spare::Spare};

impl Journal {
    /// Begins the next file. There is room for the largest group afterwards.
    ///
    /// # Errors
    /// `JournalFull`, `DiskFull` or `Write` leave the journal as it was.
    pub(super) fn roll(&mut self) -> Result<(), AppendError> {
        self.retire();
        let snapshot = self.snapshot();
        let slot = self.take_slot(self.file_length(snapshot.len()))?;
        let generation = self
            .files
            .back()
            .map_or(1, |file| file.generation().saturating_add(1));
        let header = FileHeader {
            journal: self.id,
            generation,
            first_group: self.next_group,
        };
        if let Err(source) = slot.file.write_at(&header.encode(), 0) {
            // Smaller groups may still go into the file before: this one must not be found then.
            let error = self.void((&slot, 0), source);
            // The same slot must be the next to be tried: two with one generation are a riddle.
            self.free.push_front(FreeSlot {
                generation: 0,
                ..slot
            });
            return Err(error);
        }
        if slot.file.sync_data().is_err() {
            return Err(self.poison(&slot.path));
        }
        let file = JournalFile::new(slot, generation);
        file.set_used(PAGE_BYTES);
        self.files.push_back(Arc::new(file));
        self.at = PAGE_BYTES;
        self.is_snapshot_due = true;
        let size = self.size();
        self.metrics
            .journal_size_bytes
            .set(i64::try_from(size.0).unwrap_or(i64::MAX));
        self.finish_roll()?;
        self.order_spare();
        Ok(())
    }

    /// What has to be in a new file before anything else: its snapshot, and what is carried.
    pub(super) fn finish_roll(&mut self) -> Result<(), AppendError> {
        if self.is_snapshot_due {
            let body = Bytes::from(self.snapshot());
            let mut group = Group::new();
            group.push(snapshot_header(self.ledger.last(), &body), &[], body);
            self.write_group(group, FLAG_SNAPSHOT)?;
            self.is_snapshot_due = false;
        }
        if self.is_carry_due() {
            let length = self.files.back().map_or(0, |file| file.length());
            let end = self.at.saturating_add(self.carried_length());
            if end.saturating_add(PAGE_BYTES) > length {
                // Only trimming helps, and what room there is must be left for the carry.
                return Err(AppendError::JournalFull {
                    limit: self.config.journal_size_max,
                });
            }
            self.carry()?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        snapshot::encode(&self.ledger, &self.index.read().trimmed())
    }

    /// Takes files off the front that hold nothing live and that nobody reads.
    fn retire(&mut self) {
        while self.files.len() > 1 {
            // Frames, readers and backups hold it too; only here can none be added.
            let is_dead = self
                .files
                .front()
                .is_some_and(|file| Arc::strong_count(file) == 1);
            if !is_dead {
                return;
            }
            if let Some(file) = self.files.pop_front() {
                self.free.push_back(file.slot.clone());
            }
        }
    }

    /// Bytes of a file that holds such a snapshot and the largest group.
    fn file_length(&self, snapshot: usize) -> u64 {
        let snapshot = ByteSize::from(frame_length(0, snapshot)).0;
        let snapshot = padded(snapshot.saturating_add(GROUP_HEADER as u64));
        let parts = [PAGE_BYTES, snapshot, self.group_length(), PAGE_BYTES];
        let least = parts.into_iter().fold(0, u64::saturating_add);
        padded(self.config.journal_file_size.0).max(least)
    }

    /// Bytes of the largest group.
    fn group_length(&self) -> u64 {
        padded(
            self.config
                .group_size_max
                .0
                .saturating_add(GROUP_HEADER as u64),
        )
    }

    /// How many files the journal may still grow by.
    fn growable(&self) -> u64 {
        let file_size = padded(self.config.journal_file_size.0).max(1);
        let rest = self.config.journal_size_max.0.saturating_sub(self.size().0);
        rest.checked_div(file_size).unwrap_or(0)
    }

    /// Bytes that the live frames of the oldest file take when they are carried.
    fn carried_length(&self) -> u64 {
        let live = self.files.front().map_or(0, |file| file.live());
        // Each group is padded, and two in a row hold more than the largest does.
        let groups = live
            .saturating_mul(2)
            .checked_div(self.group_length())
            .unwrap_or(0);
        live.saturating_add(groups.saturating_add(2).saturating_mul(2 * PAGE_BYTES))
    }

    /// Whether nothing is left for the next roll until the oldest file has been carried.
    fn is_carry_due(&self) -> bool {
        self.files.len() > 1
            && self.files.front().is_some_and(|file| file.live() > 0)
            && self.free.is_empty()
            && self.growable() == 0
    }

    /// A slot of at least `length` bytes that may be written over.
    fn take_slot(&mut self, length: u64) -> Result<FreeSlot, AppendError> {
        let slots = self.growable().saturating_add(self.free.len() as u64);
        if slots == 0 || (slots == 1 && !self.is_carryable(length)) {
            return Err(AppendError::JournalFull {
                limit: self.config.journal_size_max,
            });
        }
        if self.free.is_empty() {
            self.grow(length)?;
        }
        self.secure_free()?;
        let Some(slot) = self.free.pop_front() else {
            return Err(AppendError::JournalFull {
                limit: self.config.journal_size_max,
            });
        };
        if slot.length >= length {
            return Ok(slot);
        }
        match slot.file.preallocate(length) {
            Ok(()) => Ok(FreeSlot { length, ..slot }),
            Err(source) => {
                let error = write_error(&slot.path, source);
                self.free.push_front(slot);
                Err(error)
            }
        }
    }

    /// Whether the oldest file would give way if the last free slot were used now.
    fn is_carryable(&self, length: u64) -> bool {
        let Some(oldest) = self.files.front() else {
            return true;
        };
        let pays = oldest.live().saturating_mul(2) <= oldest.length();
        let room = length
            .saturating_sub(self.group_length())
            .saturating_sub(2 * PAGE_BYTES);
        self.files.len() > 1 && pays && self.carried_length() <= room
    }

    /// Makes it durable that the next free slot's old generation is not needed.
    fn secure_free(&mut self) -> Result<(), AppendError> {
        let is_safe = self
            .free
            .front()
            .is_none_or(|slot| slot.generation < self.durable_oldest.max(1));
        let length = self.files.back().map_or(0, |file| file.length());
        if is_safe {
            return Ok(());
        }
        if self.at.saturating_add(PAGE_BYTES) > length {
            return Err(AppendError::JournalFull {
                limit: self.config.journal_size_max,
            });
        }
        self.write_group(Group::new(), 0).map(drop)
    }

    /// Adds a free slot: the spare if there is one, else made now.
    fn grow(&mut self, length: u64) -> Result<(), AppendError> {
        let made = match self.spare.as_mut().and_then(Spare::take) {
            Some(made) => made,
            None => {
                self.last_slot = self.last_slot.saturating_add(1);
                let path = self.folder.join(slot_name(self.last_slot));
                make_slot(&*self.disk, &path, length).map_err(|source| (path, source))
            }
        };
        match made {
            Ok(slot) => {
                self.free.push_back(slot);
                Ok(())
            }
            Err((path, source)) => Err(write_error(&path, source)),
        }
    }

    /// Asks for the next slot to be made while this file fills.
    pub(super) fn order_spare(&mut self) {
        let is_dead =
            self.files.len() > 1 && self.files.front().is_some_and(|file| file.live() == 0);
        if !self.free.is_empty() || is_dead || self.growable() == 0 {
            return;
        }
        let length = padded(self.config.journal_file_size.0);
        let slot = self.last_slot.saturating_add(1);
        let path = self.folder.join(slot_name(slot));
        if self
            .spare
            .as_mut()
            .is_some_and(|spare| spare.order(path, length))
        {
            self.last_slot = slot;
        }
    }

    /// Copies the oldest file's live frames into the last one.
    fn carry(&mut self) -> Result<(), AppendError> {
        let (Some(oldest), Some(newest)) = (self.files.front(), self.files.back()) else {
            return Ok(());
        };
        let (oldest, newest) = (Arc::clone(oldest), Arc::clone(newest));
        if oldest.generation() == newest.generation() {
            return Ok(());
        }
        let frames = self.index.read().frames_of(&oldest);
        let group_max = u32::try_from(self.config.group_size_max.0).unwrap_or(u32::MAX);
        let mut frames = frames.into_iter().peekable();
        let mut count = 0_usize;
        while frames.peek().is_some() {
            let (mut group, mut moved) = (Group::new(), Vec::new());
            let fits = |group: &Group, frame: &FrameRef| {
                let length = group.frames_length().saturating_add(frame.spot.length);
                group.frames() == 0 || length <= group_max
            };
            while let Some((stream, frame)) = frames.next_if(|(_, frame)| fits(&group, frame)) {
                let (_, bytes) = read_bytes(stream, &frame).map_err(|source| {
                    let path = oldest.path().to_owned();
                    AppendError::Carry {
                        path,
                        source: Arc::new(source),
                    }
                })?;
                moved.push((stream, frame.seq, group.push_whole(bytes, frame.seq)));
            }
            count = count.saturating_add(moved.len());
            let written = self.write_group(group, FLAG_CARRY)?;
            for (_, _, spot) in &mut moved {
                *spot = written.spot(*spot);
            }
            self.index.write().relocate(moved, &newest);
        }
        tracing::info!(frames = count, path = %oldest.path().display(), "live frames carried");
        Ok(())
    }
}

fn snapshot_header(seq: Seq, body: &Bytes) -> FrameHeader {
    FrameHeader {
        length: 0,
        body_length: u32::try_from(body.len()).unwrap_or(u32::MAX),
        body_crc: crc32c::crc32c(body),
        entries: 0,
        seq,
        prev: Seq::ZERO,
        stream: SNAPSHOT,
        schema: SchemaVersion(0),
        key: KeyId(0),
        rows: 0,
        memory: 0,
    }
}

/// Makes the file of a slot, as long as it will ever be, with a durable name.
pub(crate) fn make_slot(
    disk: &dyn Disk,
    path: &std::path::Path,
    length: u64,
) -> io::Result<FreeSlot> {
    let file = disk.open(path, OpenMode::CreateNew)?;
    let made = file
        .preallocate(length)
        .and_then(|()| file.sync_data())
        .and_then(|()| path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder)));
    if let Err(error) = made {
        // What is left of it is found by the next recovery; the first failure is the one to tell.
        return match disk.remove_file(path) {
            Ok(()) | Err(_) => Err(error),
        };
    }
    Ok(FreeSlot {
        path: path.to_owned(),
        file,
        length,
        generation: 0,
    })
}
