//! The machine's disk: each call is a few system calls.
//!
//! It never caches, never retries a failed sync and never changes a file it was not asked to.
//! Files it makes are readable by their owner alone (0600), directories too (0700).

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that touches std::fs"
)]

mod file;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_kernel::ByteSize;
use rustix::fs::{CWD, FlockOperation, RenameFlags};

use crate::{DirEntry, Disk, DiskLock, OpenMode, SharedFile};
use file::RealFile;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SharedFile> {
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(RealFile::new(options.open(path)?)))
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        let parent = parent_of(path);
        self.create_dirs(parent)?;
        match DirBuilder::new().mode(DIR_MODE).create(path) {
            Ok(()) => self.sync_dir(parent),
            // Another thread was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) => entries.push(dir_entry(&entry.file_name(), &metadata)),
                // Removed since the directory was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(dir_entry(
                path.file_name().unwrap_or(path.as_os_str()),
                &metadata,
            ))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems (NFS, older FUSE) do not know the flag; a hard link refuses too.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            outcome => Ok(outcome?),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dirs(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE);
        let file = options.open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock { _file: file }))
    }

    fn free_space(&self, path: &Path) -> io::Result<ByteSize> {
        let space = rustix::fs::statvfs(path)?;
        Ok(ByteSize(space.f_bavail.saturating_mul(space.f_frsize)))
    }

    fn native_path(&self, path: &Path) -> Option<PathBuf> {
        std::path::absolute(path).ok()
    }
}

/// The directory that holds a path's name; a bare name is in the current one.
fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn dir_entry(name: &std::ffi::OsStr, metadata: &fs::Metadata) -> DirEntry {
    let is_dir = metadata.is_dir();
    let len = if is_dir { 0 } else { metadata.len() };
    DirEntry {
        name: name.to_string_lossy().into_owned(),
        len,
        is_dir,
    }
}

/// The system releases the lock with the file's last descriptor.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}

#[cfg(test)]
mod tests;
