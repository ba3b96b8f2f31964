//! `DataFolder`: the layout of a data folder, its lock, its format and its key.
//!
//! ```text
//! <data>/LOCK        exclusive lock while a server runs
//! <data>/FORMAT      "mainstem data 1\n"; another version is refused by name
//! <data>/admin.key   the only key: 32 random bytes as base32, mode 0600
//! <data>/endpoint    URL of the running server; gone when it has ended orderly
//! <data>/moved       where the data has gone to, if it has: then writes are refused
//! <data>/journal/    the log
//! <data>/history/    one Delta table per stream
//! <data>/redo/       checkpoints of tables and views, a folder per application
//! <data>/store/      rows by key; may be deleted together with redo/: both come back
//! ```
//!
//! It never looks into journal or history.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_disk::{Disk, DiskLock, SharedDisk, write_durably, write_new_durably};

use crate::{errors::NodeError, moving::MOVED_FILE};

/// File of the key.
pub const KEY_FILE: &str = "admin.key";
/// File of the running server's URL.
pub const ENDPOINT_FILE: &str = "endpoint";
/// File of the format.
pub(crate) const FORMAT_FILE: &str = "FORMAT";
/// What this program writes and reads.
pub(crate) const FORMAT: &str = "mainstem data 1\n";
const LOCK_FILE: &str = "LOCK";
const JOURNAL: &str = "journal";
const HISTORY: &str = "history";
const REDO: &str = "redo";
const STORE: &str = "store";
/// Random bytes of a key.
const KEY_BYTES: usize = 32;
/// Their digits in base32: 5 bits each.
const KEY_DIGITS: usize = 52;

/// A data folder that this process holds.
#[derive(Debug)]
pub(crate) struct DataFolder {
    disk: SharedDisk,
    path: PathBuf,
    _lock: Box<dyn DiskLock>,
}

impl DataFolder {
    /// Creates the folder if it is absent, locks it and checks its format.
    pub(crate) fn open(disk: SharedDisk, path: &Path) -> Result<Self, NodeError> {
        let path = std::path::absolute(path).map_err(folder_error("find", path))?;
        refuse_foreign(&*disk, &path)?;
        disk.create_dirs(&path)
            .map_err(folder_error("create", &path))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = disk
            .lock(&lock_path)
            .map_err(|source| match source.kind() {
                io::ErrorKind::WouldBlock => NodeError::Locked {
                    folder: path.clone(),
                },
                _ => folder_error("lock", &lock_path)(source),
            })?;
        let folder = Self {
            disk,
            path,
            _lock: lock,
        };
        folder.check_format()?;
        Ok(folder)
    }

    /// As an absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn moved(&self) -> PathBuf {
        self.path.join(MOVED_FILE)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.path.join(HISTORY)
    }

    pub(crate) fn redo(&self) -> PathBuf {
        self.path.join(REDO)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// The key; made at the first start.
    pub(crate) fn key(&self) -> Result<Arc<str>, NodeError> {
        let path = self.path.join(KEY_FILE);
        if self.stat(&path)?.is_none() {
            let key = new_key().map_err(|source| NodeError::System {
                what: "random bytes for the key",
                source: io::Error::other(source),
            })?;
            let written = write_new_durably(&*self.disk, &path, format!("{key}\n").as_bytes());
            written.map_err(folder_error("write", &path))?;
            return Ok(key.into());
        }
        let bytes = self.disk.read(&path).map_err(folder_error("read", &path))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        match text.trim() {
            key if key.len() >= KEY_DIGITS && key.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(key.into())
            }
            _ => Err(NodeError::Key { path }),
        }
    }

    /// Tells commands where the server listens.
    pub(crate) fn write_endpoint(&self, url: &str) -> Result<(), NodeError> {
        let path = self.path.join(ENDPOINT_FILE);
        let written = write_durably(&*self.disk, &path, format!("{url}\n").as_bytes());
        written.map_err(folder_error("write", &path))
    }

    /// Tells commands that nobody listens.
    pub(crate) fn remove_endpoint(&self) {
        let path = self.path.join(ENDPOINT_FILE);
        if let Err(error) = self.disk.remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "endpoint file stayed");
        }
    }

    fn check_format(&self) -> Result<(), NodeError> {
        let path = self.path.join(FORMAT_FILE);
        if self.stat(&path)?.is_none() {
            let written = write_new_durably(&*self.disk, &path, FORMAT.as_bytes());
            return written.map_err(folder_error("write", &path));
        }
        let found = self.disk.read(&path).map_err(folder_error("read", &path))?;
        if found == FORMAT.as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&found)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        Err(NodeError::Format {
            folder: self.path.clone(),
            found,
        })
    }

    fn stat(&self, path: &Path) -> Result<Option<mainstem_disk::DirEntry>, NodeError> {
        self.disk.stat(path).map_err(folder_error("look at", path))
    }
}

