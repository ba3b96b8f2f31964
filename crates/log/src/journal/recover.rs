//! Recovery: reads all groups in order, tells a torn tail from damage, and rebuilds ledger and
//! index. It writes nothing but what accepting damage writes.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_disk::Disk;
use mainstem_kernel::StreamId;

use super::{
    OpenError,
    damage::{Accepted, Damage, lost},
    file::{FreeSlot, JournalFile},
    format::{FLAG_CARRY, FileHeader, FrameHeader, GroupHeader, PAGE_BYTES, Parsed},
    index::{FrameRef, Index},
    scan::{FoundFrame, FoundGroup, Wanted, frames_of, group_at, last_group, next_group},
    snapshot::{self, Trimmed},
};
use crate::ledger::{Ledger, SNAPSHOT};

/// What recovery works on and rebuilds.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) folder: &'a Path,
    pub(super) journal: u64,
    pub(super) accept: bool,
    pub(super) accepted: Accepted,
    pub(super) ledger: Ledger,
    pub(super) found: HashMap<StreamId, Vec<FrameRef>>,
    /// As the newest snapshot says.
    pub(super) trimmed: Trimmed,
    /// Damage that stands in the way.
    pub(super) damages: Vec<Damage>,
    /// Damage that was accepted, with where it was found.
    pub(super) skipped: Vec<Damage>,
}

/// Where the journal ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Where the last group of the newest file begins; its header if it has no group.
    pub(super) last: u64,
    /// Behind the last whole group of the newest file.
    pub(super) at: u64,
    /// Number of the next group.
    pub(super) next_group: u64,
    /// Oldest generation that is needed, as the last group says.
    pub(super) oldest: u64,
}

/// What came of looking for group `number` at a place.
enum Step {
    Whole(FoundGroup, Vec<FoundFrame>),
    /// The next whole group, and what can be told of those before it.
    Damaged(FoundGroup, Vec<FoundFrame>),
    /// No group of this file stands here or later.
    End(Vec<FoundFrame>),
}

/// The files of a journal by generation.
pub(super) type Slots = BTreeMap<u64, (FreeSlot, FileHeader)>;

/// The oldest generation that the last group of the journal still needs.
///
/// # Errors
/// What the disk says.
pub(super) fn oldest_needed(slots: &Slots, journal: u64) -> Result<u64, OpenError> {
    for (generation, (slot, header)) in slots.iter().rev() {
        let wanted = Wanted {
            journal,
            generation: Some(*generation),
            number: header.first_group,
        };
        let last = last_group(slot, wanted).map_err(|source| read_error(slot, source))?;
        if let Some(last) = last {
            return Ok(last.oldest());
        }
    }
    Ok(slots.keys().next().copied().unwrap_or(1))
}

