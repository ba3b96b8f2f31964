//! The journal's headers as bytes, as `journal.rs` describes them. Pure: it does no I/O.

mod entry;

use mainstem_kernel::{KeyId, SchemaVersion, Seq, StreamId};

use crate::frame::Entry;

pub(crate) use entry::parse_entries;

/// Version of everything that is written.
pub(crate) const VERSION: u16 = 1;
/// Groups begin and end at multiples of this.
pub(crate) const PAGE: usize = mainstem_disk::PAGE;
/// The same as a length in a file.
pub(crate) const PAGE_BYTES: u64 = 4_096;
/// Bytes of a group's header.
pub(crate) const GROUP_HEADER: usize = 64;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 64;
/// Bytes of an entry.
pub(crate) const ENTRY: usize = 48;
/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGN: usize = 8;
/// Bytes of a file's header that are not always zero.
const FILE_HEADER: usize = 44;
/// Sectors are written whole or not at all.
const SECTOR: usize = 512;
/// The group is the snapshot of its file.
pub(crate) const FLAG_SNAPSHOT: u16 = 1;
/// The group's frames stood in an older file before.
pub(crate) const FLAG_CARRY: u16 = 2;

const FILE_MAGIC: &[u8; 8] = b"MSTMJRNL";
const GROUP_MAGIC: &[u8; 4] = b"MGRP";

const _: () = assert!(PAGE as u64 == PAGE_BYTES && PAGE.is_multiple_of(SECTOR));
const _: () = assert!(FILE_HEADER <= SECTOR && GROUP_HEADER <= SECTOR);
const _: () = assert!(GROUP_HEADER.is_multiple_of(FRAME_ALIGN));
const _: () = assert!(FRAME_HEADER.is_multiple_of(FRAME_ALIGN));
// Bodies are aligned as Arrow wants them when a frame is read into memory of its own.
const _: () = assert!(FRAME_HEADER.is_multiple_of(16) && ENTRY.is_multiple_of(16));

/// What a header says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<T> {
    /// It is whole.
    Valid(T),
    /// It is not ours, torn, or damaged.
    Nothing,
    /// A newer version wrote it.
    Newer(u32),
}

impl<T> Parsed<T> {
    /// What a whole header of our version says.
    pub(crate) fn valid(self) -> Option<T> {
        match self {
            Self::Valid(header) => Some(header),
            Self::Nothing | Self::Newer(_) => None,
        }
    }
}

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) journal: u64,
    pub(crate) generation: u64,
    pub(crate) first_group: u64,
}

/// The header of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub(crate) flags: u16,
    pub(crate) journal: u64,
    pub(crate) generation: u64,
    pub(crate) number: u64,
    pub(crate) length: u32,
    pub(crate) frames: u32,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) behind: u32,
}

/// The header of a frame; lengths are those of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) body_length: u32,
    pub(crate) body_crc: u32,
    pub(crate) entries: u32,
    pub(crate) seq: Seq,
    pub(crate) prev: Seq,
    pub(crate) stream: StreamId,
    pub(crate) schema: SchemaVersion,
    pub(crate) key: KeyId,
    pub(crate) rows: u32,
    pub(crate) memory: u32,
}

/// Puts numbers one behind the other.
#[derive(Debug)]
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(crate) fn u16(&mut self, n: u16) -> &mut Self {
        self.bytes(&n.to_le_bytes())
    }
    pub(crate) fn u32(&mut self, n: u32) -> &mut Self {
        self.bytes(&n.to_le_bytes())
    }
    pub(crate) fn u64(&mut self, n: u64) -> &mut Self {
        self.bytes(&n.to_le_bytes())
    }
}

/// Takes numbers one behind the other; `None` once the bytes end.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes().map(u8::from_le_bytes)
    }
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }
}

impl FileHeader {
    /// A whole page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAGE);
        let mut to = Writer(&mut bytes);
        to.bytes(FILE_MAGIC).u32(u32::from(VERSION)).u32(0);
        to.u64(self.journal)
            .u64(self.generation)
            .u64(self.first_group);
        let crc = crc32c::crc32c(&bytes);
        Writer(&mut bytes).u32(crc);
        bytes.resize(PAGE, 0);
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Parsed<Self> {
        Self::read(bytes).unwrap_or(Parsed::Nothing)
    }

    fn read(bytes: &[u8]) -> Option<Parsed<Self>> {
        let mut from = Reader(bytes);
        if &from.bytes::<8>()? != FILE_MAGIC {
            return None;
        }
        let version = from.u32()?;
        from.u32()?;
        let header = Self {
            journal: from.u64()?,
            generation: from.u64()?,
            first_group: from.u64()?,
        };
        if from.u32()? != crc32c::crc32c(bytes.get(..40)?) {
            return None;
        }
        Some(checked(version, header))
    }
}

