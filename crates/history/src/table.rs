//! One stream's Delta table: opened, committed to, and published to readers.
//! Never decides which rows go into which file.

mod commit;
mod failure;
mod open;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use mainstem_disk::SharedDisk;
use mainstem_kernel::{
    Columns, SchemaVersion, Seq, StreamId, StreamName, clock::SharedClock, metrics::Metrics,
};
use mainstem_log::SharedLog;
use parking_lot::{Mutex, RwLock};

pub(crate) use commit::Commit;
pub(crate) use open::folders;

use crate::{
    archive::Archive,
    columns::TableColumns,
    config::HistoryConfig,
    delta::replay::State,
    errors::HistoryError,
    pinned::{DataFile, Pinned},
    rows::Mapping,
};

/// What all tables of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: SharedDisk,
    pub(crate) folder: PathBuf,
    pub(crate) log: SharedLog,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: HistoryConfig,
    /// Bytes of rows that wait for their row group, over all tables.
    pub(crate) buffered: AtomicU64,
}

/// One stream's table.
#[derive(Debug)]
pub(crate) struct Table {
    /// What readers get; swapped as a whole after each commit.
    published: RwLock<Arc<Pinned>>,
    /// Bytes of the file that is being written; 0 if none is.
    pub(crate) open_bytes: AtomicU64,
    /// Its part of `Shared::buffered`.
    buffered: AtomicU64,
    pub(crate) inner: Mutex<Inner>,
}

/// What only one thread at a time may touch.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stream: StreamId,
    pub(crate) name: StreamName,
    pub(crate) folder: PathBuf,
    pub(crate) state: State,
    pub(crate) columns: TableColumns,
    /// `columns.file_schema()`.
    pub(crate) file_schema: SchemaRef,
    pub(crate) versions: BTreeMap<SchemaVersion, Columns>,
    pub(crate) mappings: BTreeMap<SchemaVersion, Mapping>,
    pub(crate) retention: Option<Duration>,
    pub(crate) archive: Archive,
    /// Removed files that a reader may still hold; those of before the start are only in `state`.
    pub(crate) graves: BTreeMap<String, Arc<DataFile>>,
    /// Why nothing is committed any more; cleared by a restart.
    pub(crate) stopped: Option<Stop>,
    /// Counts the files made since the start, so that no name comes twice.
    pub(crate) files_made: u64,
    /// Nothing is tried before this, after a failure; by the monotonic clock.
    pub(crate) retry_at: Duration,
    /// The same for upkeep and compaction.
    pub(crate) upkeep_retry_at: Duration,
}

/// Why a table takes no more commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody else wrote this entry.
    Foreign(u64),
    /// An entry's sync failed.
    InDoubt,
    /// The stream was dropped.
    Retired,
}

impl Table {
    /// Readers' version; cheap.
    pub(crate) fn pin(&self) -> Arc<Pinned> {
        Arc::clone(&self.published.read())
    }

    /// Shows readers what is committed.
    pub(crate) fn publish(&self, inner: &Inner) {
        let open = inner
            .archive
            .open
            .as_ref()
            .map_or(0, crate::file::FileWriter::bytes);
        self.open_bytes.store(open, Ordering::Relaxed);
        let buffered = inner.archive.buffered();
        let before = self.buffered.swap(buffered, Ordering::Relaxed);
        let all = &inner.shared.buffered;
        all.fetch_add(buffered, Ordering::Relaxed);
        all.fetch_sub(before, Ordering::Relaxed);
        let mut published = self.published.write();
        if published.version != inner.state.version {
            *published = Arc::new(inner.pinned());
        }
    }
}

impl Inner {
    /// Fails if the table takes no more commits.
    pub(crate) fn check_open(&self) -> Result<(), HistoryError> {
        let stream = self.name.clone();
        match self.stopped {
            None => Ok(()),
            Some(Stop::Foreign(version)) => Err(HistoryError::Foreign { stream, version }),
            Some(Stop::InDoubt) => Err(HistoryError::InDoubt { stream }),
            Some(Stop::Retired) => Err(HistoryError::Unknown {
                stream: self.stream,
            }),
        }
    }

    /// Takes no more commits: the table is about to be deleted.
    pub(crate) fn retire(&mut self) {
        self.give_up_open_file();
        self.stopped = Some(Stop::Retired);
    }

    /// A path that no file of this table had before: files that a crash left behind are removed
    /// at the start, and versions only grow.
    pub(crate) fn new_path(&mut self, day: i64, first: Seq) -> String {
        self.files_made += 1;
        let folder = crate::delta::action::day_folder(day);
        let (version, made) = (self.state.version + 1, self.files_made);
        format!("{folder}/{:016x}-{version:x}-{made:x}.parquet", first.0)
    }

    fn pinned(&self) -> Pinned {
        Pinned {
            archived: self.state.archived,
            version: self.state.version,
            schema: self.columns.row_schema(),
            physical: self.columns.physical_names(),
            folder: self.folder.clone(),
            files: self.state.files.values().cloned().collect(),
        }
    }
}
