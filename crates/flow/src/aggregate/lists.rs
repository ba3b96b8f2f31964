//! `Lists`: bytes by number in one buffer, whose lengths change: what is written anew and does not
//! fit into its place goes to the end, and the buffer is made anew once half of it is void.

use crate::columns::{extend, resize};

/// Bytes by number.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Where each begins, and its length.
    places: Vec<(u32, u32)>,
    bytes: Vec<u8>,
    void: usize,
}

/// Less than this is never worth making the buffer anew.
const VOID_MIN: usize = 4_096;

impl Lists {
    /// Sees to it that there are `count`, the new ones empty.
    pub(super) fn grow(&mut self, count: usize) {
        resize(&mut self.places, count, (0, 0));
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let (begin, length) = self.places[at];
        &self.bytes[begin as usize..begin as usize + length as usize]
    }

    pub(super) fn set(&mut self, at: usize, bytes: &[u8]) {
        let (begin, length) = self.places[at];
        let (begin, length) = (begin as usize, length as usize);
        if bytes.len() <= length {
            self.void += length - bytes.len();
            self.bytes[begin..begin + bytes.len()].copy_from_slice(bytes);
            self.places[at] = (place_of(begin), place_of(bytes.len()));
            return;
        }
        self.void += length;
        self.places[at] = (place_of(self.bytes.len()), place_of(bytes.len()));
        extend(&mut self.bytes, bytes);
        if self.void > VOID_MIN && self.void > self.bytes.len() / 2 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.void);
        for (begin, length) in &mut self.places {
            let first = *begin as usize;
            *begin = place_of(bytes.len());
            bytes.extend_from_slice(&self.bytes[first..first + *length as usize]);
        }
        self.bytes = bytes;
        self.void = 0;
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.places.capacity() * size_of::<(u32, u32)>() + self.bytes.capacity()
    }
}

/// A place in the buffer. One bucket has less than 4 GiB of entries: memory is bounded far below.
fn place_of(bytes: usize) -> u32 {
    let place = u32::try_from(bytes);
    assert!(place.is_ok(), "the rows of one bucket take {bytes} bytes");
    place.unwrap_or(u32::MAX)
}
