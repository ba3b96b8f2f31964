//! One record of the topic of progress. Pure.

use mainstem_kernel::Offsets;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Leader, Query, QueryProgress};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The key of the record of who is in control.
const LEADER_KEY: &str = "leader";

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Who is in control.
    Leader(Leader),
    /// How far a query is.
    Query(Query, QueryProgress),
    /// There is no such query any more.
    Forgotten(Query),
}

/// Why a record does not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Operator: start the newer program.
    #[error("format {format} of a newer program")]
    Newer {
        /// What it says.
        format: u32,
    },
    /// Operator: somebody else writes to the topic.
    #[error("key \"{key}\"")]
    Key {
        /// Its key.
        key: String,
    },
    /// Operator: the same.
    #[error("a value that is not progress")]
    Value(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    format: u32,
    #[serde(flatten)]
    value: &'a T,
}

impl Entry {
    /// The key and value of its record; of what is forgotten there is no value.
    ///
    /// # Errors
    /// None for what this program makes.
    pub fn encode(&self) -> Result<(String, Option<String>), FormatError> {
        Ok(match self {
            Self::Leader(leader) => (LEADER_KEY.to_owned(), Some(text(leader)?)),
            Self::Query(query, progress) => (query.to_string(), Some(text(progress)?)),
            Self::Forgotten(query) => (query.to_string(), None),
        })
    }

    /// Reads a record; one without a value is empty.
    ///
    /// # Errors
    /// When another program wrote it.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, FormatError> {
        let key = String::from_utf8_lossy(key);
        let query = || {
            key.parse::<Query>().map_err(|_unknown| FormatError::Key {
                // What comes from outside is named in part.
                key: key.chars().take(60).collect(),
            })
        };
        if value.is_empty() {
            return Ok(Self::Forgotten(query()?));
        }
        let Header { format } = serde_json::from_slice(value)?;
        if format > FORMAT {
            return Err(FormatError::Newer { format });
        }
        Ok(match key.as_ref() {
            LEADER_KEY => Self::Leader(serde_json::from_slice(value)?),
            _ => Self::Query(query()?, serde_json::from_slice(value)?),
        })
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, FormatError> {
    let versioned = Versioned {
        format: FORMAT,
        value,
    };
    Ok(serde_json::to_string(&versioned)?)
}

/// Places as clients have them.
pub(super) mod offsets {
    use super::{Deserialize, Deserializer, Offsets, Serializer};
    use serde::de::Error as _;

    pub(in crate::progress) fn serialize<S: Serializer>(
        offsets: &Offsets,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(offsets)
    }

    pub(in crate::progress) fn deserialize<'de, R: Deserializer<'de>>(
        reader: R,
    ) -> Result<Offsets, R::Error> {
        let text = String::deserialize(reader)?;
        text.parse().map_err(R::Error::custom)
    }
}
