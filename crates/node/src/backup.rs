//! Backup and restore: consistent copies, each file named with its hash and read back.
//!
//! # Layout of a backup, version 1
//!
//! ```text
//! FORMAT          as in the data folder
//! admin.key       as in the data folder, mode 0600
//! journal/…       the log up to the backup's position
//! history/…       every table at one version
//! manifest.json   {"version": 1, "program", "position", "files": [{"path", "bytes", "blake3"}]}
//! ```
//!
//! Invariant: `manifest.json` is written last. A folder without it is an unfinished copy.
//!
//! # Why it is consistent
//!
//! Archiving and trimming stand still while every table and then the journal are pinned. So each row
//! is in the tables, in the journal, or in both, and the tables know of no row that the journal's
//! copy has not seen: its next offsets and seqs are behind theirs. Writers are not held up.

mod copy;
mod manifest;
mod restore;
#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use mainstem_disk::Disk;
use mainstem_gateway::BackupSummary;
use mainstem_kernel::Position;

use crate::{
    errors::CopyError,
    folder::{FORMAT_FILE, KEY_FILE},
    parts::Parts,
};

use copy::Copier;
pub use restore::restore;

/// Writes a consistent copy of a running node into an empty or absent folder.
pub(crate) fn backup(parts: &Parts, folder: &Path) -> Result<BackupSummary, CopyError> {
    let folder = checked_place(folder, parts.data())?;
    require_empty(&*parts.disk, &folder)?;
    let held = parts.archiving.lock();
    let tables = parts.history.pin_all();
    let pin = parts.journal.pin();
    drop(held);
    let position = Position::at(pin.frontier());
    let mut copier = Copier::new(&*parts.disk, folder.clone())?;
    for name in [FORMAT_FILE, KEY_FILE] {
        copier.copy(&parts.data().join(name), name, None)?;
    }
    for file in pin.files() {
        copier.copy(
            &file.path,
            &format!("journal/{}", file.name),
            Some(file.length),
        )?;
    }
    drop(pin);
    for table in &tables {
        let name = table
            .pinned
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        for path in &table.paths {
            let from = table.pinned.folder.join(path);
            copier.copy(&from, &format!("history/{name}/{path}"), None)?;
        }
    }
    let manifest = copier.finish(position)?;
    let (files, bytes) = (manifest.files.len() as u64, manifest.bytes());
    tracing::info!(folder = %folder.display(), files, bytes, %position, "backup written");
    Ok(BackupSummary {
        folder,
        files,
        bytes,
        position,
    })
}

/// An absolute folder, outside of the data folder.
fn checked_place(folder: &Path, data: &Path) -> Result<PathBuf, CopyError> {
    let is_plain = !folder
        .components()
        .any(|part| matches!(part, Component::ParentDir));
    match folder.is_absolute() && is_plain && !folder.starts_with(data) {
        true => Ok(folder.to_owned()),
        false => Err(CopyError::Place {
            folder: folder.to_owned(),
        }),
    }
}

/// Nothing is ever overwritten.
fn require_empty(disk: &dyn Disk, folder: &Path) -> Result<(), CopyError> {
    let fail = copy::disk_error("look at", folder);
    if disk.stat(folder).map_err(&fail)?.is_none() {
        return Ok(());
    }
    match disk.list(folder).map_err(&fail)?.is_empty() {
        true => Ok(()),
        false => Err(CopyError::NotEmpty {
            folder: folder.to_owned(),
        }),
    }
}