impl Recovery<'_> {
    /// Reads every file in use, the oldest first.
    ///
    /// # Errors
    /// `Io` or `Newer`; damage is gathered instead.
    pub(super) fn read_files(
        &mut self,
        slots: &Slots,
        oldest: u64,
    ) -> Result<(Vec<Arc<JournalFile>>, End), OpenError> {
        let newest = slots.keys().next_back().copied().unwrap_or(0);
        let mut files = Vec::new();
        let mut end = End {
            last: 0,
            at: PAGE_BYTES,
            next_group: 0,
            oldest,
        };
        for generation in oldest..=newest {
            let Some((slot, header)) = slots.get(&generation) else {
                let groups = (end.next_group, 0);
                self.report(
                    damage(self.folder.to_owned(), generation, (0, 0), groups),
                    None,
                )?;
                end.next_group = 0;
                continue;
            };
            // Where a file is missing, the next one says where it goes on.
            if end.next_group == 0 {
                end.next_group = header.first_group;
            }
            let file = JournalFile::new(slot.clone(), generation);
            let file = Arc::new(file);
            let later = slots
                .get(&generation.saturating_add(1))
                .map(|(_, next)| next.first_group);
            self.read_file(&file, (later, generation == newest), &mut end)?;
            file.set_used(end.at);
            files.push(file);
        }
        Ok((files, end))
    }

    /// Reads the groups of one file. `later` is the first group of the file behind it.
    fn read_file(
        &mut self,
        file: &Arc<JournalFile>,
        (later, is_newest): (Option<u64>, bool),
        end: &mut End,
    ) -> Result<(), OpenError> {
        let path = file.path().to_owned();
        let generation = file.generation();
        (end.last, end.at) = (0, PAGE_BYTES);
        loop {
            let step = self
                .step(file, end)
                .map_err(|source| read_error(&file.slot, source))??;
            match step {
                Step::Whole(group, frames) => {
                    self.apply(file, &group.header, frames);
                    end.oldest = end.oldest.max(group.header.oldest());
                    end.last = group.at;
                    end.at = group.at.saturating_add(group.header.size());
                    end.next_group = group.header.number.saturating_add(1);
                }
                Step::Damaged(next, frames) => {
                    let range = (end.at, next.at.max(end.at.saturating_add(1)));
                    let groups = (end.next_group, next.header.number);
                    let mut found = damage(path.clone(), generation, range, groups);
                    found.lost = lost(&frames);
                    self.report(found, Some(&file.slot))?;
                    end.at = next.at;
                    end.next_group = next.header.number;
                }
                Step::End(frames) => {
                    let expected = later.filter(|first| *first != end.next_group);
                    if let Some(first) = expected {
                        let range = (end.at, file.length());
                        let mut found =
                            damage(path.clone(), generation, range, (end.next_group, first));
                        found.lost = lost(&frames);
                        self.report(found, Some(&file.slot))?;
                        end.next_group = first;
                    } else if !is_newest && later.is_none() {
                        // The next file is missing: that is reported there.
                        end.next_group = 0;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Looks for the next group.
    fn step(&self, file: &JournalFile, end: &End) -> io::Result<Result<Step, OpenError>> {
        let slot = &file.slot;
        let wanted = Wanted {
            journal: self.journal,
            generation: Some(file.generation()),
            number: end.next_group.saturating_add(1),
        };
        let mut broken = Vec::new();
        let mut from = end.at;
        match group_at(slot, end.at)? {
            Parsed::Valid(header)
                if header.journal == self.journal && header.generation == file.generation() =>
            {
                if header.number == end.next_group {
                    let group = FoundGroup { at: end.at, header };
                    let frames = frames_of(slot, group)?;
                    if frames.is_whole {
                        return Ok(Ok(Step::Whole(group, frames.frames)));
                    }
                    broken = frames.frames;
                    from = end.at.saturating_add(PAGE_BYTES);
                }
            }
            Parsed::Newer(found) => {
                return Ok(Err(OpenError::Newer {
                    path: slot.path.clone(),
                    found,
                }));
            }
            Parsed::Valid(_) | Parsed::Nothing => {}
        }
        Ok(Ok(match next_group(slot, from, wanted)? {
            Some(next) => Step::Damaged(next, broken),
            None => Step::End(broken),
        }))
    }

    /// Takes over a whole group.
    fn apply(&mut self, file: &Arc<JournalFile>, group: &GroupHeader, frames: Vec<FoundFrame>) {
        self.ledger.raise_last(group.last);
        for frame in frames {
            if frame.header.stream == SNAPSHOT {
                let restored = frame
                    .header
                    .body(&frame.bytes)
                    .and_then(|body| snapshot::restore(body, &mut self.ledger, &mut self.trimmed));
                if restored.is_none() {
                    tracing::error!(path = %file.path().display(), "snapshot is no snapshot");
                }
                continue;
            }
            if group.flags & FLAG_CARRY == 0 {
                let header = &frame.header;
                self.ledger
                    .replay(header.stream, header.seq, &frame.entries);
            }
            let found = self.found.entry(frame.header.stream).or_default();
            found.push(frame_ref(&frame.header, &frame, file));
        }
        self.ledger.settle();
    }

    /// Gathers damage, or accepts it.
    pub(super) fn report(
        &mut self,
        damage: Damage,
        slot: Option<&FreeSlot>,
    ) -> Result<(), OpenError> {
        if self.accepted.contains(&damage) {
            self.skipped.push(damage);
            return Ok(());
        }
        if !self.accept {
            self.damages.push(damage);
            return Ok(());
        }
        tracing::error!(%damage, "damage accepted: these rows are lost");
        self.accepted
            .add(self.disk, &damage, slot)
            .map_err(|source| OpenError::Io {
                path: damage.path.clone(),
                source,
            })?;
        self.skipped.push(damage);
        Ok(())
    }

    /// Puts the live frames into the index.
    pub(super) fn fill(&mut self, index: &mut Index) {
        let keep_all = self.accepted.is_any();
        let streams: Vec<StreamId> = self.ledger.streams().keys().copied().collect();
        for stream in streams {
            let last = self.ledger.last_of(stream);
            let mut frames = self.found.remove(&stream).unwrap_or_default();
            let trimmed = self.trimmed.get(&stream).copied().unwrap_or_default();
            frames.retain(|frame| frame.seq > trimmed);
            // The newer copy of a carried frame counts.
            frames.sort_unstable_by_key(|f| (f.seq, std::cmp::Reverse(f.file.generation())));
            frames.dedup_by_key(|frame| frame.seq);
            if !keep_all {
                let first = first_of_chain(&frames, last);
                frames.drain(..first);
            }
            index.restore(stream, frames, last);
        }
        index.restore_frontier(self.ledger.last());
    }
}

/// Index of the first frame from which on the chain is whole up to `last`. What stands before a
/// gap was trimmed: the frame in the gap was given up, and trimming goes from the front.
fn first_of_chain(frames: &[FrameRef], last: mainstem_kernel::Seq) -> usize {
    let mut expected = last;
    for (at, frame) in frames.iter().enumerate().rev() {
        if frame.seq != expected {
            return at.saturating_add(1);
        }
        expected = frame.prev;
    }
    0
}

fn frame_ref(header: &FrameHeader, frame: &FoundFrame, file: &Arc<JournalFile>) -> FrameRef {
    FrameRef {
        seq: header.seq,
        prev: header.prev,
        rows: header.rows,
        memory: header.memory,
        spot: frame.spot,
        file: Arc::clone(file),
        cached: None,
    }
}

fn damage(path: PathBuf, generation: u64, (from, to): (u64, u64), groups: (u64, u64)) -> Damage {
    Damage {
        path,
        generation,
        from,
        to,
        groups,
        lost: Vec::new(),
    }
}

fn read_error(slot: &FreeSlot, source: io::Error) -> OpenError {
    OpenError::Io {
        path: slot.path.clone(),
        source,
    }
}
