//! Sizes and limits of the journal, and what it is opened with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mainstem_disk::SharedDisk;
use mainstem_kernel::{ByteSize, clock::SharedClock, metrics::Metrics, spawn::SharedSpawn};

/// Sizes and limits of the journal.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Size of a journal file; at least twice `group_size_max`.
    pub journal_file_size: ByteSize,
    /// Size of all journal files; at least four files.
    pub journal_size_max: ByteSize,
    /// Largest group, and so the largest append.
    pub group_size_max: ByteSize,
    /// Appends that may wait for the sequencer.
    pub queue_max: usize,
    /// Recent rows in memory, over all streams.
    pub tail_bytes_max: ByteSize,
    /// Senders that are remembered, of each kind.
    pub producers_max: usize,
    /// How long idempotency keys are remembered.
    pub request_keep: Duration,
    /// Appends are refused when the wall clock is further behind the last seq than this.
    pub clock_behind_max: Duration,
    /// Open although groups are damaged: they are copied aside and skipped.
    pub accept_damage: bool,
}

/// What the journal is opened with.
#[derive(Clone, Debug)]
pub struct JournalParts {
    /// All file access.
    pub disk: SharedDisk,
    /// The journal's folder; made if it is absent.
    pub folder: PathBuf,
    /// Arrival time.
    pub clock: SharedClock,
    /// Starts the sequencer.
    pub spawn: SharedSpawn,
    /// Counters.
    pub metrics: Arc<Metrics>,
}
