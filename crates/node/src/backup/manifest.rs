//! `Manifest`: what a backup holds, file by file.

use std::path::{Component, Path};

use mainstem_disk::Disk;
use mainstem_kernel::Position;
use serde::{Deserialize, Serialize};

use crate::errors::CopyError;

/// Name of the file, written last.
pub(super) const MANIFEST_FILE: &str = "manifest.json";
/// What this program writes and reads.
const VERSION: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Of the layout.
    pub(crate) version: u32,
    /// Version of the program that wrote it.
    pub(crate) program: String,
    /// Everything up to here is in it.
    pub(crate) position: Position,
    /// Every file but this one.
    pub(crate) files: Vec<ManifestFile>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// Below the backup's folder, with `/`.
    pub(crate) path: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Of its content, in hexadecimal.
    pub(crate) blake3: String,
}

impl Manifest {
    pub(super) fn new(position: Position, files: Vec<ManifestFile>) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            version: VERSION,
            program,
            position,
            files,
        }
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads the manifest of a backup and refuses what could reach outside of it.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Self, CopyError> {
        let no_backup = |reason: String| CopyError::NotABackup {
            folder: folder.to_owned(),
            reason,
        };
        let bytes = disk
            .read(&folder.join(MANIFEST_FILE))
            .map_err(|source| no_backup(format!("{MANIFEST_FILE} cannot be read ({source})")))?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|source| no_backup(format!("{MANIFEST_FILE} is not a manifest ({source})")))?;
        if manifest.version != VERSION {
            let found = manifest.version;
            return Err(CopyError::Version {
                folder: folder.to_owned(),
                found,
            });
        }
        let strays = |file: &&ManifestFile| {
            let mut parts = Path::new(&file.path).components();
            !parts.all(|part| matches!(part, Component::Normal(_)))
        };
        match manifest.files.iter().find(strays) {
            Some(file) => Err(no_backup(format!("it names the file \"{}\"", file.path))),
            None => Ok(manifest),
        }
    }
}
