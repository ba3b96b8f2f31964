//! The state of a table, folded from its log: newest checkpoint, then the entries behind it.
//! Never writes.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_disk::Disk;
use mainstem_kernel::Seq;

use super::{
    LOG_FOLDER, LogFile,
    action::{Action, MetaData, Protocol, Remove},
    checkpoint, checkpoint_path,
    entry::{self, Entry},
    entry_path,
};
use crate::pinned::DataFile;

/// What the log of a table says, up to a version.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The last entry that is folded in.
    pub(crate) version: u64,
    /// The last checkpoint; 0 if there is none.
    pub(crate) checkpoint: u64,
    pub(crate) protocol: Protocol,
    pub(crate) meta_data: MetaData,
    /// From our `txn`.
    pub(crate) archived: Seq,
    /// Live files, by path.
    pub(crate) files: BTreeMap<String, Arc<DataFile>>,
    /// Removed files that may still be on the disk, by path.
    pub(crate) removed: BTreeMap<String, Remove>,
    /// The first entry that another program wrote; everything from there on is left out.
    pub(crate) foreign: Option<u64>,
}

/// Why a table's log could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The disk failed.
    #[error("could not read {path:?}")]
    Read { path: PathBuf, source: io::Error },
    /// What is there cannot be right.
    #[error("{path:?} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
}

/// What is in the log folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Versions of entries, ascending.
    pub(crate) entries: Vec<u64>,
    /// Versions of checkpoints, ascending.
    pub(crate) checkpoints: Vec<u64>,
    /// Names of what a crash left behind.
    pub(crate) temporary: Vec<String>,
}

/// Lists the log folder; nothing if it does not exist.
pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> Result<Listing, ReplayError> {
    let path = folder.join(LOG_FOLDER);
    let entries = match disk.list(&path) {
        Err(source) if source.kind() == ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(ReplayError::Read { path, source }),
        Ok(entries) => entries,
    };
    let mut listing = Listing::default();
    for entry in entries {
        match LogFile::of(&entry.name) {
            LogFile::Entry(version) => listing.entries.push(version),
            LogFile::Checkpoint(version) => listing.checkpoints.push(version),
            LogFile::Temporary => listing.temporary.push(entry.name),
            LogFile::Other => {}
        }
    }
    listing.entries.sort_unstable();
    listing.checkpoints.sort_unstable();
    Ok(listing)
}

/// Folds the log of a table; `None` if it has none yet.
pub(crate) fn replay(
    disk: &dyn Disk,
    folder: &Path,
    listing: &Listing,
    app_id: &str,
) -> Result<Option<State>, ReplayError> {
    let mut fold = Fold {
        app_id,
        ..Fold::default()
    };
    if let Some(version) = listing.checkpoints.last() {
        fold.checkpoint = *version;
        fold.version = Some(*version);
        let path = folder.join(checkpoint_path(*version));
        let actions =
            checkpoint::decode(read(disk, &path)?).map_err(|error| damaged(&path, error))?;
        fold.apply(actions)
            .map_err(|reason| damaged(&path, reason))?;
    }
    for version in listing.entries.iter().copied() {
        let next = fold.version.map_or(0, |version| version + 1);
        if version < next {
            continue;
        }
        let path = folder.join(entry_path(version));
        if version > next {
            return Err(damaged(&path, format!("entry {next} before it is missing")));
        }
        match entry::decode(&read(disk, &path)?) {
            Ok(Entry::Ours(actions)) => {
                fold.apply(actions)
                    .map_err(|reason| damaged(&path, reason))?;
            }
            Ok(Entry::Foreign) => {
                fold.foreign = Some(version);
                break;
            }
            Err(error) => return Err(damaged(&path, error)),
        }
        fold.version = Some(version);
    }
    fold.finish()
        .map_err(|reason| damaged(&folder.join(LOG_FOLDER), reason))
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, ReplayError> {
    disk.read(path).map_err(|source| ReplayError::Read {
        path: path.to_owned(),
        source,
    })
}

fn damaged(path: &Path, reason: impl ToString) -> ReplayError {
    ReplayError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[derive(Default)]
struct Fold<'a> {
    app_id: &'a str,
    version: Option<u64>,
    checkpoint: u64,
    protocol: Option<Protocol>,
    meta_data: Option<MetaData>,
    archived: Seq,
    files: BTreeMap<String, Arc<DataFile>>,
    removed: BTreeMap<String, Remove>,
    foreign: Option<u64>,
}

impl Fold<'_> {
    fn apply(&mut self, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            if let Some(protocol) = action.protocol {
                self.protocol = Some(protocol);
            }
            if let Some(meta_data) = action.meta_data {
                self.meta_data = Some(meta_data);
            }
            if let Some(txn) = action.txn.filter(|txn| txn.app_id == self.app_id) {
                self.archived = Seq::from_i64(txn.version);
            }
            if let Some(remove) = action.remove {
                self.files.remove(&remove.path);
                self.removed.insert(remove.path.clone(), remove);
            }
            if let Some(add) = action.add {
                self.removed.remove(&add.path);
                self.files.insert(add.path.clone(), add.into_file()?);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<State>, String> {
        let Some(version) = self.version else {
            return match self.foreign {
                Some(_) => Err("its first entry was written by another program".to_owned()),
                None => Ok(None),
            };
        };
        Ok(Some(State {
            version,
            checkpoint: self.checkpoint,
            protocol: self.protocol.ok_or("it has no protocol")?,
            meta_data: self.meta_data.ok_or("it has no columns")?,
            archived: self.archived,
            files: self.files,
            removed: self.removed,
            foreign: self.foreign,
        }))
    }
}
