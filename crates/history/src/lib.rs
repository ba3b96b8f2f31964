//! Delta tables: archiver, file index, compaction, retention, and the reader that joins history
//! and log.
//!
//! It is the only writer of its tables, never decides what a stream is, and never parses SQL.
//!
//! # The way of a row
//!
//! `archive` reads frames of the log, `rows` sorts them, `file` writes them as Parquet, `table`
//! commits the file to the stream's Delta table (`delta`) and shows it to readers (`pinned`);
//! only then is the log trimmed. `rounds` calls all this for every stream, and beside it
//! `compact` merges small files and `upkeep` writes checkpoints and deletes what is too old.
//!
//! # The tables
//!
//! One Delta table per stream (layout: `delta`), partitioned by arrival day (`_day`). Its columns
//! are those of `types::row_schema`: the declared ones, `_extra`, `_seq`, `_partition`, `_offset`
//! (names and ids: `columns`). UUID and JSON are strings, TIMESTAMPTZ is µs UTC, NUMERIC decimal.
//! Row groups hold at most 128 Ki rows, sorted by (`_partition`, `_offset`), zstd level 1, with
//! statistics and page index; dictionaries where values repeat; no bloom filters.

mod archive;
mod columns;
mod compact;
mod config;
mod delta;
mod errors;
mod file;
mod pinned;
mod replay;
mod rounds;
mod rows;
mod table;
mod upkeep;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use mainstem_kernel::{Seq, StreamId};
use parking_lot::{Mutex, RwLock};

pub use config::{HistoryConfig, HistoryParts, StreamTable};
pub use errors::HistoryError;
pub use pinned::{DataFile, FileStats, Pinned, TableFiles, Totals};
pub use replay::{Replay, Replayed};

use crate::{
    delta::{checkpoint_path, entry_path},
    errors::disk_error,
    file::make_dirs,
    rounds::Rounds,
    table::{Shared, Table, folders},
};

/// All Delta tables of a node.
///
/// Any thread may call any method; `work` is meant for one thread that calls it again and again,
/// and waits some milliseconds when it says that there was nothing to do.
#[derive(Debug)]
pub struct History {
    shared: Arc<Shared>,
    tables: RwLock<BTreeMap<StreamId, Arc<Table>>>,
    /// Folders found at the start or made since; held while a table is opened.
    folders: Mutex<BTreeMap<u32, PathBuf>>,
    rounds: Mutex<Rounds>,
    pressed: AtomicBool,
}

