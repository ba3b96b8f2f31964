//! What a table needs besides new rows: checkpoints, retention, and the deletion of removed
//! files. Never archives.
//!
//! A removed file is deleted when no `Pinned` of this process holds it and it was removed an hour
//! ago, so that other programs that listed the table before can finish reading.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use mainstem_kernel::Timestamp;

use crate::{
    delta::{
        LOG_FOLDER, checkpoint,
        checkpoint::CheckpointError,
        checkpoint_path,
        entry::Operation,
        entry_path,
        replay::{self, ReplayError},
    },
    errors::{HistoryError, disk_error},
    file::parquet_error,
    pinned::DataFile,
    table::{Commit, Inner},
};

/// Commits between two checkpoints.
const CHECKPOINT_EVERY: u64 = 100;
/// Entries that are kept behind the newest checkpoint.
const ENTRIES_KEPT: u64 = 1_000;
/// How long a removed file stays for other programs.
pub(crate) const GRACE: Duration = Duration::from_secs(60 * 60);
/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

impl Inner {
    /// Does what is due. Returns whether there was anything.
    pub(crate) fn keep_up(&mut self) -> Result<bool, HistoryError> {
        if self.stopped.is_some() {
            return Ok(false);
        }
        let expired = self.expire()?;
        let written = self.write_checkpoint()?;
        let deleted = self.delete_removed()?;
        Ok(expired || written || deleted)
    }

    /// Takes out the files of days that are past their retention as a whole.
    fn expire(&mut self) -> Result<bool, HistoryError> {
        let Some(retention) = self.retention else {
            return Ok(false);
        };
        let limit = self.shared.clock.now().minus(retention);
        let ends = |file: &DataFile| Timestamp((file.day + 1).saturating_mul(DAY_MICROS));
        let files = self.state.files.values().filter(|file| ends(file) <= limit);
        let removes: Vec<Arc<DataFile>> = files.cloned().collect();
        if removes.is_empty() {
            return Ok(false);
        }
        let count = removes.len();
        self.commit(Commit {
            removes,
            ..Commit::new(Operation::Expire)
        })?;
        self.shared.metrics.expired_files.inc_by(count as u64);
        Ok(true)
    }

    fn write_checkpoint(&mut self) -> Result<bool, HistoryError> {
        let version = self.state.version;
        if version < self.state.checkpoint + CHECKPOINT_EVERY {
            return Ok(false);
        }
        let path = self.folder.join(checkpoint_path(version));
        let actions = self.checkpoint_actions();
        let disk = self.shared.disk.as_ref();
        checkpoint::write(disk, &self.folder, version, &actions).map_err(|error| match error {
            CheckpointError::Write(source) => disk_error("write", &path)(source),
            CheckpointError::Encode(source) => parquet_error(&path)(source),
        })?;
        self.state.checkpoint = version;
        self.delete_old_entries(version)?;
        Ok(true)
    }

    /// Entries and checkpoints that nobody needs to know the newest version.
    fn delete_old_entries(&self, checkpoint: u64) -> Result<(), HistoryError> {
        let Some(limit) = checkpoint.checked_sub(ENTRIES_KEPT) else {
            return Ok(());
        };
        let disk = self.shared.disk.as_ref();
        let listing = replay::list(disk, &self.folder).map_err(|error| match error {
            ReplayError::Read { path, source } => disk_error("list", &path)(source),
            ReplayError::Damaged { path, reason } => HistoryError::Damaged { path, reason },
        })?;
        let entries = listing
            .entries
            .into_iter()
            .filter(|v| *v < limit)
            .map(entry_path);
        let checkpoints = listing.checkpoints.into_iter().filter(|v| *v < limit);
        for below in entries.chain(checkpoints.map(checkpoint_path)) {
            let path = self.folder.join(below);
            disk.remove_file(&path)
                .map_err(disk_error("remove", &path))?;
        }
        let log = self.folder.join(LOG_FOLDER);
        disk.sync_dir(&log).map_err(disk_error("sync", &log))
    }

    fn delete_removed(&mut self) -> Result<bool, HistoryError> {
        let limit = self.shared.clock.now().minus(GRACE).millis();
        let is_held = |path: &String| {
            self.graves
                .get(path)
                .is_some_and(|file| Arc::strong_count(file) > 1)
        };
        let removed = self.state.removed.iter();
        let due =
            removed.filter(|(path, remove)| remove.deletion_timestamp <= limit && !is_held(path));
        let due: Vec<String> = due.map(|(path, _)| path.clone()).collect();
        for path in &due {
            let full = self.folder.join(path);
            match self.shared.disk.remove_file(&full) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(disk_error("remove", &full)(error));
                }
                _ => {}
            }
            self.state.removed.remove(path);
            self.graves.remove(path);
        }
        Ok(!due.is_empty())
    }
}
