//! Damage: what is named when an acknowledged group is not whole, and what was accepted before.
//!
//! Nothing is deleted because it looks odd. Accepting copies the bytes to the folder `damaged` and
//! writes a line to `damaged/accepted.txt`, so that the next start needs no flag:
//!
//! ```text
//! <generation> <first byte> <end>      groups that are skipped
//! <generation> 0 0                     a file that is missing
//! ```

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
};

use mainstem_disk::{Disk, OpenMode, write_durably};
use mainstem_kernel::{Offset, PartitionId, Seq, StreamId};

use super::{file::FreeSlot, scan::FoundFrame};

/// A part of the journal that was acknowledged and is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file; for a missing one, the folder.
    pub path: PathBuf,
    /// Which use of a file it is in.
    pub generation: u64,
    /// First byte that is not whole.
    pub from: u64,
    /// The byte behind the last one; 0 if the whole file is missing.
    pub to: u64,
    /// Numbers of the first damaged group and of the next whole one.
    pub groups: (u64, u64),
    /// What can still be told of the rows.
    pub lost: Vec<Lost>,
}

/// Rows of a damaged group whose header can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Their stream.
    pub stream: StreamId,
    /// Their seq.
    pub seq: Seq,
    /// Their partition.
    pub partition: PartitionId,
    /// Offset of the first.
    pub first_offset: Offset,
    /// How many.
    pub rows: u32,
}

impl Damage {
    /// Whether a whole file is missing.
    #[must_use]
    pub const fn is_missing_file(&self) -> bool {
        self.to == 0
    }

    fn key(&self) -> Key {
        (self.generation, self.from, self.to)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, (first, next)) = (self.path.display(), self.groups);
        if self.is_missing_file() {
            return write!(
                f,
                "\"{path}\" lacks the file of generation {}",
                self.generation
            );
        }
        write!(f, "\"{path}\" bytes {} to {}", self.from, self.to)?;
        match next.saturating_sub(1) {
            last if last <= first => write!(f, " (group {first})")?,
            last => write!(f, " (groups {first} to {last})")?,
        }
        for lost in &self.lost {
            let last = lost
                .first_offset
                .0
                .saturating_add(u64::from(lost.rows))
                .saturating_sub(1);
            let (stream, partition, first) = (lost.stream, lost.partition, lost.first_offset);
            write!(
                f,
                ", stream {stream} partition {partition} offsets {first} to {last}"
            )?;
        }
        Ok(())
    }
}

/// The rows of the frames that can still be read in a damaged group.
pub(super) fn lost(frames: &[FoundFrame]) -> Vec<Lost> {
    let rows = frames.iter().flat_map(|frame| {
        frame.entries.iter().map(|entry| Lost {
            stream: frame.header.stream,
            seq: frame.header.seq,
            partition: entry.partition,
            first_offset: entry.first_offset,
            rows: entry.rows,
        })
    });
    rows.collect()
}

type Key = (u64, u64, u64);

/// Damage that was accepted, now or at an earlier start.
#[derive(Debug)]
pub(super) struct Accepted {
    folder: PathBuf,
    known: BTreeSet<Key>,
}

impl Accepted {
    /// Reads what was accepted before.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn load(disk: &dyn Disk, journal: &Path) -> io::Result<Self> {
        let folder = journal.join("damaged");
        let path = folder.join("accepted.txt");
        let mut known = BTreeSet::new();
        if disk.stat(&path)?.is_some() {
            let text = String::from_utf8_lossy(&disk.read(&path)?).into_owned();
            known.extend(text.lines().filter_map(parse));
        }
        Ok(Self { folder, known })
    }

    /// Whether anything was ever accepted.
    pub(super) fn is_any(&self) -> bool {
        !self.known.is_empty()
    }

    pub(super) fn contains(&self, damage: &Damage) -> bool {
        self.known.contains(&damage.key())
    }

    /// Copies the bytes aside and writes the acceptance down.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn add(
        &mut self,
        disk: &dyn Disk,
        damage: &Damage,
        slot: Option<&FreeSlot>,
    ) -> io::Result<()> {
        disk.create_dirs(&self.folder)?;
        if let Some(slot) = slot {
            let name = format!("{}-{}.bytes", damage.generation, damage.from);
            copy(
                disk,
                (slot, damage.from..damage.to),
                &self.folder.join(name),
            )?;
        }
        self.known.insert(damage.key());
        let lines = self
            .known
            .iter()
            .map(|(generation, from, to)| format!("{generation} {from} {to}\n"));
        let text: String = lines.collect();
        write_durably(disk, &self.folder.join("accepted.txt"), text.as_bytes())
    }
}

fn parse(line: &str) -> Option<Key> {
    let mut words = line.split(' ').map(str::parse);
    Some((
        words.next()?.ok()?,
        words.next()?.ok()?,
        words.next()?.ok()?,
    ))
}

fn copy(
    disk: &dyn Disk,
    (slot, range): (&FreeSlot, std::ops::Range<u64>),
    to: &Path,
) -> io::Result<()> {
    if disk.stat(to)?.is_some() {
        disk.remove_file(to)?;
    }
    let copy = disk.open(to, OpenMode::CreateNew)?;
    let mut bytes = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let count = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let part = bytes.get_mut(..count.min(1 << 20)).unwrap_or_default();
        slot.file.read_at(part, at)?;
        copy.write_at(part, at.saturating_sub(range.start))?;
        at = at.saturating_add(part.len() as u64);
    }
    copy.sync_data()
}
