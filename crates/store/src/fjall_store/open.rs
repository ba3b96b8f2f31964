//! Opening: the format marker first, then fjall. Never guesses at what it does not know.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, LsmError,
    config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy},
};
use mainstem_disk::{Disk, write_new_durably};
use mainstem_kernel::ByteSize;

use super::{FjallStore, Keyspaces};
use crate::{Space, StoreError};

/// Version of the layout that this program writes; it reads this one.
pub const FORMAT: u32 = 1;

/// Name of the marker.
const MARKER: &str = "FORMAT";
/// What the marker begins with.
const MARKER_WORDS: &str = "mainstem store ";
/// Folder of fjall's own files.
const ENGINE: &str = "fjall";
/// fjall's own marker, which it writes last when it makes a database.
const ENGINE_MARKER: &str = "version";
/// Threads of fjall. With two, one of them spins while the other sorts; nothing waits for either.
const THREADS: usize = 1;
/// Least size of fjall's journals.
const JOURNAL_MIN: ByteSize = ByteSize::mib(64);
/// Most that `Meta` and `Due` hold in memory before it is sorted into files.
const SMALL_BUFFER_MAX: ByteSize = ByteSize::mib(8);
/// Filter of each file. fjall gives new files twice the bits, and files that are moved keep them.
const FILTER: FilterPolicyEntry =
    FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
/// From such a cache on the filters of new files are held besides. With less they take their place in
/// it: files that are moved and not merged would go on holding theirs, a byte and more for each row.
const PINNED_FROM: ByteSize = ByteSize::mib(128);
/// Open files that are kept.
const FILES_MAX: usize = 512;

/// How much a store may hold in memory and in its journals.
#[derive(Clone, Copy, Debug)]
pub struct StoreConfig {
    /// Blocks that were read, in memory.
    pub cache: ByteSize,
    /// New rows of one space in memory, from which on they are sorted into files.
    pub buffer_size_max: ByteSize,
    /// New rows of all spaces in memory, those included that wait to be sorted into files: writes
    /// wait beyond that. At least one more than all buffers.
    pub buffers_size_max: ByteSize,
    /// fjall's journals; at least 64 MiB.
    pub journal_size_max: ByteSize,
}

impl StoreConfig {
    /// The most that one space buffers.
    fn buffer_of(&self, space: Space) -> ByteSize {
        match space {
            Space::Meta | Space::Due => self.buffer_size_max.min(SMALL_BUFFER_MAX),
            Space::Rows | Space::State => self.buffer_size_max,
        }
    }

    /// From how much on writes wait. With more than all buffers may have, one of them is on its way
    /// to files, so that the wait has an end.
    fn buffered_max(&self) -> u64 {
        let all = Space::ALL.map(|space| self.buffer_of(space).0);
        let least = all.iter().sum::<u64>() + self.buffer_size_max.0;
        self.buffers_size_max.0.max(least)
    }
}

impl FjallStore {
    /// Opens the store of a folder, or begins one.
    ///
    /// # Errors
    /// `StoreError` says whether the folder is to be deleted: it comes back.
    pub fn open(
        disk: &dyn Disk,
        folder: &Path,
        config: StoreConfig,
    ) -> Result<Arc<Self>, StoreError> {
        check_marker(disk, folder)?;
        let engine = folder.join(ENGINE);
        discard_unfinished(disk, &engine).map_err(disk_error("clean up", folder))?;
        let no_path = || io::Error::from(io::ErrorKind::Unsupported);
        let native = disk.native_path(&engine).ok_or_else(no_path);
        let native = native.map_err(disk_error("open", folder))?;
        let database = Database::builder(native)
            .cache_size(config.cache.0)
            .max_journaling_size(config.journal_size_max.max(JOURNAL_MIN).0)
            .max_cached_files(Some(FILES_MAX))
            .manual_journal_persist(true)
            .journal_compression(CompressionType::None)
            .worker_threads(THREADS)
            .open();
        let database = database.map_err(|error| error_of("open", folder.to_owned(), error))?;
        let keyspace = |space| {
            open_keyspace(&database, space, config)
                .map_err(|error| error_of("open", folder.to_owned(), error))
        };
        let keyspaces = Keyspaces {
            folder: folder.to_owned(),
            meta: keyspace(Space::Meta)?,
            rows: keyspace(Space::Rows)?,
            state: keyspace(Space::State)?,
            due: keyspace(Space::Due)?,
        };
        Ok(Arc::new(Self {
            database,
            keyspaces: Arc::new(keyspaces),
            batches: AtomicU64::new(0),
            buffered_max: config.buffered_max(),
            is_stuck: AtomicBool::new(false),
        }))
    }
}

