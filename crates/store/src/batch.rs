//! `Batch`: changes that become visible together. Never touches an engine.

use bytes::{Bytes, BytesMut};

use crate::{KEY_BYTES_MAX, Space, StoreError};

/// Changes that become visible together. Their bytes lie in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Place>,
    bytes: BytesMut,
    /// The first key whose length is not allowed.
    misfit: Option<usize>,
}

/// A change whose bytes are cut out of the buffer at the end.
#[derive(Clone, Copy, Debug)]
struct Place {
    space: Space,
    key: usize,
    /// Length of the value; `None` removes the key.
    value: Option<usize>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyChange {
    pub(crate) space: Space,
    pub(crate) key: Bytes,
    /// `None` removes the key.
    pub(crate) value: Option<Bytes>,
}

impl Batch {
    /// Gives a key a value.
    pub fn put(&mut self, space: Space, key: &[u8], value: &[u8]) {
        self.put_parts(space, &[key], &[value]);
    }

    /// Gives a key a value, both put together from parts.
    pub fn put_parts(&mut self, space: Space, key: &[&[u8]], value: &[&[u8]]) {
        let key = self.take_key(key);
        let value = self.take(value);
        self.changes.push(Place {
            space,
            key,
            value: Some(value),
        });
    }

    /// Removes a key; fine if it is not there.
    pub fn remove(&mut self, space: Space, key: &[u8]) {
        self.remove_parts(space, &[key]);
    }

    /// Removes a key that is put together from parts.
    pub fn remove_parts(&mut self, space: Space, key: &[&[u8]]) {
        let key = self.take_key(key);
        self.changes.push(Place {
            space,
            key,
            value: None,
        });
    }

    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The changes in order.
    pub(crate) fn into_changes(self) -> Result<impl Iterator<Item = KeyChange>, StoreError> {
        if let Some(bytes) = self.misfit {
            return Err(StoreError::KeyLength { bytes });
        }
        // An engine may keep a change for as long as it likes, and all of the buffer with it.
        let is_loose = self.bytes.capacity() > self.bytes.len() + self.bytes.len() / 8;
        let mut rest = match is_loose {
            true => Bytes::copy_from_slice(&self.bytes),
            false => self.bytes.freeze(),
        };
        Ok(self.changes.into_iter().map(move |place| {
            let mut cut = |bytes| {
                let part = rest.split_to(bytes);
                // Of these there are few, which stay buffered for long.
                match place.space {
                    Space::Meta | Space::Due => Bytes::copy_from_slice(&part),
                    Space::Rows | Space::State => part,
                }
            };
            KeyChange {
                space: place.space,
                key: cut(place.key),
                value: place.value.map(cut),
            }
        }))
    }

    fn take_key(&mut self, parts: &[&[u8]]) -> usize {
        let bytes = self.take(parts);
        if bytes == 0 || bytes > KEY_BYTES_MAX {
            self.misfit.get_or_insert(bytes);
        }
        bytes
    }

    fn take(&mut self, parts: &[&[u8]]) -> usize {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        parts.iter().map(|part| part.len()).sum()
    }
}
