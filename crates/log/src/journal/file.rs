//! `JournalFile`: one file of the journal in one generation.
//!
//! Whoever holds it keeps its slot from being begun anew: the index for each live frame, readers
//! while they read, backups while they copy.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use mainstem_disk::SharedFile;

/// Ending of the files' names.
pub(crate) const SUFFIX: &str = ".journal";

/// One file of the journal in one generation.
#[derive(Debug)]
pub(crate) struct JournalFile {
    pub(crate) slot: FreeSlot,
    generation: u64,
    /// Bytes up to the end of its last group.
    used: AtomicU64,
    /// Bytes of its live frames.
    live: AtomicU64,
}

/// A file of the journal's folder, whatever it holds.
#[derive(Clone, Debug)]
pub(crate) struct FreeSlot {
    pub(crate) path: PathBuf,
    pub(crate) file: SharedFile,
    /// Bytes of the file.
    pub(crate) length: u64,
    /// Generation that it held last; 0 if none.
    pub(crate) generation: u64,
}

impl JournalFile {
    pub(crate) fn new(slot: FreeSlot, generation: u64) -> Self {
        let slot = FreeSlot { generation, ..slot };
        Self {
            slot,
            generation,
            used: AtomicU64::new(0),
            live: AtomicU64::new(0),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.slot.path
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) const fn length(&self) -> u64 {
        self.slot.length
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    pub(crate) fn set_used(&self, used: u64) {
        self.used.store(used, Ordering::Release);
    }

    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// A live frame more.
    pub(crate) fn add_live(&self, length: u32) {
        self.live.fetch_add(u64::from(length), Ordering::Relaxed);
    }

    /// A live frame less.
    pub(crate) fn sub_live(&self, length: u32) {
        self.live.fetch_sub(u64::from(length), Ordering::Relaxed);
    }
}

/// Name of a slot's file.
pub(crate) fn slot_name(slot: u32) -> String {
    format!("{slot:08}{SUFFIX}")
}

/// Slot of a file's name.
pub(crate) fn slot_of(name: &str) -> Option<u32> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}
