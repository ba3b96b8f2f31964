//! The journal: groups of frames in files that are written over and over, and the rules by which
//! they are found again. It never decodes a body except for a reader, and never sees a column.
//!
//! # Format, version 1
//!
//! All numbers are little endian; all reserved bytes are zero. Folder `journal/` holds files
//! `NNNNNNNN.journal`; the number is a slot, not an order. The order is the generation in the
//! header: each time a slot is begun anew it gets the next generation, so those in use are
//! `oldest..=newest` without a gap.
//!
//! ```text
//! file header, at 0; the rest of its 4,096 bytes is zero
//!   0  magic           8  "MSTMJRNL"
//!   8  version         4
//!  12  reserved        4
//!  16  journal id      8  the same in all files of a journal
//!  24  generation      8  from 1
//!  32  first group     8  number of the first group in this file
//!  40  crc             4  CRC32C of bytes 0..40
//!
//! group: begins at a multiple of 4,096, padded with zeroes to one, never crosses a file
//!   0  magic           4  "MGRP"
//!   4  version         2
//!   6  flags           2  1 = snapshot, 2 = carry
//!   8  journal id      8
//!  16  generation      8  of its file
//!  24  number          8  counts the groups of the journal from 1, without a gap
//!  32  length          4  of the frames, without this header and the padding
//!  36  frames          4
//!  40  first seq       8  of its frames; of a group without frames, the same as last
//!  48  last seq        8  greatest seq of the journal as of this group
//!  56  behind          4  how many generations before its own are still needed
//!  60  crc             4  CRC32C of bytes 0..60
//!  64  frames
//!
//! frame: begins at a multiple of 8 after the group's beginning, padded with zeroes to one
//!   0  length          4  of header, entries, body and padding
//!   4  body length     4
//!   8  header crc      4  CRC32C of bytes 0..8, 12..64 and of the entries
//!  12  body crc        4  CRC32C of the body
//!  16  version         2
//!  18  reserved        2
//!  20  entries         4
//!  24  seq             8
//!  32  previous seq    8  of the stream's frame before this one; 0 if it is the first
//!  40  stream          4  4,294,967,295 = snapshot
//!  44  schema          4
//!  48  key             4
//!  52  rows            4
//!  56  memory          4  bytes of the decoded rows, about
//!  60  reserved        4
//!  64  entries, then the body: an Arrow IPC stream of one batch, or a snapshot
//!
//! entry
//!   0  partition       2
//!   2  stamp           1  0 none, 1 producer, 2 request, 3 load
//!   3  reserved        1
//!   4  rows            4
//!   8  first offset    8
//!  16  offset span     4
//!  20  epoch           2  producer
//!  22  reserved        2
//!  24  producer        8
//!  32  first           8  producer: first sequence; request: check; load: first row
//!  40  span            4  load
//!  44  rejected        4  request, load
//! ```
//!
//! The body of a snapshot is described in `snapshot.rs`.
//!
//! # Invariants
//!
//! 1. Group n+1 is written only after the sync of group n has returned.
//! 2. A file's header is synced before its first group is written, and written only after the
//!    last group of the file before was synced. It fits into a sector, so it is there or not.
//! 3. The first group of a file is a snapshot: next offsets, last and trimmed frames and stamps as
//!    of the end of the file before. So the oldest file in use is a complete beginning.
//! 4. A slot is begun anew only after a group was synced whose `behind` says that its old
//!    generation is not needed any more, and only while no reader and no backup holds it.
//! 5. The frames of a stream are a chain by `previous seq`; trimming cuts it from the front.
//! 6. The last page of a file is kept for a group without frames, so that 4 can be satisfied when
//!    the file is full.
//!
//! # Write path
//!
//! `commit` gives places to the frames of all waiting appends, writes them as one group with one
//! vectored write, syncs once, publishes them in the index, and answers. If the write fails, the
//! header (of the group, or of the file that was to begin) is overwritten with zeroes and synced,
//! so that it is surely not there;
//! its place and number are used again, its seqs and offsets are not. If that fails too, or if any
//! sync fails, the journal is poisoned: no more writes until recovery has seen what is on disk.
//!
//! When a group does not fit, the journal rolls: into a slot whose frames were all trimmed, or
//! into a new one while the journal is below its limit. Before the last free slot is used, the
//! oldest file must be at most half live; its live frames are then *carried*: copied byte for
//! byte into groups with the carry flag in the new file, and synced, before its slot is used
//! again. Otherwise appends are refused as `JournalFull` and nothing changes. (The limit may be
//! exceeded by what snapshots need that are larger than a file has room for.)
//!
//! # Read path
//!
//! The index says of each live frame where it is: in memory, or at which byte of which file. The
//! file is read without any lock, and both checksums are compared before a byte is used.
//!
//! # Recovery
//!
//! Groups are read in order. Where one is not whole:
//! * if a later group of this journal exists (in the file, or because a later file was begun), it
//!   had been acknowledged: that is damage, it is named, and the journal does not open unless the
//!   damage is accepted, in which case the bytes are copied aside and skipped;
//! * if none exists, it was never acknowledged: the torn tail, and it is written over.
//!
//! Whole groups of other generations are remains of an earlier use. A generation missing between
//! oldest and newest is damage. Then the last group is written and synced again as it was read: if
//! its sync failed before the restart, the system may show what is not on the disk (Rebello et
//! al., USENIX ATC 2020). Then a group without frames is written: it proves that the last group
//! was whole, so that later damage to it is not taken for a torn tail. (`prove` writes such a
//! group at any time, and so does a heartbeat, which gives it a seq of its own: the frontier is the
//! greatest `last seq`, so it stays where the heartbeat moved it.)
//!
//! What was trimmed since the last snapshot comes back and has to be trimmed again. Carried frames
//! may be there twice; the newer copy counts. A frame whose successor in the chain is gone was
//! trimmed and is dropped, unless damage was accepted: then everything found is kept.

