//! The durable, partitioned, replayable log: trait, journal, tail, in-memory twin, contract
//! suite.
//!
//! It never decodes what a client sent, never knows a column's meaning and never reads history.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod append;
mod config;
pub mod contract;
pub mod frame;
mod intake;
mod journal;
mod journal_log;
mod ledger;
mod memory;
pub mod read;
mod spare;

use std::{fmt::Debug, sync::Arc};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use tokio::sync::watch;

pub use append::{
    Append, AppendError, Appended, Done, Draft, DraftEntry, Repeated, Stamp, append_and_wait,
};
pub use config::{JournalParts, LogConfig};
pub use frame::{Entry, Frame};
pub use intake::{Earlier, Intake, Landing, LogIntake, Refusal, SharedFault, SharedIntake};
pub use journal::{Damage, Lost, OpenError};
pub use journal_log::{JournalLog, JournalStats, Pin, PinnedFile};
pub use memory::MemoryLog;
pub use read::{Chunk, Extent, ReadError, ReadFrom};

/// A log that parts share.
pub type SharedLog = Arc<dyn Log>;

/// What every engine of the log promises. `contract` holds these promises as tests.
///
/// * An append is all or nothing, and `done` is called exactly once, after it is durable.
/// * A reader sees an append only once it is durable, whole, and in the order of seqs.
/// * The seqs of an append are neighbours and share their millisecond.
/// * Within a partition offsets increase in the order of seqs, and never repeat.
/// * The frontier never moves back, and everything at or below it can be read until trimmed.
pub trait Log: Debug + Send + Sync {
    /// Hands over one atomic append. Blocks while the log's queue is full. `done` runs on the
    /// log's thread: it must be short and must not call the log.
    fn append(&self, append: Append, done: Done);

    /// The frames of a stream after `from.after` and up to the frontier, in order, at most about
    /// `from.bytes_max` of them but at least one if there is one. Blocks on the disk if the frames
    /// are no longer in memory.
    ///
    /// # Errors
    /// `Trimmed` when some of what was asked for is only in history.
    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError>;

    /// What the log still holds of a stream.
    fn extent(&self, stream: StreamId) -> Option<Extent>;

    /// What the log still holds of every stream that it holds something of.
    fn extents(&self) -> Vec<(StreamId, Extent)>;

    /// Gives up a stream's frames up to and including `through`: they are in history, or nobody
    /// wants them. Fine to repeat.
    fn trim(&self, stream: StreamId, through: Seq);

    /// The row number that a loader has to go on from; `None` if it is not known.
    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64>;

    /// Moves the frontier to the present although no rows come, durably: whatever is appended from
    /// now on has a greater seq. Gives the frontier. Blocks on the disk.
    ///
    /// # Errors
    /// As `append`; the frontier stays where it was.
    fn heartbeat(&self) -> Result<Seq, AppendError>;

    /// The greatest seq up to which everything is durable and visible.
    fn frontier(&self) -> Seq;

    /// The frontier as it moves.
    fn watch(&self) -> watch::Receiver<Seq>;
}
