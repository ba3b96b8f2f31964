//! The bytes of a file in shared chunks, so that a copy of a disk costs pointers, not bytes.
//!
//! It knows nothing of syncs and never fails.

use std::sync::Arc;

use mainstem_kernel::ByteSize;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// Bytes of one chunk; a multiple of a sector.
const CHUNK: usize = 16 << 10;

/// One sector's bytes; behind the end of a file they are zeroes.
pub(super) type Sector = [u8; SECTOR];

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    len: u64,
    /// As many as `len` needs; zeroes behind `len`.
    chunks: Vec<Arc<[u8; CHUNK]>>,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Cuts, or grows by zeroes.
    pub(super) fn set_len(&mut self, len: u64) {
        let count = ByteSize(len.div_ceil(CHUNK as u64)).as_usize();
        let zeroes = Arc::new([0; CHUNK]);
        self.chunks.resize(count, zeroes);
        let kept = place(len).1;
        if len < self.len
            && kept > 0
            && let Some(last) = self.chunks.last_mut()
        {
            Arc::make_mut(last)[kept..].fill(0);
        }
        self.len = len;
    }

    /// Fills the buffer from `offset`; the range must lie below `len`.
    pub(super) fn read(&self, mut buffer: &mut [u8], offset: u64) {
        let (mut chunk, mut from) = place(offset);
        while !buffer.is_empty() {
            let (now, later) = buffer.split_at_mut(buffer.len().min(CHUNK - from));
            now.copy_from_slice(&self.chunks[chunk][from..from + now.len()]);
            buffer = later;
            (chunk, from) = (chunk + 1, 0);
        }
    }

    /// Writes at `offset` and grows if needed.
    pub(super) fn write(&mut self, mut bytes: &[u8], offset: u64) {
        let end = offset + bytes.len() as u64;
        if end > self.len && !bytes.is_empty() {
            self.set_len(end);
        }
        let (mut chunk, mut from) = place(offset);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - from));
            Arc::make_mut(&mut self.chunks[chunk])[from..from + now.len()].copy_from_slice(now);
            bytes = later;
            (chunk, from) = (chunk + 1, 0);
        }
    }

    /// A sector, filled up with zeroes behind the end.
    pub(super) fn sector(&self, number: u64) -> Sector {
        let mut sector = [0; SECTOR];
        let offset = number * SECTOR as u64;
        let count = ByteSize(self.len.saturating_sub(offset))
            .as_usize()
            .min(SECTOR);
        self.read(&mut sector[..count], offset);
        sector
    }

    /// Writes what of a sector lies below the end; never grows.
    pub(super) fn set_sector(&mut self, number: u64, sector: &Sector) {
        let offset = number * SECTOR as u64;
        let count = ByteSize(self.len.saturating_sub(offset))
            .as_usize()
            .min(SECTOR);
        self.write(&sector[..count], offset);
    }
}

/// Chunk, and place in the chunk.
fn place(offset: u64) -> (usize, usize) {
    let chunk = CHUNK as u64;
    (
        ByteSize(offset / chunk).as_usize(),
        ByteSize(offset % chunk).as_usize(),
    )
}
