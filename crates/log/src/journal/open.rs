//! Opening: finds the files, lets recovery read them, and proves the end.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_disk::{Disk, OpenMode, SharedDisk};
use mainstem_kernel::{
    Answer, Blame, ByteSize, Code, Fault, Retry, clock::SharedClock, metrics::Metrics,
};
use parking_lot::RwLock;

use super::{
    Damage, Journal,
    damage::Accepted,
    file::{FreeSlot, slot_of},
    format::{PAGE_BYTES, VERSION, padded},
    index::Index,
    recover::{Recovery, Slots, oldest_needed},
    scan::{Beginning, Wanted, beginning, last_group},
};
use crate::{
    AppendError, LogConfig,
    ledger::{Ledger, StampLimits},
    spare::Spare,
};

/// Why a journal does not open. Nothing that was acknowledged has been changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Caller: correct the named setting.
    #[error("{setting} is {found}, expected at least {least}")]
    Config {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        found: ByteSize,
        /// What the other settings need.
        least: ByteSize,
    },
    /// Node: see what the system says about the file.
    #[error("could not open journal file \"{}\"", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Node: the end of the journal could not be proved.
    #[error("could not write the first group to the journal in \"{}\"", .folder.display())]
    Write {
        /// The journal's folder.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: AppendError,
    },
    /// Node: start the version that wrote it.
    #[error(
        "journal file \"{}\" has format {found}, this version reads up to {VERSION}",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Node: restore a backup, or accept the loss.
    #[error("the journal is damaged: {}", list(.damages))]
    Damaged {
        /// Everything that is not whole.
        damages: Vec<Damage>,
    },
    /// Node: move the file elsewhere.
    #[error("file \"{}\" belongs to another journal", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

