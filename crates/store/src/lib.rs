//! `Keyed`: local, synchronous rows by key, with snapshots; on disk by fjall, or in memory.
//!
//! It never knows what a key or a value means, and it is never the truth: log and redo files are.
//! A store can be deleted and comes back.

mod batch;
pub mod contract;
mod errors;
mod fjall_store;
mod memory;
mod range;
mod twin;

use std::{fmt::Debug, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use mainstem_kernel::ByteSize;

pub use batch::Batch;
pub use errors::StoreError;
pub use fjall_store::{FORMAT, FjallStore, StoreConfig};
pub use memory::MemoryStore;
pub use range::KeyRange;
pub use twin::TwinStore;

/// A store that parts share.
pub type SharedStore = Arc<dyn Keyed>;
/// A snapshot that readers share.
pub type SharedSnapshot = Arc<dyn Snapshot>;
/// What a scan calls with each key and value; it may stop the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Longest key, in bytes. The shortest has one.
pub const KEY_BYTES_MAX: usize = 65_535;

/// The fixed parts of a store. A key in one has nothing to do with the same key in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Few small entries: what has been applied.
    Meta,
    /// Rows of tables and keyed views.
    Rows,
    /// State of operators.
    State,
    /// Keys of rows by the time when they were written, for those that expire.
    Due,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Rows, Self::State, Self::Due];

    /// Name on the disk and in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Rows => "rows",
            Self::State => "state",
            Self::Due => "due",
        }
    }
}

/// What every engine of the store promises. `contract` holds these promises as tests.
///
/// * A batch is visible whole or not at all, and to every snapshot that is taken after it.
/// * A snapshot never changes.
/// * Within a batch, the last change of a key counts.
/// * Scans go in the order of bytes.
/// * After a crash there is what some number of first batches left, and no less than at the last
///   `persist` that returned.
pub trait Keyed: Debug + Send + Sync {
    /// Writes a batch. It may block for hundreds of milliseconds while the engine catches up.
    ///
    /// # Errors
    /// `KeyLength` before anything is written; else nothing of the batch is visible, and whether
    /// it is on disk is unknown: the same batch may be written again.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Everything that was written so far, as it is now.
    ///
    /// # Errors
    /// When the engine cannot be asked any more.
    fn snapshot(&self) -> Result<SharedSnapshot, StoreError>;

    /// Makes everything that was written survive a power cut.
    ///
    /// # Errors
    /// `Poisoned` from then on if the disk refused: only a restart tells what survived.
    fn persist(&self) -> Result<(), StoreError>;

    /// Figures for people.
    fn stats(&self) -> StoreStats;
}

/// A store at one moment.
pub trait Snapshot: Debug + Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the disk does not give it, or it is damaged.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Calls `visit` with the keys of a range and their values, in the order of bytes, until it
    /// breaks.
    ///
    /// # Errors
    /// As `get`; what was visited before was right.
    fn scan(&self, space: Space, range: &KeyRange, visit: &mut Visit<'_>)
    -> Result<(), StoreError>;
}

/// Figures of a store at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Batches that were written since it was opened.
    pub batches: u64,
    /// Bytes on the disk, or of keys and values in memory.
    pub size: ByteSize,
    /// Bytes that wait in memory to be sorted into files.
    pub buffered: ByteSize,
}
