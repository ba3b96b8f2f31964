//! `Rope`: bytes in parts, as Arrow gives a stream.

use std::{io::Read, iter::Peekable, slice::Iter};

use arrow::{buffer::Buffer, error::ArrowError};

use super::{PREFIX_BYTES, odd};

/// Bytes in parts, read from the front.
pub(super) struct Rope<'a> {
    parts: Peekable<Iter<'a, Buffer>>,
    /// How much of the first part was read.
    read: usize,
}

impl<'a> Rope<'a> {
    pub(super) fn new(parts: &'a [Buffer]) -> Self {
        Self {
            parts: parts.iter().peekable(),
            read: 0,
        }
    }

    /// The metadata of a message.
    pub(super) fn message(&mut self) -> Result<Vec<u8>, ArrowError> {
        let mut prefix = [0; PREFIX_BYTES];
        self.fill(&mut prefix)?;
        let [.., a, b, c, d] = prefix;
        let mut metadata = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        self.fill(&mut metadata)?;
        Ok(metadata)
    }

    /// What is left of the first part that has some left.
    fn rest(&mut self) -> Result<&'a [u8], ArrowError> {
        while let Some(part) = self.parts.peek() {
            match part.as_slice().get(self.read..).unwrap_or_default() {
                [] => {
                    self.parts.next();
                    self.read = 0;
                }
                rest => return Ok(rest),
            }
        }
        Err(odd("it ends early"))
    }

    fn fill(&mut self, mut to: &mut [u8]) -> Result<(), ArrowError> {
        while !to.is_empty() {
            let count = self.rest()?.read(to)?;
            to = to.split_at_mut(count).1;
            self.read = self.read.saturating_add(count);
        }
        Ok(())
    }

    /// Leaves bytes out.
    pub(super) fn skip(&mut self, mut bytes: usize) -> Result<(), ArrowError> {
        while bytes > 0 {
            let count = self.rest()?.len().min(bytes);
            self.read = self.read.saturating_add(count);
            bytes = bytes.saturating_sub(count);
        }
        Ok(())
    }

    /// The next bytes, which lie in one part.
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], ArrowError> {
        if length == 0 {
            return Ok(&[]);
        }
        let found = self.rest()?.get(..length);
        self.read = self.read.saturating_add(length);
        found.ok_or_else(|| odd("a buffer lies in several parts"))
    }
}
