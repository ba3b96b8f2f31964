//! How a repetition of a request is recognised: the stamps that its rows carry in the log.
//!
//! A sender's number is the first half of a BLAKE3 hash over tenant, stream, kind and name, so it
//! is the same after any restart. A body that is kept in several parts counts as one sender per
//! part; where the parts end depends on the body and the stream alone.

use bytes::Bytes;
use mainstem_kernel::{ProducerId, StreamId, TenantId};
use mainstem_log::Stamp;

use crate::{AdmitError, Format, Identity, NAME_BYTES_MAX};

/// Who sent a request, as far as its rows' stamps tell.
#[derive(Clone, Debug)]
pub(crate) enum Sender {
    /// Nobody knows.
    None,
    /// A client with an idempotency key.
    Key {
        /// Whose key it is, without the part.
        scope: Box<blake3::Hasher>,
        /// Checksum of the body.
        check: u32,
    },
    /// A loader.
    Load { producer: ProducerId, first: u64 },
}

/// The stamp of a part, before it is known how many rows it has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seed {
    Key { producer: ProducerId, check: u32 },
    Load { producer: ProducerId, first: u64 },
}

impl Sender {
    /// Checks who a request says it comes from.
    ///
    /// # Errors
    /// When a name is empty or too long.
    pub(crate) fn new(
        (tenant, stream): (TenantId, StreamId),
        identity: &Identity,
        (format, body): (Format, &Bytes),
    ) -> Result<Self, AdmitError> {
        Ok(match identity {
            Identity::None => Self::None,
            Identity::Key(key) => {
                check_length("the idempotency key", key)?;
                let scope = Box::new(scope(tenant, stream, b'k', key));
                Self::Key {
                    scope,
                    check: crc32c::crc32c_append(format as u32, body),
                }
            }
            Identity::Load { producer, first } => {
                let producer = loader(tenant, stream, producer)?;
                Self::Load {
                    producer,
                    first: *first,
                }
            }
        })
    }

    /// The stamp of a part of the body that begins with row `row` of the request.
    pub(crate) fn seed(&self, part: u32, row: u64) -> Option<Seed> {
        match self {
            Self::None => None,
            Self::Key { scope, check } => {
                let mut scope = scope.clone();
                scope.update(&part.to_le_bytes());
                Some(Seed::Key {
                    producer: number(&scope),
                    check: *check,
                })
            }
            Self::Load { producer, first } => Some(Seed::Load {
                producer: *producer,
                first: first.saturating_add(row),
            }),
        }
    }
}

impl Seed {
    /// Who is behind it.
    pub(crate) const fn producer(self) -> ProducerId {
        match self {
            Self::Key { producer, .. } | Self::Load { producer, .. } => producer,
        }
    }

    /// The stamp, once it is known what became of the rows.
    pub(crate) fn stamp(self, rows: usize, rejected: usize) -> Stamp {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        match self {
            Self::Key { producer, check } => Stamp::Request {
                producer,
                check,
                rejected: narrow(rejected),
            },
            Self::Load { producer, first } => Stamp::Load {
                producer,
                first,
                span: narrow(rows),
                rejected: narrow(rejected),
            },
        }
    }
}

/// The number of a loader.
///
/// # Errors
/// When its name is empty or too long.
pub(crate) fn loader(
    tenant: TenantId,
    stream: StreamId,
    name: &str,
) -> Result<ProducerId, AdmitError> {
    check_length("the loader's name", name)?;
    Ok(number(&scope(tenant, stream, b'l', name)))
}

fn check_length(what: &'static str, name: &str) -> Result<(), AdmitError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(AdmitError::NameLength {
            what,
            bytes: name.len(),
        });
    }
    Ok(())
}

fn scope(tenant: TenantId, stream: StreamId, kind: u8, name: &str) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&tenant.0.to_le_bytes())
        .update(&stream.0.to_le_bytes())
        .update(&[kind]);
    // The length keeps a name and what follows apart.
    hasher.update(&u64::try_from(name.len()).unwrap_or(0).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher
}

fn number(hasher: &blake3::Hasher) -> ProducerId {
    let hash = hasher.finalize();
    let half = hash
        .as_bytes()
        .first_chunk::<8>()
        .copied()
        .unwrap_or_default();
    ProducerId(u64::from_le_bytes(half))
}
