//! `Values`: what the rows of a layer hold. Never knows what a value means.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, BinaryArray},
    buffer::Buffer,
};
use bytes::Bytes;

use super::Strings;
use crate::errors::TableError;

/// The values of a layer.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// One behind the other in one buffer: rows of tables are many and small.
    Packed(BinaryArray),
    /// Each where it was made, not copied: state is few and large, and whoever made it holds it
    /// until it is committed.
    Apart(Arc<[Bytes]>),
}

impl Values {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Packed(values) => values.len(),
            Self::Apart(values) => values.len(),
        }
    }

    /// Whether one is missing.
    pub(super) fn has_null(&self) -> bool {
        match self {
            Self::Packed(values) => values.null_count() > 0,
            Self::Apart(_) => false,
        }
    }

    /// Their bytes alone.
    pub(super) fn data_bytes(&self) -> usize {
        match self {
            Self::Packed(values) => values.value_data().len(),
            Self::Apart(values) => values.iter().map(Bytes::len).sum(),
        }
    }

    /// Memory that they take, that included which they share.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Packed(values) => values.get_array_memory_size(),
            Self::Apart(values) => self.data_bytes() + values.len() * size_of::<Bytes>(),
        }
    }

    pub(super) fn value(&self, row: usize) -> &[u8] {
        match self {
            Self::Packed(values) => values.value(row),
            Self::Apart(values) => values.get(row).map(AsRef::as_ref).unwrap_or_default(),
        }
    }

    /// The same without a copy: what is packed stays in memory as a whole while this lives.
    pub(super) fn shared(&self, row: usize) -> Bytes {
        let values = match self {
            Self::Packed(values) => values,
            Self::Apart(values) => return values.get(row).cloned().unwrap_or_default(),
        };
        let offsets = values.value_offsets();
        let bounds = offsets.get(row).zip(offsets.get(row + 1));
        let bounds = bounds.and_then(|(start, end)| {
            let start = usize::try_from(*start).ok()?;
            Some((start, usize::try_from(*end).ok()?.checked_sub(start)?))
        });
        let (start, length) = bounds.unwrap_or_default();
        let value = values.values().slice_with_length(start, length);
        Bytes::from_owner(SharedValue(value))
    }

    /// Some of them in one buffer: a copy of those that lie apart.
    pub(crate) fn packed(&self, rows: Range<usize>) -> Result<BinaryArray, TableError> {
        let values = match self {
            Self::Packed(values) => return Ok(values.slice(rows.start, rows.len())),
            Self::Apart(values) => values.get(rows).unwrap_or_default(),
        };
        let bytes = values.iter().map(Bytes::len).sum();
        let mut packed = Strings::with_capacity(values.len(), bytes);
        for value in values {
            packed.push(value)?;
        }
        Ok(packed.finish())
    }
}

impl From<BinaryArray> for Values {
    fn from(values: BinaryArray) -> Self {
        Self::Packed(values)
    }
}

impl FromIterator<Bytes> for Values {
    fn from_iter<I: IntoIterator<Item = Bytes>>(values: I) -> Self {
        Self::Apart(values.into_iter().collect())
    }
}

/// A value that is a part of its layer's memory.
struct SharedValue(Buffer);

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
