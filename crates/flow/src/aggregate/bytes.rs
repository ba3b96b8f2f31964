//! Numbers to bytes and back, little endian: the format of state. It never reads past its end.

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of state end early or hold something else")]
pub(crate) struct Damaged;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        self.take().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Damaged> {
        self.take().map(i64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Damaged> {
        self.take().map(f64::from_le_bytes)
    }

    /// A number of things that follow, each of at least one byte: so damage asks for no memory.
    pub(crate) fn count(&mut self) -> Result<usize, Damaged> {
        let count = usize::try_from(self.u32()?).map_err(|_wide| Damaged)?;
        if count > self.0.len() {
            Err(Damaged)
        } else {
            Ok(count)
        }
    }

    /// As many bytes as their length before them says.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.count()?;
        self.slice(length)
    }

    /// The next bytes, of a length that is known.
    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// So many numbers.
    pub(crate) fn u32s(
        &mut self,
        count: usize,
    ) -> Result<impl ExactSizeIterator<Item = u32> + Clone + 'a, Damaged> {
        let bytes = self.slice(count.checked_mul(4).ok_or(Damaged)?)?;
        let (four, _) = bytes.as_chunks::<4>();
        Ok(four.iter().map(|four| u32::from_le_bytes(*four)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Puts a count; nothing that is kept has more than 2³² of anything.
pub(crate) fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Puts bytes behind their length.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}
