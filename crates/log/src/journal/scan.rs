//! Finding groups and frames in a file. It decides nothing: recovery does.

use std::io;

use bytes::Bytes;

use super::{
    file::FreeSlot,
    format::{
        FRAME_HEADER, FileHeader, FrameHeader, GROUP_HEADER, GroupHeader, PAGE_BYTES, Parsed,
        parse_entries,
    },
    group::Spot,
};
use crate::frame::Entry;

/// What the beginning of a file says.
#[derive(Debug)]
pub(super) enum Beginning {
    /// It is in use, or was.
    Header(FileHeader),
    /// A newer version wrote it.
    Newer(u32),
    /// It was never begun.
    Blank,
    /// It is neither.
    Unreadable,
}

/// Reads the beginning of a file.
///
/// # Errors
/// What the disk says.
pub(super) fn beginning(slot: &FreeSlot) -> io::Result<Beginning> {
    let mut bytes = [0; 64];
    if slot.length < PAGE_BYTES {
        return Ok(Beginning::Blank);
    }
    slot.file.read_at(&mut bytes, 0)?;
    Ok(match FileHeader::parse(&bytes) {
        Parsed::Valid(header) => Beginning::Header(header),
        Parsed::Newer(version) => Beginning::Newer(version),
        Parsed::Nothing if bytes == [0; 64] => Beginning::Blank,
        Parsed::Nothing => Beginning::Unreadable,
    })
}

/// A group that is whole as far as its header tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundGroup {
    pub(super) at: u64,
    pub(super) header: GroupHeader,
}

/// The group header at `at`.
///
/// # Errors
/// What the disk says.
pub(super) fn group_at(slot: &FreeSlot, at: u64) -> io::Result<Parsed<GroupHeader>> {
    let mut bytes = [0; GROUP_HEADER];
    if at.saturating_add(PAGE_BYTES) > slot.length {
        return Ok(Parsed::Nothing);
    }
    slot.file.read_at(&mut bytes, at)?;
    Ok(GroupHeader::parse(&bytes))
}

/// Which groups count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) journal: u64,
    /// `None` for any.
    pub(super) generation: Option<u64>,
    /// Least number.
    pub(super) number: u64,
}

impl Wanted {
    fn is(&self, header: &GroupHeader) -> bool {
        header.journal == self.journal
            && self
                .generation
                .is_none_or(|generation| generation == header.generation)
            && header.number >= self.number
    }
}

/// The next group from `from` on that counts, page by page.
///
/// # Errors
/// What the disk says.
pub(super) fn next_group(
    slot: &FreeSlot,
    from: u64,
    wanted: Wanted,
) -> io::Result<Option<FoundGroup>> {
    let mut at = from;
    while at.saturating_add(PAGE_BYTES) <= slot.length {
        match group_at(slot, at)? {
            Parsed::Valid(header) if wanted.is(&header) => {
                return Ok(Some(FoundGroup { at, header }));
            }
            Parsed::Valid(_) | Parsed::Nothing | Parsed::Newer(_) => {}
        }
        at = at.saturating_add(PAGE_BYTES);
    }
    Ok(None)
}

/// The last group of a file that counts, whatever stands between.
///
/// # Errors
/// What the disk says.
pub(super) fn last_group(slot: &FreeSlot, wanted: Wanted) -> io::Result<Option<GroupHeader>> {
    let (mut last, mut from) = (None, PAGE_BYTES);
    while let Some(found) = next_group(slot, from, wanted)? {
        last = Some(found.header);
        from = found.at.saturating_add(found.header.size());
    }
    Ok(last)
}

/// A frame as it was found.
#[derive(Debug)]
pub(super) struct FoundFrame {
    pub(super) header: FrameHeader,
    pub(super) entries: Vec<Entry>,
    /// Place in the file.
    pub(super) spot: Spot,
    /// Place of its bytes in the group's.
    pub(super) bytes: Bytes,
}

/// The frames of a group.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) frames: Vec<FoundFrame>,
    /// Every byte is as it was written.
    pub(super) is_whole: bool,
}

/// Reads the frames of a group, up to the first that is not whole.
///
/// # Errors
/// What the disk says; an end of the file before that of the group is no error.
pub(super) fn frames_of(slot: &FreeSlot, group: FoundGroup) -> io::Result<Frames> {
    let mut found = Frames {
        frames: Vec::new(),
        is_whole: false,
    };
    let length = usize::try_from(group.header.length).unwrap_or(usize::MAX);
    let begin = group.at.saturating_add(GROUP_HEADER as u64);
    if begin.saturating_add(u64::from(group.header.length)) > slot.length {
        return Ok(found);
    }
    let mut bytes = vec![0; length];
    slot.file.read_at(&mut bytes, begin)?;
    let bytes = Bytes::from(bytes);
    let mut at = 0_usize;
    while at < length {
        let rest = bytes.slice(at..);
        let Some(frame) = whole_frame(&rest, begin.saturating_add(at as u64)) else {
            return Ok(found);
        };
        at = at.saturating_add(frame.bytes.len());
        found.frames.push(frame);
    }
    found.is_whole = u32::try_from(found.frames.len()) == Ok(group.header.frames);
    Ok(found)
}

fn whole_frame(rest: &Bytes, at: u64) -> Option<FoundFrame> {
    let header = FrameHeader::parse(rest).valid()?;
    let length = usize::try_from(header.length).ok()?;
    if length > rest.len() {
        return None;
    }
    header.body(rest)?;
    let entries = parse_entries(rest.get(FRAME_HEADER..header.body_at()?)?)?;
    let spot = Spot {
        at,
        length: header.length,
    };
    Some(FoundFrame {
        header,
        entries,
        spot,
        bytes: rest.slice(..length),
    })
}