impl GroupHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(GROUP_HEADER);
        let mut to = Writer(&mut bytes);
        to.bytes(GROUP_MAGIC).u16(VERSION).u16(self.flags);
        to.u64(self.journal).u64(self.generation).u64(self.number);
        to.u32(self.length)
            .u32(self.frames)
            .u64(self.first.0)
            .u64(self.last.0)
            .u32(self.behind);
        let crc = crc32c::crc32c(&bytes);
        Writer(&mut bytes).u32(crc);
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Parsed<Self> {
        Self::read(bytes).unwrap_or(Parsed::Nothing)
    }

    fn read(bytes: &[u8]) -> Option<Parsed<Self>> {
        let mut from = Reader(bytes);
        if &from.bytes::<4>()? != GROUP_MAGIC {
            return None;
        }
        let version = from.u16()?;
        let header = Self {
            flags: from.u16()?,
            journal: from.u64()?,
            generation: from.u64()?,
            number: from.u64()?,
            length: from.u32()?,
            frames: from.u32()?,
            first: Seq(from.u64()?),
            last: Seq(from.u64()?),
            behind: from.u32()?,
        };
        if from.u32()? != crc32c::crc32c(bytes.get(..60)?) {
            return None;
        }
        Some(checked(u32::from(version), header))
    }

    /// Bytes of the whole group with its padding.
    pub(crate) fn size(&self) -> u64 {
        padded(u64::from(self.length).saturating_add(GROUP_HEADER as u64))
    }

    /// Generation of the oldest file that is needed.
    pub(crate) fn oldest(&self) -> u64 {
        self.generation.saturating_sub(u64::from(self.behind))
    }
}

impl FrameHeader {
    /// Puts header and entries behind what `to` holds.
    pub(crate) fn encode(&self, entries: &[Entry], to: &mut Vec<u8>) {
        let start = to.len();
        let mut out = Writer(to);
        out.u32(self.length)
            .u32(self.body_length)
            .u32(0)
            .u32(self.body_crc);
        out.u16(VERSION)
            .u16(0)
            .u32(self.entries)
            .u64(self.seq.0)
            .u64(self.prev.0);
        out.u32(self.stream.0)
            .u32(self.schema.0)
            .u32(self.key.0)
            .u32(self.rows);
        out.u32(self.memory).u32(0);
        for entry in entries {
            entry::encode_entry(entry, to);
        }
        let crc = head_crc(to.get(start..).unwrap_or_default());
        let place = to.get_mut(start..).and_then(|head| head.get_mut(8..12));
        if let Some(place) = place {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// The header at the beginning of `bytes`, with its checksum compared; `bytes` must hold the
    /// entries too.
    pub(crate) fn parse(bytes: &[u8]) -> Parsed<Self> {
        Self::read(bytes).unwrap_or(Parsed::Nothing)
    }

    fn read(bytes: &[u8]) -> Option<Parsed<Self>> {
        let mut from = Reader(bytes);
        let (length, body_length) = (from.u32()?, from.u32()?);
        let (crc, body_crc) = (from.u32()?, from.u32()?);
        let version = from.u16()?;
        from.u16()?;
        let header = Self {
            length,
            body_length,
            body_crc,
            entries: from.u32()?,
            seq: Seq(from.u64()?),
            prev: Seq(from.u64()?),
            stream: StreamId(from.u32()?),
            schema: SchemaVersion(from.u32()?),
            key: KeyId(from.u32()?),
            rows: from.u32()?,
            memory: from.u32()?,
        };
        let body_at = header.body_at()?;
        let body_end = body_at.checked_add(usize::try_from(body_length).ok()?)?;
        let is_whole = crc == head_crc(bytes.get(..body_at)?)
            && usize::try_from(length) == Ok(body_end.next_multiple_of(FRAME_ALIGN));
        is_whole.then(|| checked(u32::from(version), header))
    }

    /// Where the body begins, from the frame's beginning.
    pub(crate) fn body_at(&self) -> Option<usize> {
        head_length(usize::try_from(self.entries).ok()?)
    }

    /// The body within the frame's bytes, if its checksum fits.
    pub(crate) fn body<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let at = self.body_at()?;
        let body = frame.get(at..at.checked_add(usize::try_from(self.body_length).ok()?)?)?;
        (crc32c::crc32c(body) == self.body_crc).then_some(body)
    }
}

/// Bytes of a frame's header with so many entries.
fn head_length(entries: usize) -> Option<usize> {
    entries.checked_mul(ENTRY)?.checked_add(FRAME_HEADER)
}

/// Bytes of a frame with so many entries and such a body, with padding.
pub(crate) fn frame_length(entries: usize, body: usize) -> usize {
    let length = head_length(entries).and_then(|head| head.checked_add(body));
    length
        .and_then(|length| length.checked_next_multiple_of(FRAME_ALIGN))
        .unwrap_or(usize::MAX)
}

/// A length in a file, up to the next page.
pub(crate) fn padded(length: u64) -> u64 {
    length
        .checked_next_multiple_of(PAGE_BYTES)
        .unwrap_or(u64::MAX)
}

/// Covers header and entries without the place of the checksum itself.
fn head_crc(head: &[u8]) -> u32 {
    let (before, rest) = head.split_at(head.len().min(8));
    crc32c::crc32c_append(crc32c::crc32c(before), rest.get(4..).unwrap_or_default())
}

fn checked<T>(version: u32, header: T) -> Parsed<T> {
    if version > u32::from(VERSION) {
        Parsed::Newer(version)
    } else {
        Parsed::Valid(header)
    }
}

#[cfg(test)]
mod tests;
