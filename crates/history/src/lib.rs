//! Delta tables: archiver, file index, compaction, retention, and the reader that joins history
//! and log.
//!
//! It is the only writer of its tables, never decides what a stream is, and never parses SQL.

mod config;
mod errors;
mod pinned;

use std::sync::Arc;

use mainstem_kernel::{Seq, StreamId};

pub use config::{HistoryConfig, HistoryParts, StreamTable};
pub use errors::HistoryError;
pub use pinned::{DataFile, FileStats, Pinned, TableFiles, Totals};

/// All Delta tables of a node.
#[derive(Debug)]
pub struct History {}

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

    /// Closes all files at the next rounds of `work`: the log nears its size limit.
    pub fn press(&self) {
        unimplemented!("owner: history")
    }

    /// Every table as a consistent set of files; see `TableFiles`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn pin_all(&self) -> Result<Vec<TableFiles>, HistoryError> {
        unimplemented!("owner: history")
    }

    /// Sums over all tables.
    #[must_use]
    pub fn totals(&self) -> Totals {
        unimplemented!("owner: history")
    }
}

