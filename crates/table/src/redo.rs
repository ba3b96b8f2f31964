//! Redo files: what a checkpoint commits. One file per checkpoint; its sync is the commit.
//!
//! # Format 2
//!
//! File `<20 digits>.redo`, the number of the checkpoint. Numbers have no gaps. Integers are
//! little-endian.
//!
//! ```text
//! header, 128 bytes
//!   0  magic "MSTMREDO"
//!   8  format u16 = 2
//!  10  encoding of rows u16 (`codec::ENCODING`)
//!  12  sections u32
//!  16  number u64
//!  24  through u64: the frontier F that it commits
//!  32  previous u64: F of the checkpoint before, 0 for the first
//!  40  sent u64: rows of checkpoints up to this one were appended to their streams
//!  48  tenant u32
//!  52  length of the application's name u8, its bytes, zeroes up to 124
//! 124  CRC32C u32 of bytes 0..124 and the directory
//! directory, 48 bytes per section
//!   0  kind u8: 1 rows, 2 state, 3 note, 4 outgoing; then three zeroes
//!   4  stream u32: the table, or where outgoing rows go; else 0
//!   8  version u32: of the columns; else 0
//!  12  CRC32C u32 of the body
//!  16  offset u64 of the body, a multiple of 64
//!  24  length u64 of the body
//!  32  producer u64, outgoing only
//!  40  first u64: number of the first outgoing row of its producer
//! bodies
//!   rows      Arrow IPC: key, value (Binary, as `codec` encodes them), written (UInt64, seqs),
//!             deleted (Boolean): the net change of each key since the checkpoint before
//!   state     Arrow IPC: key, value (Binary), deleted (Boolean); several of them, each with other
//!             keys and about 4 MiB of values
//!   note      opaque bytes of whoever drives the checkpoints
//!   outgoing  Arrow IPC: the rows as their stream's columns have them, which is the body of their
//!             frame in the log
//! ```
//!
//! Format 1 has at most one body of state; it is read, too.
//!
//! **Invariants.** File n+1 is written after file n was committed. A file has its name only after
//! its bytes were synced, so a file that does not read is damage, never a torn end.
//! `previous` of n+1 is `through` of n.
//!
//! **Write path.** Everything is put together in memory, written to `<name>.tmp`, synced, renamed,
//! and the directory is synced. When that sync fails the checkpoint is in doubt until a restart.
//!
//! **Read path.** At start the files behind what the store holds become layers over it, in order.
//! Feeds read the sections of one table out of older files.
//!
//! **Recovery.** A `.tmp` is what a crash left of a checkpoint that nobody was told of: removed. A
//! gap, or a file that does not read behind what the store holds, is an error by name.

mod decode;
mod encode;
mod folder;

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use mainstem_kernel::{AppName, ProducerId, SchemaVersion, Seq, StreamId, TenantId};

use crate::layer::Layer;

pub(crate) use decode::Header;
pub(crate) use encode::encode;
pub(crate) use folder::{RedoFolder, WriteFailure};

/// Version of redo files that this program writes.
pub const REDO_FORMAT: u16 = 2;

const MAGIC: [u8; 8] = *b"MSTMREDO";
const HEADER_BYTES: usize = 128;
const CRC_AT: usize = 124;
const NAME_AT: usize = 52;
const PLACE_BYTES: usize = 48;
const ALIGNMENT: usize = 64;

const _: () = assert!(NAME_AT + 1 + mainstem_kernel::ids::NAME_BYTES_MAX <= CRC_AT);
const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT) && CRC_AT + 4 == HEADER_BYTES);

const KIND_ROWS: u8 = 1;
const KIND_STATE: u8 = 2;
const KIND_NOTE: u8 = 3;
const KIND_OUTGOING: u8 = 4;

/// The application whose rows these are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId {
    /// Its owner.
    pub tenant: TenantId,
    /// Its name.
    pub name: AppName,
}

/// What a checkpoint commits besides the changed rows.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// State that changed since the checkpoint before.
    pub state: StateDelta,
    /// Rows to append to streams once it is committed.
    pub outgoing: Vec<Outgoing>,
    /// What whoever drives the checkpoints needs to go on from here. A start gives the last one.
    pub note: Bytes,
}

/// Rows to append to a stream once the checkpoint is committed. After a crash they are appended
/// again from the redo file: the stamp lets the log recognise them.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where they go.
    pub stream: StreamId,
    /// Version of their columns.
    pub schema: SchemaVersion,
    /// Whom the log knows as their sender.
    pub producer: ProducerId,
    /// Number of the first row, counted by the sender.
    pub first: u64,
    /// The rows, as the stream's columns have them.
    pub rows: RecordBatch,
    /// The rows as a frame has them, so that they are encoded once for the file and the log. Empty
    /// before their checkpoint is committed.
    pub body: Bytes,
}

/// State of operators that changed: keys begin with the id of their view, big-endian, so that two
/// applications never meet. Of a key that comes several times the last counts.
#[derive(Debug, Default)]
pub struct StateDelta {
    /// Keys and their values; none if the key goes.
    pub(crate) changes: Vec<(Bytes, Option<Bytes>)>,
}

impl StateDelta {
    /// Gives a key a value.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes a key; fine if it is not there.
    pub fn remove(&mut self, key: impl Into<Bytes>) {
        self.changes.push((key.into(), None));
    }

    /// Number of changes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// A checkpoint as its file keeps it.
#[derive(Debug)]
pub(crate) struct Redo {
    pub(crate) mark: Mark,
    pub(crate) tables: Vec<(StreamId, Arc<Layer>)>,
    pub(crate) state: Option<Arc<Layer>>,
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) note: Bytes,
}

/// Which checkpoint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    /// The frontier that it commits.
    pub(crate) through: Seq,
    /// The frontier of the one before.
    pub(crate) previous: Seq,
    /// Outgoing rows up to this checkpoint were appended.
    pub(crate) sent: u64,
}

#[cfg(test)]
mod tests;
