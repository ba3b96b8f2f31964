//! What history is opened with, and what it is told of a stream. Never any decision.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use mainstem_disk::SharedDisk;
use mainstem_kernel::{
    ByteSize, Columns, SchemaVersion, StreamId, StreamName, clock::SharedClock, metrics::Metrics,
};
use mainstem_log::SharedLog;

/// When a file is closed, and how large things may be.
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    /// A file closes at this size.
    pub file_size_max: ByteSize,
    /// Bytes of rows that archiving may hold in memory, over all streams.
    pub memory_max: ByteSize,
}

/// What history needs to know of a stream; `catalog` is not seen from here.
#[derive(Clone, Debug)]
pub struct StreamTable {
    /// The stream.
    pub stream: StreamId,
    /// Its folder is named after both.
    pub name: StreamName,
    /// Newest columns, with ids.
    pub columns: Columns,
    /// All versions of the columns that frames in the log may have, the newest included. Frames
    /// of a version that is not here wait in the log until it is.
    pub versions: BTreeMap<SchemaVersion, Columns>,
    /// How long rows are kept, by arrival.
    pub retention: Option<Duration>,
}

/// What history is opened with.
#[derive(Debug)]
pub struct HistoryParts {
    /// All file access.
    pub disk: SharedDisk,
    /// Folder of all tables.
    pub folder: PathBuf,
    /// Where rows come from, and what is trimmed when they are safe.
    pub log: SharedLog,
    /// Arrival time, ages.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Arc<Metrics>,
}