fn list(damages: &[Damage]) -> String {
    damages
        .iter()
        .map(Damage::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Fault for OpenError {
    fn answer(&self) -> Answer {
        let restart = |code| Answer {
            code,
            blame: Blame::Node,
            retry: Retry::AfterRestart,
        };
        match self {
            Self::Config { .. } => Answer::caller(Code::Log018),
            Self::Io { .. } | Self::Write { .. } => restart(Code::Log019),
            Self::Newer { .. } => restart(Code::Log020),
            Self::Damaged { .. } => restart(Code::Log021),
            Self::Foreign { .. } => restart(Code::Log022),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some(
                "Later groups of the journal are there, so what is damaged was acknowledged. \
                 Nothing was deleted."
                    .to_owned(),
            ),
            Self::Config { .. }
            | Self::Io { .. }
            | Self::Write { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config { .. } => return None,
            Self::Io { .. } | Self::Write { .. } => "see the cause in the node's log",
            Self::Newer { .. } => "start the newer version, or restore a backup of the older one",
            Self::Damaged { .. } => {
                "copy the data folder, then restore a backup, or start once with \
                 --accept-damage to go on without the damaged rows"
            }
            Self::Foreign { .. } => "move the file out of the journal's folder",
        };
        Some(hint.to_owned())
    }
}

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

/// The files of the folder.
#[derive(Default)]
struct Found {
    slots: Slots,
    free: VecDeque<FreeSlot>,
    unreadable: Vec<FreeSlot>,
    last_slot: u32,
    journal: Option<u64>,
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
        let oldest = oldest_needed(&found.slots, id)?;
        let mut recovery = Recovery {
            disk: &*needs.disk,
            folder: &folder,
            journal: id,
            accept: config.accept_damage,
            accepted: Accepted::load(&*needs.disk, &folder).map_err(io_error)?,
            ledger: Ledger::new(limits(&config)),
            found: HashMap::new(),
            trimmed: HashMap::new(),
            damages: Vec::new(),
            skipped: Vec::new(),
        };
        let (files, end) = if found.slots.is_empty() {
            (Vec::new(), None)
        } else {
            let (files, end) = recovery.read_files(&found.slots, oldest)?;
            (files, Some(end))
        };
        let next_group = end.map_or(1, |end| end.next_group);
        headless(&mut found, &mut recovery, next_group)?;
        if !recovery.damages.is_empty() {
            return Err(OpenError::Damaged {
                damages: recovery.damages,
            });
        }
        let mut index = Index::new(config.tail_bytes_max.0);
        recovery.fill(&mut index);
        let (ledger, skipped) = (recovery.ledger, recovery.skipped);
        tracing::info!(
            next_group,
            files = files.len(),
            last = ledger.last().0,
            "journal read"
        );
        let unused = found
            .slots
            .range(..oldest)
            .map(|(_, (slot, header))| FreeSlot {
                generation: header.generation,
                ..slot.clone()
            });
        found.free.extend(unused);
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
        self.write_group(super::group::Group::new(), 0).map(drop)
    }
}

/// Gives the newest file its whole length: a backup copies only what is used of it.
fn lengthen(slots: &mut Slots, config: &LogConfig) {
    let Some((slot, _)) = slots.values_mut().next_back() else {
        return;
    };
    let length = padded(config.journal_file_size.0);
    if slot.length >= length {
        return;
    }
    match slot.file.preallocate(length) {
        Ok(()) => slot.length = length,
        Err(error) => tracing::warn!(%error, path = %slot.path.display(), "file stays short"),
    }
}

/// Makes the journal's folder with a durable name.
fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let is_new = disk.stat(folder)?.is_none();
    let made = disk.create_dirs(folder);
    if made.is_err() && is_new {
        // Its name may not be durable, and no later sync would make it so: make it again then.
        return match disk.remove_dirs(folder) {
            Ok(()) | Err(_) => made,
        };
    }
    made
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

/// Opens every file of the folder and sorts them by what they begin with.
fn find(disk: &SharedDisk, folder: &Path) -> Result<Found, OpenError> {
    let mut found = Found::default();
    let list = disk.list(folder).map_err(|s| OpenError::Io {
        path: folder.to_owned(),
        source: s,
    })?;
    for entry in list {
        let Some(number) = slot_of(&entry.name).filter(|_| !entry.is_dir) else {
            continue;
        };
        found.last_slot = found.last_slot.max(number);
        let path = folder.join(&entry.name);
        let io_error = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let file = disk.open(&path, OpenMode::Write).map_err(io_error)?;
        let length = entry
            .len
            .saturating_sub(entry.len.checked_rem(PAGE_BYTES).unwrap_or(0));
        let slot = FreeSlot {
            path: path.clone(),
            file,
            length,
            generation: 0,
        };
        match beginning(&slot).map_err(io_error)? {
            Beginning::Newer(version) => {
                return Err(OpenError::Newer {
                    path,
                    found: version,
                });
            }
            Beginning::Blank => found.free.push_back(slot),
            Beginning::Unreadable => found.unreadable.push(slot),
            Beginning::Header(header) => {
                let is_twice = found.slots.contains_key(&header.generation);
                if is_twice || *found.journal.get_or_insert(header.journal) != header.journal {
                    return Err(OpenError::Foreign { path });
                }
                found.slots.insert(header.generation, (slot, header));
            }
        }
    }
    Ok(found)
}

/// Files without a readable header are free, unless they hold groups that nothing else does.
fn headless(found: &mut Found, recovery: &mut Recovery<'_>, next: u64) -> Result<(), OpenError> {
    let number = if found.slots.is_empty() { 0 } else { next };
    for slot in std::mem::take(&mut found.unreadable) {
        let last = lone_group(&slot, (found.journal, number)).map_err(|source| OpenError::Io {
            path: slot.path.clone(),
            source,
        })?;
        if let Some((generation, last)) = last {
            let damage = Damage {
                path: slot.path.clone(),
                generation,
                from: 0,
                to: slot.length,
                groups: (number, last.saturating_add(1)),
                lost: Vec::new(),
            };
            recovery.report(damage, Some(&slot))?;
        }
        found.free.push_back(slot);
    }
    Ok(())
}

/// Generation and number of the last group from `number` on.
fn lone_group(
    slot: &FreeSlot,
    (journal, number): (Option<u64>, u64),
) -> io::Result<Option<(u64, u64)>> {
    let first = match journal {
        Some(_) => None,
        // No file tells the journal's number: any group is a sign of one.
        None => super::scan::group_at(slot, PAGE_BYTES)?.valid(),
    };
    let Some(journal) = journal.or(first.map(|group| group.journal)) else {
        return Ok(None);
    };
    let wanted = Wanted {
        journal,
        generation: None,
        number,
    };
    Ok(last_group(slot, wanted)?.map(|group| (group.generation, group.number)))
}
