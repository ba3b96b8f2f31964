//! Whole small files that are there after a power cut, or not at all.
//!
//! They go through `<path>.tmp`, so one path must have one writer at a time. What an earlier
//! crash left in `<path>.tmp` is replaced.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Disk, OpenMode};

/// Replaces a file's content: after a power cut it holds the old bytes or the new, never a mix.
///
/// # Errors
/// What the disk says. The file then holds the old bytes or, if only the last sync failed, the
/// new ones; calling again is safe.
pub fn write_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(disk, path, bytes)?;
    if let Err(error) = disk.rename(&temporary, path) {
        return Err(clean_up(disk, &temporary, error));
    }
    sync_parent(disk, path)
}

/// Writes a file that must not exist yet: put-if-absent.
///
/// # Errors
/// `AlreadyExists`, or what the disk says. If only the last sync failed, the file exists and may
/// or may not survive a power cut.
pub fn write_new_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(disk, path, bytes)?;
    if let Err(error) = disk.rename_new(&temporary, path) {
        return Err(clean_up(disk, &temporary, error));
    }
    sync_parent(disk, path)
}

/// Writes and syncs `<path>.tmp`.
fn write_beside(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    if disk.stat(&temporary)?.is_some() {
        disk.remove_file(&temporary)?;
    }
    match write_and_sync(disk, &temporary, bytes) {
        Ok(()) => Ok(temporary),
        Err(error) => Err(clean_up(disk, &temporary, error)),
    }
}

fn write_and_sync(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(path, OpenMode::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()
}

/// Removes what a failure left. If that fails too, the next writer removes it, and the first
/// failure is the one to tell.
fn clean_up(disk: &dyn Disk, temporary: &Path, error: io::Error) -> io::Error {
    match disk.remove_file(temporary) {
        Ok(()) | Err(_) => error,
    }
}

fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
