//! Every file access: the `Disk` trait, the real one, and its twin that loses power and fails
//! on demand.
//!
//! No other crate touches `std::fs`. Paths are absolute or relative to the process; a `Disk`
//! never interprets them.
//!
//! # What survives a power cut
//!
//! * A file's bytes survive once `sync_data` or `sync_all` of that file has returned.
//! * A file's name (its creation, rename or removal) survives once `sync_dir` of its directory
//!   has returned.
//! * Of bytes that were written and not synced, any subset of 512-byte sectors may survive.
//! * After a failed sync nothing is known of the bytes written since the last good one:
//!   callers must not retry, they must give the file up.
//!   Source: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.

#[cfg(test)]
mod contract;
mod durable;
mod real;
mod twin;

use std::{fmt::Debug, io, path::Path, path::PathBuf, sync::Arc};

use mainstem_kernel::ByteSize;

pub use durable::{write_durably, write_new_durably};
pub use real::RealDisk;
pub use twin::{Cut, Failure, FailureKind, TwinDisk};

/// What disks write at once at least, and where pages begin.
pub const PAGE: usize = 4_096;

/// A disk that parts share.
pub type SharedDisk = Arc<dyn Disk>;
/// An open file that parts share.
pub type SharedFile = Arc<dyn DiskFile>;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; only read.
    Read,
    /// Must exist; read and write.
    Write,
    /// Must not exist; read and write.
    CreateNew,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Name without its directory.
    pub name: String,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Files and directories.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, or `AlreadyExists` with `CreateNew`, or what the system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SharedFile>;

    /// Creates a directory and its parents; fine if it exists. Each created name is synced.
    ///
    /// # Errors
    /// What the system says.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, by name.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// What is at `path`, or `None` if nothing is.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self, path: &Path) -> io::Result<Option<DirEntry>>;

    /// Renames a file or directory, replacing a file at `to`. Needs `sync_dir` to survive.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file unless `to` exists: the atom of put-if-absent. Needs `sync_dir` to survive.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Needs `sync_dir` to survive.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all in it.
    ///
    /// # Errors
    /// What the system says.
    fn remove_dirs(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory survive a power cut.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes an exclusive lock that ends with the process or the returned guard, whichever is
    /// first. The file is created if it is absent.
    ///
    /// # Errors
    /// `WouldBlock` when another process or guard holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// Free bytes of the file system that holds `path`, as an unprivileged user sees it.
    ///
    /// # Errors
    /// What the system says.
    fn free_space(&self, path: &Path) -> io::Result<ByteSize>;

    /// The whole of a file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; ByteSize(file.len()?).as_usize()];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// A path of this disk as the machine's other programs can open it; `None` if they cannot.
    /// Parquet files are read through it by the query engine.
    fn native_path(&self, path: &Path) -> Option<PathBuf>;
}

/// A held lock; dropping it releases it.
pub trait DiskLock: Debug + Send + Sync {}

/// An open file. All access is positional: a file has no cursor.
pub trait DiskFile: Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it holds no bytes.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills all of `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, or what the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file if needed.
    ///
    /// # Errors
    /// What the system says; some of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes the buffers one after the other at `offset`, with as few system calls as possible.
    ///
    /// # Errors
    /// What the system says; some of the bytes may have been written.
    fn write_vectored_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Writes the buffers one after the other at `offset`, past the system's cache where it can be:
    /// for bytes that are seldom read again. The offset and the sum of the lengths are multiples of
    /// `PAGE`.
    ///
    /// # Errors
    /// What the system says; some of the bytes may have been written.
    fn write_pages_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write_vectored_at(buffers, offset)
    }

    /// Makes the file's bytes and length survive a power cut.
    ///
    /// # Errors
    /// What the system says; the file must then be given up.
    fn sync_data(&self) -> io::Result<()>;

    /// Fills the file with zeroes up to `len`, so that later writes below it change no metadata.
    ///
    /// # Errors
    /// `StorageFull`, or what the system says.
    fn preallocate(&self, len: u64) -> io::Result<()>;

    /// Cuts the file to `len`.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, len: u64) -> io::Result<()>;
}
