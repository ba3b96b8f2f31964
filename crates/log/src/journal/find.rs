//! The files of the journal's folder, sorted by what they begin with. It reads headers, and groups
//! only where a header is missing.

use std::{collections::VecDeque, io, path::Path};

use mainstem_disk::{Disk, OpenMode, SharedDisk};

use super::{
    Damage, OpenError,
    file::{FreeSlot, slot_of},
    format::{PAGE_BYTES, padded},
    recover::{Recovery, Slots},
    scan::{Beginning, Wanted, beginning, group_at, last_group},
};
use crate::LogConfig;

/// The files of the folder.
#[derive(Default)]
pub(super) struct Found {
    pub(super) slots: Slots,
    pub(super) free: VecDeque<FreeSlot>,
    unreadable: Vec<FreeSlot>,
    pub(super) last_slot: u32,
    pub(super) journal: Option<u64>,
}

/// Makes the journal's folder with a durable name.
pub(super) fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
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

/// Opens every file of the folder and sorts them by what they begin with.
pub(super) fn find(disk: &SharedDisk, folder: &Path) -> Result<Found, OpenError> {
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
pub(super) fn headless(
    found: &mut Found,
    recovery: &mut Recovery<'_>,
    next: u64,
) -> Result<(), OpenError> {
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
        None => group_at(slot, PAGE_BYTES)?.valid(),
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

/// Gives the newest file its whole length: a backup copies only what is used of it.
pub(super) fn lengthen(slots: &mut Slots, config: &LogConfig) {
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
