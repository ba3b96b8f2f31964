//! Whole small files that are there after a power cut, or not at all.

use std::{io, path::Path};

use crate::{Disk, OpenMode};

/// Replaces a file's content: after a power cut it holds the old bytes or the new, never a mix.
///
/// # Errors
/// What the disk says; the old content stays.
pub fn write_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(disk, path, bytes)?;
    disk.rename(&temporary, path)?;
    sync_parent(disk, path)
}

/// Writes a file that must not exist yet: put-if-absent.
///
/// # Errors
/// `AlreadyExists`, or what the disk says.
pub fn write_new_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(disk, path, bytes)?;
    if let Err(error) = disk.rename_new(&temporary, path) {
        disk.remove_file(&temporary)?;
        return Err(error);
    }
    sync_parent(disk, path)
}

/// Writes and syncs `<path>.tmp`, replacing what an earlier crash left there.
fn write_beside(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<std::path::PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = std::path::PathBuf::from(name);
    if disk.stat(&temporary)?.is_some() {
        disk.remove_file(&temporary)?;
    }
    let file = disk.open(&temporary, OpenMode::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    Ok(temporary)
}

fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}
