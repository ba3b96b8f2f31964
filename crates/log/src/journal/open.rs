//! Opening: finds the files, lets recovery read them, and proves the end.

use std::{collections::HashMap, io, path::PathBuf, sync::Arc};

use mainstem_disk::SharedDisk;
use mainstem_kernel::{ByteSize, clock::SharedClock, metrics::Metrics};
use parking_lot::RwLock;

use super::{
    Damage, Journal, JournalFile, OpenError,
    damage::Accepted,
    file::FreeSlot,
    find::{Found, find, headless, lengthen, make_folder},
    format::PAGE_BYTES,
    group::Group,
    index::Index,
    recover::{End, Recovery, oldest_needed},
};
use crate::{
    AppendError, LogConfig,
    ledger::{Ledger, StampLimits},
    spare::Spare,
};

/// What a journal needs from outside.
#[derive(Debug)]
pub(crate) struct JournalNeeds {
    pub(crate) disk: SharedDisk,
    pub(crate) folder: PathBuf,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    /// Makes new files in the background, if there is one.
    pub(crate) spare: Option<Spare>,
}

/// What recovery made of the files.
struct Recovered {
    ledger: Ledger,
    index: Index,
    files: Vec<Arc<JournalFile>>,
    /// `None` for a journal that has not begun.
    end: Option<End>,
    skipped: Vec<Damage>,
}

impl Journal {
    /// Opens the journal of a folder, or begins one, and gives the damage that was accepted.
    ///
    /// # Errors
    /// `OpenError`.
    pub(crate) fn open(
        needs: JournalNeeds,
        config: LogConfig,
    ) -> Result<(Self, Vec<Damage>), OpenError> {
        check_config(&config)?;
        let folder = needs.folder.clone();
        let io_error = |source| OpenError::Io {
            path: folder.clone(),
            source,
        };
        make_folder(&*needs.disk, &folder).map_err(io_error)?;
        let mut found = find(&needs.disk, &folder)?;
        lengthen(&mut found.slots, &config);
        let id = found.journal.unwrap_or_else(|| new_id(&needs));
        let Recovered {
            ledger,
            index,
            files,
            end,
            skipped,
        } = recover(&needs, &config, (&mut found, id))?;
        let next_group = end.map_or(1, |end| end.next_group);
        tracing::info!(
            next_group,
            files = files.len(),
            last = ledger.last().0,
            "journal read"
        );
        let clock_seen = (needs.clock.now(), needs.clock.monotonic());
        let mut journal = Self {
            disk: needs.disk,
            folder: needs.folder,
            clock: needs.clock,
            metrics: needs.metrics,
            config,
            id,
            ledger,
            index: Arc::new(RwLock::new(index)),
            files: files.into(),
            free: found.free,
            last_slot: found.last_slot,
            spare: needs.spare,
            at: end.map_or(0, |end| end.at),
            next_group,
            durable_oldest: end.map_or(0, |end| end.oldest),
            is_snapshot_due: end.is_some_and(|end| end.at == PAGE_BYTES),
            clock_seen,
            poisoned: None,
        };
        if let Some(end) = end {
            journal.rewrite(end.last).map_err(io_error)?;
        }
        journal
            .begin()
            .map_err(|source| OpenError::Write { folder, source })?;
        Ok((journal, skipped))
    }

    /// Writes and syncs the last group again, as it was read. If its sync had failed before, the
    /// system shows bytes that are not on the disk, and only what is written anew gets there.
    fn rewrite(&self, last: u64) -> io::Result<()> {
        let Some(file) = self.files.back().map(|file| &file.slot.file) else {
            return Ok(());
        };
        let length = ByteSize(self.at.saturating_sub(last)).as_usize();
        let mut bytes = vec![0; length];
        file.read_at(&mut bytes, last)?;
        file.write_at(&bytes, last)?;
        file.sync_data()
    }