mod commit;
mod damage;
mod error;
mod file;
mod find;
mod format;
mod group;
mod index;
mod open;
mod reader;
mod recover;
mod roll;
mod scan;
mod snapshot;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mainstem_disk::SharedDisk;
use mainstem_kernel::{
    ByteSize, ProducerId, Seq, StreamId, Timestamp, clock::SharedClock, metrics::Metrics,
};
use parking_lot::RwLock;

use crate::{AppendError, LogConfig, ledger::Ledger};

pub(crate) use commit::Prepared;
pub use damage::{Damage, Lost};
pub use error::OpenError;
pub(crate) use file::{FreeSlot, JournalFile};
pub(crate) use index::{Found, Index};
pub(crate) use open::JournalNeeds;
pub(crate) use reader::read_frame;
pub(crate) use roll::make_slot;

/// The journal as a single thread uses it; readers share its index.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: SharedDisk,
    folder: PathBuf,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    config: LogConfig,
    id: u64,
    ledger: Ledger,
    index: Arc<RwLock<Index>>,
    /// Files in use, by generation; the last one is written to.
    files: VecDeque<Arc<JournalFile>>,
    /// Slots that hold nothing; the first one is used next.
    free: VecDeque<FreeSlot>,
    /// Number of the last slot.
    last_slot: u32,
    /// A slot that is being made elsewhere.
    spare: Option<crate::spare::Spare>,
    /// Where the next group goes in the last file.
    at: u64,
    /// Number of the next group.
    next_group: u64,
    /// Oldest generation that is needed, as the last synced group says.
    durable_oldest: u64,
    /// The last file has no snapshot yet.
    is_snapshot_due: bool,
    /// What the wall clock and the monotonic clock showed at the last group.
    clock_seen: (Timestamp, Duration),
    /// The file whose sync failed.
    poisoned: Option<PathBuf>,
}

impl Journal {
    /// Where frames are; for readers.
    pub(crate) fn index(&self) -> Arc<RwLock<Index>> {
        Arc::clone(&self.index)
    }

    /// The row number that a loader has to go on from.
    pub(crate) fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.ledger.next_row(stream, producer)
    }

    /// The greatest seq up to which everything is durable.
    pub(crate) fn frontier(&self) -> Seq {
        self.index.read().frontier()
    }

    /// The files in use, the oldest first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<JournalFile>> {
        self.files.iter()
    }

    /// Bytes of all files, free slots included.
    pub(crate) fn size(&self) -> ByteSize {
        let files = self.files.iter().map(|file| file.length());
        let free = self.free.iter().map(|slot| slot.length);
        ByteSize(files.chain(free).fold(0, u64::saturating_add))
    }

    /// Bytes of live frames.
    pub(crate) fn live(&self) -> ByteSize {
        ByteSize(
            self.files
                .iter()
                .map(|file| file.live())
                .fold(0, u64::saturating_add),
        )
    }

    /// Writes a group without frames: it proves that everything before it was synced.
    ///
    /// # Errors
    /// As `commit`.
    pub(crate) fn prove(&mut self) -> Result<(), AppendError> {
        self.check_poison()?;
        self.make_room(format::PAGE_BYTES)?;
        self.write_group(group::Group::new(), 0).map(drop)
    }

    fn check_poison(&self) -> Result<(), AppendError> {
        match &self.poisoned {
            Some(path) => Err(AppendError::Poisoned { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// Generation of the oldest file in use.
    fn oldest(&self) -> u64 {
        self.files
            .front()
            .map_or(self.durable_oldest, |file| file.generation())
    }

    fn poison(&mut self, path: &Path) -> AppendError {
        tracing::error!(path = %path.display(), "sync failed, log closed for writes");
        self.poisoned = Some(path.to_owned());
        AppendError::Poisoned {
            path: path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
