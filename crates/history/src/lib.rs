//! Delta tables: archiver, file index, compaction, retention, and the reader that joins history
//! and log.
//!
//! It is the only writer of its tables, never decides what a stream is, and never parses SQL.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arrow::datatypes::SchemaRef;
use mainstem_disk::SharedDisk;
use mainstem_kernel::{
    Answer, ByteSize, Code, Columns, Fault, Seq, StreamId, StreamName,
    clock::SharedClock, metrics::Metrics,
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
    /// How long rows are kept, by arrival.
    pub retention: Option<Duration>,
}

/// All Delta tables of a node.
#[derive(Debug)]
pub struct History {}

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

impl History {
    /// Opens the folder; tables are opened by `set_table`.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn open(_parts: HistoryParts, _config: HistoryConfig) -> Result<Arc<Self>, HistoryError> {
        unimplemented!("owner: history")
    }

    /// Declares a stream, or its newest columns and retention. At the first call since the start
    /// the table's index is read and the log is trimmed to what is archived.
    ///
    /// # Errors
    /// When the table is damaged or somebody else wrote to it.
    pub fn set_table(&self, _table: StreamTable) -> Result<(), HistoryError> {
        unimplemented!("owner: history")
    }

    /// Removes a stream's table with all its files.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget(&self, _stream: StreamId) -> Result<(), HistoryError> {
        unimplemented!("owner: history")
    }

    /// One round: archive what is due, compact, expire, checkpoint. Returns whether it did
    /// anything, so that the caller knows when to wait.
    pub fn work(&self) -> bool {
        unimplemented!("owner: history")
    }

    /// Archives everything of a stream up to the present frontier, and returns that.
    ///
    /// # Errors
    /// What archiving says.
    pub fn flush(&self, _stream: StreamId) -> Result<Seq, HistoryError> {
        unimplemented!("owner: history")
    }

    /// A pinned view of a stream's history: the cut and the files below it.
    #[must_use]
    pub fn pin(&self, _stream: StreamId) -> Option<Arc<Pinned>> {
        unimplemented!("owner: history")
    }

    /// Sums over all tables.
    #[must_use]
    pub fn totals(&self) -> Totals {
        unimplemented!("owner: history")
    }
}

/// Sums over all tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Live files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
}

/// A version of a table that stays readable while this is held.
#[derive(Debug)]
pub struct Pinned {
    /// Everything up to and including this seq is in `files`, everything above in the log.
    pub archived: Seq,
    /// Version of the Delta table.
    pub version: u64,
    /// Row schema (system columns last) of the newest columns.
    pub schema: SchemaRef,
    /// Folder of the table, as `Disk` knows it.
    pub folder: PathBuf,
    /// Live files, by seq.
    pub files: Arc<[Arc<DataFile>]>,
}

/// One Parquet file.
#[derive(Debug)]
pub struct DataFile {
    /// Below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Least seq in it.
    pub first_seq: Seq,
    /// Greatest seq in it.
    pub last_seq: Seq,
    /// Least and greatest value and NULL count per column, as in the Delta entry.
    pub stats: FileStats,
}

/// Statistics of a file's columns, as the Delta entry holds them.
#[derive(Clone, Debug, Default)]
pub struct FileStats {
    /// Least values by column name.
    pub min: serde_json::Map<String, serde_json::Value>,
    /// Greatest values by column name.
    pub max: serde_json::Map<String, serde_json::Value>,
    /// NULLs by column name.
    pub nulls: serde_json::Map<String, serde_json::Value>,
}

/// Why history could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Caller: restore the table's folder.
    #[error("table of stream \"{stream}\" was changed by another program")]
    Foreign {
        /// The stream.
        stream: StreamName,
    },
}

impl Fault for HistoryError {
    fn answer(&self) -> Answer {
        match self {
            Self::Foreign { .. } => Answer::node(Code::Log001),
        }
    }
}