    /// Proves the end of what was found. A full disk or journal does not keep readers out: the
    /// first append tries again.
    fn begin(&mut self) -> Result<(), AppendError> {
        let is_new = self.files.is_empty();
        let begun = if is_new {
            self.roll()
        } else {
            self.prove_end()
        };
        self.order_spare();
        let size = i64::try_from(self.size().0).unwrap_or(i64::MAX);
        self.metrics.journal_size_bytes.set(size);
        match begun {
            Err(error @ (AppendError::DiskFull { .. } | AppendError::JournalFull { .. }))
                if !is_new =>
            {
                tracing::warn!(%error, "the log opens for reading; appends are refused until there is room");
                Ok(())
            }
            begun => begun,
        }
    }

    /// As `prove`, but leaves the file's last page alone.
    fn prove_end(&mut self) -> Result<(), AppendError> {
        let length = self.files.back().map_or(0, |file| file.length());
        if self.is_snapshot_due {
            return self.finish_roll();
        }
        if self.at.saturating_add(2 * PAGE_BYTES) > length {
            return self.roll();
        }
        self.write_group(Group::new(), 0).map(drop)
    }
}

/// Reads all groups; the slots that are not needed join the free ones.
fn recover(
    needs: &JournalNeeds,
    config: &LogConfig,
    (found, id): (&mut Found, u64),
) -> Result<Recovered, OpenError> {
    let accepted = Accepted::load(&*needs.disk, &needs.folder).map_err(|source| OpenError::Io {
        path: needs.folder.clone(),
        source,
    })?;
    let mut recovery = Recovery {
        disk: &*needs.disk,
        folder: &needs.folder,
        journal: id,
        accept: config.accept_damage,
        accepted,
        ledger: Ledger::new(limits(config)),
        found: HashMap::new(),
        trimmed: HashMap::new(),
        damages: Vec::new(),
        skipped: Vec::new(),
    };
    let oldest = oldest_needed(&found.slots, id)?;
    let (mut files, mut end) = (Vec::new(), None);
    if !found.slots.is_empty() {
        let read = recovery.read_files(&found.slots, oldest)?;
        (files, end) = (read.0, Some(read.1));
    }
    headless(found, &mut recovery, end.map_or(1, |end| end.next_group))?;
    if !recovery.damages.is_empty() {
        return Err(OpenError::Damaged {
            damages: recovery.damages,
        });
    }
    let mut index = Index::new(config.tail_bytes_max.0);
    recovery.fill(&mut index);
    let unused = found
        .slots
        .range(..oldest)
        .map(|(generation, (slot, _))| FreeSlot {
            generation: *generation,
            ..slot.clone()
        });
    found.free.extend(unused);
    Ok(Recovered {
        ledger: recovery.ledger,
        index,
        files,
        end,
        skipped: recovery.skipped,
    })
}

const fn limits(config: &LogConfig) -> StampLimits {
    StampLimits {
        producers_max: config.producers_max,
        request_keep: config.request_keep,
    }
}

fn check_config(config: &LogConfig) -> Result<(), OpenError> {
    let least = ByteSize(config.group_size_max.0.saturating_mul(2));
    let found = config.journal_file_size;
    if found < least {
        return Err(OpenError::Config {
            setting: "journal.file_size",
            found,
            least,
        });
    }
    let least = ByteSize(config.journal_file_size.0.saturating_mul(4));
    let found = config.journal_size_max;
    if found < least {
        return Err(OpenError::Config {
            setting: "journal.size_max",
            found,
            least,
        });
    }
    Ok(())
}

/// A number that no other journal has; not a secret.
fn new_id(needs: &JournalNeeds) -> u64 {
    let path = needs.folder.to_string_lossy();
    let low = u64::from(crc32c::crc32c(path.as_bytes()));
    let high = u64::from_ne_bytes(needs.clock.now().0.to_ne_bytes());
    (high.rotate_left(16) ^ low) | 1
}
