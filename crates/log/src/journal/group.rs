//! `Group`: the bytes that one sync makes durable, gathered for one vectored write.
//!
//! Bodies are not copied: heads stand in one buffer, bodies between them.

use std::io;

use bytes::Bytes;
use mainstem_disk::SharedFile;
use mainstem_kernel::Seq;

use super::format::{FRAME_ALIGN, FrameHeader, GROUP_HEADER, GroupHeader, PAGE};
use crate::frame::Entry;

/// The bytes that one sync makes durable.
#[derive(Debug)]
pub(crate) struct Group {
    /// Everything but the bodies: the group's header, then heads and padding.
    heads: Vec<u8>,
    /// Each body with the place in `heads` that it stands at.
    bodies: Vec<(usize, Bytes)>,
    /// Bytes so far, the group's header included.
    length: usize,
    frames: u32,
    first: Option<Seq>,
}

/// Where a frame stands in its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) at: u64,
    pub(crate) length: u32,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self {
            heads: vec![0; GROUP_HEADER],
            bodies: Vec::new(),
            length: GROUP_HEADER,
            frames: 0,
            first: None,
        }
    }

    /// Bytes of the frames.
    pub(crate) fn frames_length(&self) -> u32 {
        u32::try_from(self.length.saturating_sub(GROUP_HEADER)).unwrap_or(u32::MAX)
    }

    pub(crate) const fn frames(&self) -> u32 {
        self.frames
    }

    pub(crate) const fn first(&self) -> Option<Seq> {
        self.first
    }

    /// Adds a frame; its length is set here.
    pub(crate) fn push(&mut self, header: FrameHeader, entries: &[Entry], body: Bytes) -> Spot {
        let length = super::format::frame_length(entries.len(), body.len());
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let start = self.heads.len();
        FrameHeader { length, ..header }.encode(entries, &mut self.heads);
        let head = self.heads.len().saturating_sub(start);
        let spot = Spot {
            at: self.length as u64,
            length,
        };
        self.add(head, body, header.seq);
        spot
    }

    /// Adds a frame as its bytes stand elsewhere, padding included.
    pub(crate) fn push_whole(&mut self, frame: Bytes, seq: Seq) -> Spot {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let spot = Spot {
            at: self.length as u64,
            length,
        };
        self.add(0, frame, seq);
        spot
    }

    fn add(&mut self, head: usize, body: Bytes, seq: Seq) {
        let end = self.length.saturating_add(head).saturating_add(body.len());
        self.bodies.push((self.heads.len(), body));
        self.pad(end, FRAME_ALIGN);
        self.frames = self.frames.saturating_add(1);
        self.first.get_or_insert(seq);
    }

    /// Puts zeroes behind `end` up to a multiple of `align`.
    fn pad(&mut self, end: usize, align: usize) {
        self.length = end.checked_next_multiple_of(align).unwrap_or(end);
        let zeroes = self.length.saturating_sub(end);
        self.heads
            .resize(self.heads.len().saturating_add(zeroes), 0);
    }

    /// Writes it at `at` and gives its size.
    ///
    /// # Errors
    /// What the disk says; some of it may have been written.
    pub(crate) fn write(
        mut self,
        header: &GroupHeader,
        (file, at): (&SharedFile, u64),
    ) -> io::Result<u64> {
        let encoded = header.encode();
        if let Some(place) = self.heads.get_mut(..encoded.len()) {
            place.copy_from_slice(&encoded);
        }
        self.pad(self.length, PAGE);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(self.bodies.len().saturating_mul(2));
        let mut begin = 0;
        for (end, body) in &self.bodies {
            parts.push(self.heads.get(begin..*end).unwrap_or_default());
            parts.push(body);
            begin = *end;
        }
        parts.push(self.heads.get(begin..).unwrap_or_default());
        file.write_pages_at(&parts, at)?;
        Ok(self.length as u64)
    }
}
