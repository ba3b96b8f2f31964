//! The folder of redo files: written durably, read back, removed. The only I/O of redo.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use mainstem_disk::{OpenMode, SharedDisk};
use mainstem_kernel::ByteSize;

use super::{
    AppId, HEADER_BYTES, Header, Redo,
    decode::{Place, Unreadable},
};
use crate::{codec::RowHasher, errors::TableError, layer::Layer};

const ENDING: &str = ".redo";
const TEMPORARY: &str = ".tmp";
/// Digits of a number in a file's name, so that names sort as numbers do.
const DIGITS: usize = 20;

/// The folder of an application's redo files.
#[derive(Debug)]
pub(crate) struct RedoFolder {
    disk: SharedDisk,
    folder: PathBuf,
    app: AppId,
}

/// How a checkpoint failed to be committed.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// Nothing is there: it can be tried again.
    Nothing(TableError),
    /// The file is there and may or may not survive a power cut.
    InDoubt(io::Error),
}

impl RedoFolder {
    /// The folder of an application, made if it is absent; what a crash left of a checkpoint that
    /// was not committed is removed.
    pub(crate) fn open(disk: SharedDisk, folder: &Path, app: AppId) -> Result<Self, TableError> {
        let own = Self {
            disk,
            folder: folder.to_owned(),
            app,
        };
        let made = own.disk.create_dirs(folder);
        made.map_err(disk_error("create", folder))?;
        for entry in own.entries()? {
            if entry.ends_with(TEMPORARY) {
                let path = folder.join(&entry);
                let removed = own.disk.remove_file(&path);
                removed.map_err(disk_error("remove", &path))?;
            }
        }
        Ok(own)
    }

    /// Where the files are.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Whose files they are.
    pub(crate) const fn app(&self) -> &AppId {
        &self.app
    }

    /// The numbers of the files that are there, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, TableError> {
        let entries = self.entries()?;
        let number = |name: &String| {
            let digits = name.strip_suffix(ENDING)?;
            (digits.len() == DIGITS).then(|| digits.parse().ok())?
        };
        let mut numbers: Vec<u64> = entries.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Writes and syncs a file and its name: the commit. Gives back how long the file is.
    pub(crate) fn write(&self, number: u64, parts: &[Bytes]) -> Result<u64, WriteFailure> {
        let path = self.file(number);
        let mut temporary = path.clone().into_os_string();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let written = self.write_beside(&temporary, parts);
        let renamed = written.and_then(|()| self.disk.rename_new(&temporary, &path));
        if let Err(error) = renamed {
            // If it cannot be removed now, the next attempt or start removes it.
            match self.disk.remove_file(&temporary) {
                Ok(()) | Err(_) => {}
            }
            return Err(WriteFailure::Nothing(disk_error("write", &path)(error)));
        }
        let synced = self.disk.sync_dir(&self.folder);
        synced.map_err(WriteFailure::InDoubt)?;
        let length: usize = parts.iter().map(Bytes::len).sum();
        Ok(ByteSize::from(length).0)
    }

    fn write_beside(&self, temporary: &Path, parts: &[Bytes]) -> io::Result<()> {
        if self.disk.stat(temporary)?.is_some() {
            self.disk.remove_file(temporary)?;
        }
        let file = self.disk.open(temporary, OpenMode::CreateNew)?;
        let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
        file.write_vectored_at(&parts, 0)?;
        file.sync_data()
    }

    /// A whole file.
    pub(crate) fn read(&self, number: u64, hasher: &RowHasher) -> Result<(Redo, u64), TableError> {
        let path = self.file(number);
        let bytes = self.disk.read(&path).map_err(disk_error("read", &path))?;
        let bytes = Bytes::from(bytes);
        let length = ByteSize::from(bytes.len()).0;
        let decoded = Redo::decode(&bytes, hasher);
        let (app, redo) = decoded.map_err(|error| unreadable(&path, error))?;
        self.check(&path, (number, redo.mark.number), &app)?;
        Ok((redo, length))
    }

    /// Header and directory of a file, and how long the file is.
    pub(crate) fn header(&self, number: u64) -> Result<(Header, u64), TableError> {
        let path = self.file(number);
        let read = |length: usize| {
            let file = self.disk.open(&path, OpenMode::Read)?;
            let length = length.min(ByteSize(file.len()?).as_usize());
            let mut bytes = vec![0; length];
            file.read_at(&mut bytes, 0)?;
            Ok((bytes, file.len()?))
        };
        let failed = |source| disk_error("read", &path)(source);
        let (bytes, _) = read(HEADER_BYTES).map_err(failed)?;
        let length = Header::length(&bytes).map_err(|error| unreadable(&path, error))?;
        let (bytes, size) = read(length).map_err(failed)?;
        let header = Header::decode(&bytes).map_err(|error| unreadable(&path, error))?;
        self.check(&path, (number, header.mark.number), &header.app)?;
        Ok((header, size))
    }

    /// The layer of one section.
    pub(crate) fn layer(
        &self,
        number: u64,
        place: &Place,
        hasher: &RowHasher,
    ) -> Result<Layer, TableError> {
        let path = self.file(number);
        let (offset, length) = place.extent();
        let read = || {
            let file = self.disk.open(&path, OpenMode::Read)?;
            if offset.saturating_add(length) > file.len()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut bytes = vec![0; ByteSize(length).as_usize()];
            file.read_at(&mut bytes, offset)?;
            Ok(bytes)
        };
        let bytes = Bytes::from(read().map_err(disk_error("read", &path))?);
        let layer = place
            .check(&bytes)
            .and_then(|()| place.layer(&bytes, hasher));
        layer.map_err(|error| unreadable(&path, error))
    }

    /// Removes a file. A power cut may bring it back, which is harmless.
    pub(crate) fn remove(&self, number: u64) -> Result<(), TableError> {
        let path = self.file(number);
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error("remove", &path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn check(&self, path: &Path, numbers: (u64, u64), app: &AppId) -> Result<(), TableError> {
        let reason = if numbers.0 != numbers.1 {
            "it is the file of another checkpoint"
        } else if *app != self.app {
            "it is the file of another application"
        } else {
            return Ok(());
        };
        Err(unreadable(path, Unreadable::Damaged(reason)))
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:0DIGITS$}{ENDING}"))
    }

    fn entries(&self) -> Result<Vec<String>, TableError> {
        let entries = self.disk.list(&self.folder);
        let entries = entries.map_err(disk_error("list", &self.folder))?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }
}

fn unreadable(path: &Path, error: Unreadable) -> TableError {
    let path = path.to_owned();
    match error {
        Unreadable::Damaged(reason) => TableError::Damaged { path, reason },
        Unreadable::Newer(found) => TableError::Newer {
            path,
            found,
            known: super::REDO_FORMAT,
        },
    }
}

/// Puts what was tried, and on what, to what the disk said.
fn disk_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TableError {
    let path = path.to_owned();
    move |source| TableError::Disk {
        action,
        path,
        source,
    }
}
