//! Restore: from a backup to a data folder, every file checked before and after.

use std::path::{Path, PathBuf};

use mainstem_disk::{Disk, RealDisk};
use mainstem_gateway::BackupSummary;

use super::{
    copy::{Copier, disk_error, verify},
    manifest::Manifest,
    require_empty,
};
use crate::{errors::CopyError, folder::FORMAT_FILE};

/// Makes the empty or absent folder `data` from the backup in `from`.
///
/// `FORMAT` is copied last: without it a server refuses the folder, so that an unfinished restore
/// is never taken for a whole one.
///
/// # Errors
/// `Damaged` before anything is written, if a file of the backup is not what its manifest says.
pub fn restore(from: &Path, data: &Path) -> Result<BackupSummary, CopyError> {
    let (from, data) = (absolute(from)?, absolute(data)?);
    restore_on(&RealDisk, &from, &data)
}

/// `restore` on any disk.
pub(super) fn restore_on(
    disk: &dyn Disk,
    from: &Path,
    data: &Path,
) -> Result<BackupSummary, CopyError> {
    require_empty(disk, data)?;
    let manifest = Manifest::read(disk, from)?;
    for file in &manifest.files {
        verify(disk, from, file)?;
    }
    let mut copier = Copier::new(disk, data.to_owned())?;
    let (format, rest): (Vec<_>, Vec<_>) = manifest
        .files
        .iter()
        .partition(|file| file.path == FORMAT_FILE);
    for file in rest.into_iter() {
        let copied = copier.copy(&from.join(&file.path), &file.path, None)?;
        if copied != file {
            return Err(CopyError::Damaged {
                path: from.join(&file.path),
            });
        }
    }
    copier.sync_folders()?;
    for file in format {
        copier.copy(&from.join(&file.path), &file.path, None)?;
    }
    copier.sync_folders()?;
    Ok(BackupSummary {
        folder: data.to_owned(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        position: manifest.position,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, CopyError> {
    std::path::absolute(path).map_err(disk_error("find", path))
}
