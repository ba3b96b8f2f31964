//! One file of the twin: what a reader sees, what is durable, and what lies between.
//!
//! It knows neither its name nor when calls fail; `state` decides that.

use std::{collections::BTreeMap, mem, sync::Arc};

use super::{
    content::{Content, SECTOR, Sector},
    random::Random,
};

/// Unsynced versions that are kept of one sector, and of the length: the newest ones.
const VERSIONS_MAX: usize = 8;

/// The versions of each sector since the last sync, oldest first. Each of them may be what a
/// disk wrote before its power went.
type Sectors = BTreeMap<u64, Vec<Box<Sector>>>;

/// A length the file had since the last sync.
#[derive(Clone, Copy, Debug)]
struct Length {
    len: u64,
    /// Shortest length up to then: bytes behind it that were durable are gone.
    floor: u64,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    /// What a reader sees.
    content: Content,
    /// What a power cut cannot take.
    durable: Content,
    unsynced: Sectors,
    /// Written before a failed sync: no later sync makes them durable, for the system believes
    /// that they are. They may survive or not.
    lost: Sectors,
    lengths: Vec<Length>,
    /// Shared with each open handle.
    pub(super) open: Arc<()>,
}

impl FileNode {
    pub(super) fn len(&self) -> u64 {
        self.content.len()
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) {
        self.content.read(buffer, offset);
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let before = self.len();
        self.content.write(bytes, offset);
        let last = (offset + bytes.len() as u64 - 1) / SECTOR as u64;
        for number in offset / SECTOR as u64..=last {
            self.note_sector(number);
        }
        if self.len() != before {
            self.note_length();
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let before = self.len();
        self.content.set_len(len);
        if len < before {
            let kept = len.div_ceil(SECTOR as u64);
            drop(self.unsynced.split_off(&kept));
            drop(self.lost.split_off(&kept));
            if !len.is_multiple_of(SECTOR as u64) {
                self.note_sector(kept - 1);
            }
        }
        if len != before {
            self.note_length();
        }
    }

    /// Everything written becomes durable, except what an earlier failed sync has lost.
    pub(super) fn sync(&mut self) {
        if self.lost.is_empty() {
            self.durable = self.content.clone();
            self.unsynced.clear();
        } else {
            self.settle_length(self.lengths.len());
            for (number, versions) in mem::take(&mut self.unsynced) {
                if let Some(newest) = versions.last() {
                    self.durable.set_sector(number, newest);
                }
            }
        }
        self.lengths.clear();
    }

    /// What was unsynced can no longer be made durable; readers still see it.
    pub(super) fn fail_sync(&mut self) {
        self.lost.append(&mut self.unsynced);
    }

    /// Bit rot: what is there changes, durable or not.
    pub(super) fn flip_bit(&mut self, offset: u64, bit: u8) {
        let mask = 1 << (bit % 8);
        for content in [&mut self.content, &mut self.durable] {
            if offset < content.len() {
                let mut byte = [0];
                content.read(&mut byte, offset);
                content.write(&[byte[0] ^ mask], offset);
            }
        }
        let number = offset / SECTOR as u64;
        let place = usize::try_from(offset % SECTOR as u64).unwrap_or(0);
        for sectors in [&mut self.unsynced, &mut self.lost] {
            for version in sectors.get_mut(&number).into_iter().flatten() {
                version[place] ^= mask;
            }
        }
    }

    /// The power goes: only what is durable stays, and with `random` some of the rest.
    pub(super) fn cut(&mut self, random: Option<&mut Random>) {
        let mut written = mem::take(&mut self.lost);
        written.append(&mut self.unsynced);
        if let Some(random) = random {
            self.survive(&written, random);
        }
        self.content = self.durable.clone();
        self.lengths.clear();
    }

    /// Draws what survives: nothing, all, the first sectors, or each sector for itself.
    fn survive(&mut self, written: &Sectors, random: &mut Random) {
        let whole = self.lengths.len();
        let (length, first) = match random.below(4) {
            0 => return,
            1 => (whole, Some(written.len())),
            2 => (whole, Some(random.below(written.len() + 1))),
            _ => (random.below(whole + 1), None),
        };
        self.settle_length(length);
        for (place, (number, versions)) in written.iter().enumerate() {
            let version = match first {
                Some(first) if place < first => versions.last(),
                Some(_) => None,
                // One more than there are: the durable bytes stay.
                None => versions.get(random.below(versions.len() + 1)),
            };
            if let Some(version) = version {
                self.durable.set_sector(*number, version);
            }
        }
    }

    /// Makes the first `count` changes of the length durable.
    fn settle_length(&mut self, count: usize) {
        if let Some(length) = count.checked_sub(1).and_then(|last| self.lengths.get(last)) {
            let floor = length.floor.min(self.durable.len());
            self.durable.set_len(floor);
            self.durable.set_len(length.len);
        }
    }

    fn note_sector(&mut self, number: u64) {
        // A sector that is written again is dirty again.
        self.lost.remove(&number);
        let versions = self.unsynced.entry(number).or_default();
        if versions.len() == VERSIONS_MAX {
            versions.remove(0);
        }
        versions.push(Box::new(self.content.sector(number)));
    }

    fn note_length(&mut self) {
        let len = self.len();
        let floor = self.lengths.last().map_or(len, |last| last.floor.min(len));
        if self.lengths.len() == VERSIONS_MAX {
            self.lengths.remove(0);
        }
        self.lengths.push(Length { len, floor });
    }
}