fn open_keyspace(
    database: &Database,
    space: Space,
    config: StoreConfig,
) -> Result<Keyspace, fjall::Error> {
    let buffer = config.buffer_of(space);
    database.keyspace(space.name(), || {
        let options = KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .filter_policy(FilterPolicy::all(FILTER));
        let options = if config.cache < PINNED_FROM {
            options.filter_block_pinning_policy(PinningPolicy::disabled())
        } else {
            options
        };
        match space {
            Space::Meta | Space::Due | Space::Rows => options.max_memtable_size(buffer.0),
            // State is read as often as it is written while there is more of it than memory, and
            // to compress it costs more than to write it.
            Space::State => {
                let apart = KvSeparationOptions::default().compression(CompressionType::None);
                options
                    .max_memtable_size(buffer.0)
                    .with_kv_separation(Some(apart))
            }
        }
    })
}

/// Reads the marker, or writes it into a folder that has nothing else.
fn check_marker(disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
    let failed = |source| disk_error("open", folder)(source);
    let marker = folder.join(MARKER);
    if disk.stat(&marker).map_err(failed)?.is_some() {
        let bytes = disk.read(&marker).map_err(failed)?;
        return check_format(folder, &bytes);
    }
    if disk.stat(&folder.join(ENGINE)).map_err(failed)?.is_some() {
        let missing = io::Error::new(io::ErrorKind::NotFound, "its file FORMAT is missing");
        return Err(damaged(folder, missing));
    }
    disk.create_dirs(folder).map_err(failed)?;
    let words = format!("{MARKER_WORDS}{FORMAT}\n");
    write_new_durably(disk, &marker, words.as_bytes()).map_err(failed)
}

fn check_format(folder: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let text = String::from_utf8_lossy(bytes);
    let number = text
        .strip_prefix(MARKER_WORDS)
        .and_then(|rest| rest.trim_end().parse::<u32>().ok());
    match number {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(StoreError::Newer {
            folder: folder.to_owned(),
            found,
            known: FORMAT,
        }),
        Some(_) | None => {
            let unknown = io::Error::new(io::ErrorKind::InvalidData, "its file FORMAT is unknown");
            Err(damaged(folder, unknown))
        }
    }
}

/// fjall cannot go on with a folder that a crash left before its marker was written. Nothing was
/// ever stored in it.
fn discard_unfinished(disk: &dyn Disk, engine: &Path) -> io::Result<()> {
    let exists = disk.stat(engine)?.is_some();
    if exists && disk.stat(&engine.join(ENGINE_MARKER))?.is_none() {
        disk.remove_dirs(engine)?;
    }
    Ok(())
}

fn damaged(folder: &Path, source: io::Error) -> StoreError {
    StoreError::Damaged {
        folder: folder.to_owned(),
        source: Box::new(source),
    }
}

/// Puts what was tried, and in which folder, to what the disk said.
fn disk_error(action: &'static str, folder: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let folder = folder.to_owned();
    move |source| StoreError::Disk {
        action,
        folder,
        source,
    }
}

/// What an error of fjall means here.
pub(super) fn error_of(action: &'static str, folder: PathBuf, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source)) => {
            StoreError::Disk {
                action,
                folder,
                source,
            }
        }
        fjall::Error::Locked => StoreError::Locked { folder },
        fjall::Error::Poisoned => StoreError::Poisoned { folder },
        other => StoreError::Damaged {
            folder,
            source: Box::new(other),
        },
    }
}
