//! The Delta protocol as far as one writer needs it: actions, entries, replay, checkpoints.
//! Never decides what is committed.
//!
//! # Folder layout
//!
//! ```text
//! <history>/<stream name>-<stream id>/
//!   _delta_log/00000000000000000000.json             protocol, metaData, commitInfo
//!   _delta_log/<version, 20 digits>.json             one entry per commit
//!   _delta_log/<version>.checkpoint.parquet          state after that version, every 100 commits
//!   _delta_log/_last_checkpoint                      a hint for other programs; we list instead
//!   _day=2026-11-21/<first seq>-<version>-<n>.parquet
//! ```
//!
//! # Entry
//!
//! JSON lines, one action each. The first is `commitInfo` with `engineInfo` = `mainstem/<version>`:
//! an entry without it was written by somebody else. An entry is written beside, synced, renamed
//! to its name unless that exists (put-if-absent), and the directory synced.
//!
//! | commit | actions |
//! |---|---|
//! | create, change of columns | `protocol`, `metaData` |
//! | archive | `add`, `txn` {`mainstem-<stream id>`, version = greatest seq in history} |
//! | compact | `remove`… and `add`, dataChange false |
//! | expire | `remove`…, dataChange true |
//!
//! The `txn` alone says what is archived. A checkpoint also keeps the removes whose files are
//! still on the disk. The newest 1,000 entries are kept behind a checkpoint, older ones deleted.
//!
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>

pub(crate) mod action;
pub(crate) mod checkpoint;
pub(crate) mod entry;
pub(crate) mod replay;

use mainstem_kernel::StreamId;

/// Version of the folder's layout, in the table's configuration as `mainstem.format`.
pub(crate) const FORMAT: u32 = 1;
/// Folder of the entries.
pub(crate) const LOG_FOLDER: &str = "_delta_log";
/// Start of `commitInfo.engineInfo` of our entries.
pub(crate) const ENGINE: &str = "mainstem/";

/// Application id of the transaction that holds the archived seq.
pub(crate) fn app_id(stream: StreamId) -> String {
    format!("mainstem-{stream}")
}

/// Path of an entry below the table's folder.
pub(crate) fn entry_path(version: u64) -> String {
    format!("{LOG_FOLDER}/{version:020}.json")
}

/// Path of a checkpoint below the table's folder.
pub(crate) fn checkpoint_path(version: u64) -> String {
    format!("{LOG_FOLDER}/{version:020}.checkpoint.parquet")
}

/// What a file of the log folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFile {
    /// The entry of a version.
    Entry(u64),
    /// The state after a version.
    Checkpoint(u64),
    /// Left behind by a crash while it was being written.
    Temporary,
    /// Anything else; left alone.
    Other,
}

impl LogFile {
    /// From a name in the log folder.
    pub(crate) fn of(name: &str) -> Self {
        if name.ends_with(".tmp") {
            return Self::Temporary;
        }
        let Some((digits, kind)) = name
            .split_once('.')
            .filter(|(digits, _)| digits.len() == 20)
        else {
            return Self::Other;
        };
        match (digits.parse(), kind) {
            (Ok(version), "json") => Self::Entry(version),
            (Ok(version), "checkpoint.parquet") => Self::Checkpoint(version),
            _ => Self::Other,
        }
    }
}