/// Only an empty or absent folder may become a data folder.
fn refuse_foreign(disk: &dyn Disk, path: &Path) -> Result<(), NodeError> {
    let fail = folder_error("look at", path);
    if disk.stat(path).map_err(&fail)?.is_none() {
        return Ok(());
    }
    let entries = disk.list(path).map_err(&fail)?;
    let is_ours = entries.iter().any(|entry| entry.name == FORMAT_FILE);
    // What a crash in the very first moment leaves.
    let begun = |name: &str| name == LOCK_FILE || name == "FORMAT.tmp";
    match entries.into_iter().find(|entry| !begun(&entry.name)) {
        Some(entry) if !is_ours => Err(NodeError::NotAData {
            folder: path.to_owned(),
            found: entry.name,
        }),
        _ => Ok(()),
    }
}

/// A new key. It is never logged.
fn new_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(base32(&bytes))
}

/// Source: RFC 4648, section 6, in lower case and without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            push_digit(&mut text, DIGITS, bits >> held);
        }
    }
    if held > 0 {
        push_digit(&mut text, DIGITS, bits << (5 - held));
    }
    text
}

fn push_digit(text: &mut String, digits: &[u8; 32], value: u32) {
    let digit = digits.get((value & 31) as usize);
    text.extend(digit.map(|digit| char::from(*digit)));
}

fn folder_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> NodeError + use<> {
    let path = path.to_owned();
    move |source| NodeError::Folder {
        action,
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use mainstem_disk::RealDisk;
    use mainstem_kernel::Fault;

    use super::*;

    fn open(path: &Path) -> Result<DataFolder, NodeError> {
        DataFolder::open(Arc::new(RealDisk), path)
    }

    fn code(outcome: Result<DataFolder, NodeError>) -> &'static str {
        outcome.map_or_else(|error| error.answer().code.as_str(), |_| "opened")
    }

    #[test]
    fn the_second_holder_is_refused_by_name_and_the_key_stays() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let folder = open(&data).unwrap();
        let key = folder.key().unwrap();
        assert_eq!(key.len(), KEY_DIGITS);
        assert_eq!(code(open(&data)), "NODE-001");
        drop(folder);
        assert_eq!(open(&data).unwrap().key().unwrap(), key);
    }

    #[test]
    fn the_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let folder = open(root.path()).unwrap();
        folder.key().unwrap();
        let mode = root
            .path()
            .join(KEY_FILE)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_newer_format_a_foreign_folder_and_a_broken_key_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let newer = root.path().join("newer");
        RealDisk.create_dirs(&newer).unwrap();
        write_durably(&RealDisk, &newer.join(FORMAT_FILE), b"mainstem data 2\n").unwrap();
        assert_eq!(code(open(&newer)), "NODE-002");
        assert_eq!(code(open(root.path())), "NODE-011");
        let data = root.path().join("data");
        let folder = open(&data).unwrap();
        write_durably(&RealDisk, &data.join(KEY_FILE), b"secret\n").unwrap();
        assert!(matches!(folder.key(), Err(NodeError::Key { .. })));
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
        assert_eq!(base32(b"f"), "my");
    }
}
