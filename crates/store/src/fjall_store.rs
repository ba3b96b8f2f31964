//! `FjallStore`: a store in a folder, by fjall 3.
//!
//! # Layout, format 1
//!
//! ```text
//! <folder>/FORMAT   "mainstem store 1\n": written and synced before anything else
//! <folder>/fjall/   fjall's own; one keyspace per `Space`, named after it
//! ```
//!
//! Large values of `Space::State` lie apart from their keys, so that sorting keys does not copy
//! them. fjall checks every block that it reads against a checksum.
//!
//! Writes are buffered by fjall and reach the disk at `persist`, or when fjall sorts what it holds
//! into files: it then syncs its journal first. So after a crash the journal holds some number of
//! first batches.
//!
//! fjall sorts buffers into files in the thread that also merges files, and takes writes meanwhile,
//! however many. So a write waits here while more is buffered than may be.
//!
//! fjall uses the machine's file system itself: the folder must have a native path. What a crash
//! leaves is proved by killing processes (`tests/soak.rs`), not on the twin disk.

mod open;

use std::{
    fmt,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use fjall::{Database, Keyspace, PersistMode, Readable};
use mainstem_kernel::ByteSize;

pub use open::{FORMAT, StoreConfig};

use crate::{
    Batch, KEY_BYTES_MAX, KeyRange, Keyed, SharedSnapshot, Snapshot, Space, StoreError, StoreStats,
    Visit,
};

/// How long a write waits before it looks again whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How often it looks: then fjall says by itself what hinders it.
const LOOKS_MAX: u32 = 6_000;

/// A store in a folder.
pub struct FjallStore {
    database: Database,
    keyspaces: Arc<Keyspaces>,
    batches: AtomicU64,
    /// Writes wait while more is buffered.
    buffered_max: u64,
    /// Waiting was in vain: writes do not, until there is room again.
    is_stuck: AtomicBool,
}

/// The keyspace of each `Space`.
struct Keyspaces {
    folder: PathBuf,
    meta: Keyspace,
    rows: Keyspace,
    state: Keyspace,
    due: Keyspace,
}

impl Keyspaces {
    const fn of(&self, space: Space) -> &Keyspace {
        match space {
            Space::Meta => &self.meta,
            Space::Rows => &self.rows,
            Space::State => &self.state,
            Space::Due => &self.due,
        }
    }

    /// What an error of fjall means here.
    fn error(&self, action: &'static str, error: fjall::Error) -> StoreError {
        let folder = self.folder.clone();
        open::error_of(action, folder, error)
    }
}

impl FjallStore {
    /// Waits while more is buffered than may be.
    fn wait_for_room(&self) -> Result<(), fjall::Error> {
        let has_room = || self.database.write_buffer_size() <= self.buffered_max;
        if has_room() {
            self.is_stuck.store(false, Ordering::Relaxed);
            return Ok(());
        }
        if self.is_stuck.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Buffers of a store that was made with larger ones, or that a crash left, may be below the
        // limit at which fjall would begin by itself.
        for space in Space::ALL {
            self.keyspaces.of(space).rotate_memtable()?;
        }
        for _ in 0..LOOKS_MAX {
            if has_room() {
                return Ok(());
            }
            thread::sleep(LOOK_AGAIN);
        }
        tracing::warn!("the store does not sort what it has buffered into files");
        self.is_stuck.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Keyed for FjallStore {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut items = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), batch.len());
        for change in batch.into_changes()? {
            let keyspace = self.keyspaces.of(change.space);
            match change.value {
                Some(value) => items.insert(keyspace, change.key, value),
                None => items.remove(keyspace, change.key),
            }
        }
        let written = self.wait_for_room().and_then(|()| items.commit());
        written.map_err(|error| self.keyspaces.error("write", error))?;
        self.batches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn snapshot(&self) -> Result<SharedSnapshot, StoreError> {
        Ok(Arc::new(FjallSnapshot {
            snapshot: self.database.snapshot(),
            keyspaces: Arc::clone(&self.keyspaces),
        }))
    }

    fn persist(&self) -> Result<(), StoreError> {
        let synced = self.database.persist(PersistMode::SyncAll);
        synced.map_err(|error| self.keyspaces.error("sync", error))
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            batches: self.batches.load(Ordering::Relaxed),
            size: ByteSize(self.database.disk_space().unwrap_or_default()),
            buffered: ByteSize(self.database.write_buffer_size()),
        }
    }
}

/// A moment of the store. fjall keeps old versions for as long as one of them may be seen.
struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    keyspaces: Arc<Keyspaces>,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let value = self.snapshot.get(self.keyspaces.of(space), key);
        let value = value.map_err(|error| self.keyspaces.error("read", error))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let keyspace = self.keyspaces.of(space);
        for item in self.snapshot.range::<&[u8], _>(keyspace, range.bounds()) {
            let pair = item.into_inner();
            let (key, value) = pair.map_err(|error| self.keyspaces.error("read", error))?;
            if visit(&key, &value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore")
            .field("folder", &self.keyspaces.folder)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FjallSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallSnapshot")
            .field("folder", &self.keyspaces.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
