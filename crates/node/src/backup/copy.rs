//! `Copier`: copies files into a folder, hashes them on the way, and reads each one back.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use mainstem_disk::{Disk, OpenMode, write_new_durably};
use mainstem_kernel::Position;

use super::manifest::{MANIFEST_FILE, Manifest, ManifestFile};
use crate::errors::CopyError;

/// Bytes that are copied at a time.
const PART_BYTES: usize = 1 << 20;

/// Copies files into a folder.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    disk: &'a dyn Disk,
    folder: PathBuf,
    files: Vec<ManifestFile>,
    /// Folders whose names still have to be synced.
    folders: BTreeSet<PathBuf>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(disk: &'a dyn Disk, folder: PathBuf) -> Result<Self, CopyError> {
        disk.create_dirs(&folder)
            .map_err(disk_error("create", &folder))?;
        Ok(Self {
            disk,
            folder,
            files: Vec::new(),
            folders: BTreeSet::new(),
        })
    }

    /// Copies one file, or its first `bytes`, to `path` below the folder. The copy is synced, read
    /// back, and compared with what was read first.
    pub(super) fn copy(
        &mut self,
        from: &Path,
        path: &str,
        bytes: Option<u64>,
    ) -> Result<&ManifestFile, CopyError> {
        let to = self.folder.join(path);
        let parent = to.parent().unwrap_or(&self.folder).to_owned();
        if !self.folders.contains(&parent) {
            self.disk
                .create_dirs(&parent)
                .map_err(disk_error("create", &parent))?;
            self.folders.insert(parent);
        }
        let source = self
            .disk
            .open(from, OpenMode::Read)
            .map_err(disk_error("open", from))?;
        let len = match bytes {
            Some(bytes) => bytes,
            None => source.len().map_err(disk_error("look at", from))?,
        };
        let copy = self
            .disk
            .open(&to, OpenMode::CreateNew)
            .map_err(disk_error("create", &to))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; PART_BYTES];
        let mut at = 0;
        while at < len {
            let part = part(&mut buffer, len - at);
            source.read_at(part, at).map_err(disk_error("read", from))?;
            hasher.update(part);
            copy.write_at(part, at).map_err(disk_error("write", &to))?;
            at += part.len() as u64;
        }
        copy.sync_data().map_err(disk_error("sync", &to))?;
        let blake3 = hasher.finalize().to_hex().to_string();
        self.files.push(ManifestFile {
            path: path.to_owned(),
            bytes: len,
            blake3,
        });
        let file = self.files.last().ok_or(CopyError::Damaged { path: to })?;
        verify(self.disk, &self.folder, file)?;
        Ok(file)
    }

    /// Syncs all names, then writes the manifest.
    pub(super) fn finish(self, position: Position) -> Result<Manifest, CopyError> {
        self.sync_folders()?;
        let manifest = Manifest::new(position, self.files);
        let path = self.folder.join(MANIFEST_FILE);
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| disk_error("write", &path)(io::Error::other(error)))?;
        write_new_durably(self.disk, &path, &text).map_err(disk_error("write", &path))?;
        Ok(manifest)
    }

    /// Makes the names of all copies survive a power cut.
    pub(super) fn sync_folders(&self) -> Result<(), CopyError> {
        for folder in &self.folders {
            self.disk
                .sync_dir(folder)
                .map_err(disk_error("sync", folder))?;
        }
        self.disk
            .sync_dir(&self.folder)
            .map_err(disk_error("sync", &self.folder))
    }
}

/// Reads a file of a copy and compares it with what the manifest says.
pub(super) fn verify(
    disk: &dyn Disk,
    folder: &Path,
    expected: &ManifestFile,
) -> Result<(), CopyError> {
    let path = folder.join(&expected.path);
    let damaged = || CopyError::Damaged { path: path.clone() };
    let file = match disk.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged()),
        opened => opened.map_err(disk_error("open", &path))?,
    };
    let len = file.len().map_err(disk_error("look at", &path))?;
    if len != expected.bytes {
        return Err(damaged());
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; PART_BYTES];
    let mut at = 0;
    while at < len {
        let part = part(&mut buffer, len - at);
        file.read_at(part, at).map_err(disk_error("read", &path))?;
        hasher.update(part);
        at += part.len() as u64;
    }
    match hasher.finalize().to_hex().as_str() == expected.blake3 {
        true => Ok(()),
        false => Err(damaged()),
    }
}

/// As much of the buffer as is left to copy.
fn part(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let len = usize::try_from(left)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    buffer.split_at_mut(len).0
}

/// What the disk says, with what was tried.
pub(super) fn disk_error(
    action: &'static str,
    path: &Path,
) -> impl Fn(io::Error) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Disk {
        action,
        path: path.clone(),
        source,
    }
}