impl History {
    /// Opens the folder; tables are opened by `set_table`.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn open(parts: HistoryParts, config: HistoryConfig) -> Result<Arc<Self>, HistoryError> {
        let HistoryParts {
            disk,
            folder,
            log,
            clock,
            metrics,
        } = parts;
        make_dirs(disk.as_ref(), &folder)?;
        let shared = Arc::new(Shared {
            disk,
            folder,
            log,
            clock,
            metrics,
            config,
            buffered: AtomicU64::new(0),
        });
        Ok(Arc::new(Self {
            folders: Mutex::new(folders(&shared)?),
            shared,
            tables: RwLock::default(),
            rounds: Mutex::default(),
            pressed: AtomicBool::new(false),
        }))
    }

    /// Declares a stream, or its newest columns and retention. At the first call since the start
    /// the table's index is read and the log is trimmed to what is archived.
    ///
    /// # Errors
    /// When the table is damaged, or somebody else wrote to it. After `Foreign` the table is there
    /// and can be read up to the foreign entry; its rows stay in the log. After any other error
    /// the call may be repeated.
    pub fn set_table(&self, table: StreamTable) -> Result<(), HistoryError> {
        let mut folders = self.folders.lock();
        let known = self.table(table.stream);
        let opened = match known {
            Some(known) => known,
            None => {
                let default = || {
                    self.shared
                        .folder
                        .join(format!("{}-{}", table.name, table.stream))
                };
                let folder = folders
                    .get(&table.stream.0)
                    .cloned()
                    .unwrap_or_else(default);
                let opened = Arc::new(Table::open(&self.shared, folder.clone(), &table)?);
                folders.insert(table.stream.0, folder);
                let archived = opened.pin().archived;
                if archived > Seq::ZERO {
                    self.shared.log.trim(table.stream, archived);
                }
                self.tables
                    .write()
                    .insert(table.stream, Arc::clone(&opened));
                opened
            }
        };
        let mut inner = opened.inner.lock();
        inner.check_open()?;
        let defined = inner.define(&table);
        opened.publish(&inner);
        defined
    }

    /// Removes a stream's table with all its files, and what the log still holds of it. Readers
    /// that hold a `Pinned` of it find its files gone.
    ///
    /// # Errors
    /// What the disk says; repeat the call then.
    pub fn forget(&self, stream: StreamId) -> Result<(), HistoryError> {
        let mut folders = self.folders.lock();
        self.rounds.lock().forget(stream);
        if let Some(table) = self.table(stream) {
            table.inner.lock().retire();
            self.tables.write().remove(&stream);
        }
        if let Some(folder) = folders.get(&stream.0) {
            let disk = self.shared.disk.as_ref();
            if disk
                .stat(folder)
                .map_err(disk_error("read", folder))?
                .is_some()
            {
                disk.remove_dirs(folder)
                    .map_err(disk_error("remove", folder))?;
            }
            let all = &self.shared.folder;
            disk.sync_dir(all).map_err(disk_error("sync", all))?;
            folders.remove(&stream.0);
        }
        self.shared.log.trim(stream, self.shared.log.frontier());
        Ok(())
    }

    /// One round: archive what is due, compact, expire, checkpoint. Returns whether it did
    /// anything, so that the caller knows when to wait.
    pub fn work(&self) -> bool {
        self.round()
    }

    /// Archives everything of a stream up to the present frontier, and returns that.
    ///
    /// # Errors
    /// What archiving says; the rows stay in the log.
    pub fn flush(&self, stream: StreamId) -> Result<Seq, HistoryError> {
        let table = self.table(stream).ok_or(HistoryError::Unknown { stream })?;
        let frontier = self.shared.log.frontier();
        let mut inner = table.inner.lock();
        let archived = inner.archive_through(frontier);
        table.publish(&inner);
        archived.map(|()| frontier)
    }

    /// Closes all files at the next rounds of `work`: the log nears its size limit.
    pub fn press(&self) {
        self.pressed.store(true, Ordering::Relaxed);
    }

    /// A pinned view of a stream's history: the cut and the files below it.
    #[must_use]
    pub fn pin(&self, stream: StreamId) -> Option<Arc<Pinned>> {
        Some(self.table(stream)?.pin())
    }

    /// Every table as a consistent set of files; see `TableFiles`.
    #[must_use]
    pub fn pin_all(&self) -> Vec<TableFiles> {
        let tables: Vec<Arc<Table>> = self.tables.read().values().cloned().collect();
        let pin = |table: &Arc<Table>| {
            // The lock keeps version and checkpoint together.
            let inner = table.inner.lock();
            let pinned = table.pin();
            let checkpoint = inner.state.checkpoint;
            let first = if checkpoint > 0 { checkpoint + 1 } else { 0 };
            let paths = (checkpoint > 0)
                .then(|| checkpoint_path(checkpoint))
                .into_iter();
            let paths = paths.chain((first..=pinned.version).map(entry_path));
            let data = pinned.files.iter().map(|file| file.path.clone());
            TableFiles {
                paths: paths.chain(data).collect(),
                pinned: Arc::clone(&pinned),
            }
        };
        tables.iter().map(pin).collect()
    }

    /// Sums over all tables.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for table in self.tables.read().values() {
            let pinned = table.pin();
            totals.files += pinned.files.len() as u64;
            totals.rows += pinned.rows();
            totals.bytes += pinned.files.iter().map(|file| file.size).sum::<u64>();
        }
        totals
    }

    fn table(&self, stream: StreamId) -> Option<Arc<Table>> {
        self.tables.read().get(&stream).cloned()
    }
}
