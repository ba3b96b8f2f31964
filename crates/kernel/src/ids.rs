//! The identifiers that cross crate borders, as types that cannot be mixed up.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// Owner of applications and keys; 1 is the tenant of a node that has no others.
    TenantId(u32)
);
number_id!(
    /// A stream of the log; never reused. 0 holds the catalog's definitions.
    StreamId(u32)
);
number_id!(
    /// One ordered part of a stream, `0..partitions`.
    PartitionId(u16)
);
number_id!(
    /// A row's place in its partition: increasing, not dense.
    Offset(u64)
);
number_id!(
    /// Version of a stream's columns, from 1.
    SchemaVersion(u32)
);
number_id!(
    /// Who appends idempotently: a Kafka producer, or the hash of an idempotency key.
    ProducerId(u64)
);
number_id!(
    /// Incarnation of a producer; an older one is refused.
    Epoch(u16)
);
number_id!(
    /// Key that sealed a frame's personal columns; 0 means nothing is sealed.
    KeyId(u32)
);

impl StreamId {
    /// The stream of the catalog's definitions.
    pub const CATALOG: Self = Self(0);
    /// Ids below this are the system's own.
    pub const FIRST_USER: Self = Self(16);
}

impl TenantId {
    /// The tenant of a node that has no others.
    pub const ONLY: Self = Self(1);
}

/// Longest name of a stream, column or application, in bytes; PostgreSQL's limit.
pub const NAME_BYTES_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Caller: give it at least one character.
    #[error("expected a name, found nothing")]
    Empty,
    /// Caller: shorten it.
    #[error("name \"{name}\" has {bytes} bytes, the limit is {NAME_BYTES_MAX}")]
    TooLong {
        /// The text.
        name: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// Caller: use letters, digits and underscores.
    #[error("name \"{name}\" holds {found:?}, expected letters, digits and underscores")]
    Character {
        /// The text.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

/// Checks the shape that all names share: `[A-Za-z_][A-Za-z0-9_]*`, at most 63 bytes.
fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong {
            name: name.to_owned(),
            bytes: name.len(),
        });
    }
    let mut chars = name.chars();
    let first = chars.next().ok_or(NameError::Empty)?;
    let found = if first.is_ascii_alphabetic() || first == '_' {
        chars.find(|c| !(c.is_ascii_alphanumeric() || *c == '_'))
    } else {
        Some(first)
    };
    match found {
        Some(found) => Err(NameError::Character {
            name: name.to_owned(),
            found,
        }),
        None => Ok(()),
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// `NameError` says which character or length is not allowed.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check_name(name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_id!(
    /// Name of a stream, unique per tenant among all kinds of objects.
    StreamName
);
name_id!(
    /// Name of a column.
    ColumnName
);
name_id!(
    /// Name of an application.
    AppName
);
