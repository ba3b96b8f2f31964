//! State of operators as the store keeps it: keys, changes, and where it is loaded from.
//!
//! # Keys
//!
//! ```text
//! view u32 | operator u8 | 0 | start i64                            an entry of the directory
//! view u32 | operator u8 | 1 | start i64 | bucket u8 | number u8    a piece of a pane
//! ```
//!
//! All big endian, and the sign of `start` turned, so that they sort as numbers do. All state of a
//! view begins with its id.

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;
use mainstem_kernel::StreamId;

use crate::errors::FlowError;

/// A source of state that parts share.
pub(crate) type SharedState = Arc<dyn StateSource>;

/// State as of the last checkpoint.
pub(crate) trait StateSource: Debug + Send + Sync {
    /// All values whose keys begin with `prefix`, in the order of keys.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, FlowError>;

    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, FlowError>;

    /// Bytes of state that may be in memory until somebody says otherwise.
    fn size_max(&self) -> usize {
        usize::MAX
    }
}

/// One change of state since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateChange {
    /// Which.
    pub(crate) key: Bytes,
    /// The value from now on; `None` if there is none any more.
    pub(crate) value: Option<Bytes>,
}

impl StateChange {
    pub(crate) fn put(key: Vec<u8>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    pub(crate) fn delete(key: Vec<u8>) -> Self {
        Self {
            key: key.into(),
            value: None,
        }
    }
}

/// Makes the keys of one operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateKey {
    pub(crate) view: StreamId,
    pub(crate) operator: u8,
}

const ENTRY: u8 = 0;
const PIECE: u8 = 1;
const SIGN: u64 = 1 << 63;

impl StateKey {
    fn begin(self, kind: u8) -> Vec<u8> {
        let mut key = self.view.0.to_be_bytes().to_vec();
        key.extend_from_slice(&[self.operator, kind]);
        key
    }

    fn with_start(self, kind: u8, start: i64) -> Vec<u8> {
        let mut key = self.begin(kind);
        key.extend_from_slice(&(start.cast_unsigned() ^ SIGN).to_be_bytes());
        key
    }

    /// What all entries begin with.
    pub(crate) fn entries(self) -> Vec<u8> {
        self.begin(ENTRY)
    }

    pub(crate) fn entry(self, start: i64) -> Vec<u8> {
        self.with_start(ENTRY, start)
    }

    pub(crate) fn piece(self, start: i64, bucket: usize, number: u8) -> Vec<u8> {
        let mut key = self.with_start(PIECE, start);
        // There are 256 buckets.
        key.extend_from_slice(&[u8::try_from(bucket).unwrap_or(u8::MAX), number]);
        key
    }

    /// The start of the window in the key of an entry.
    pub(crate) fn start_of(key: &[u8]) -> Option<i64> {
        let start = key.get(6..)?.first_chunk::<8>()?;
        Some((u64::from_be_bytes(*start) ^ SIGN).cast_signed())
    }
}
