//! Pages of rows by key: what is asked, and where the next one begins. Never reads a row.
//!
//! # Format of `After`, version 1
//!
//! ```text
//! k1-<base64url without padding of: object u32, big-endian | row key>
//! ```
//!
//! The row key is as `RowCodec` encodes it, so the token lives as long as the object's key does.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use datafusion::arrow::array::ArrayRef;
use mainstem_catalog::Object;
use mainstem_kernel::{Code, Column, ColumnName, Columns, Place, Reached, StreamId};

use crate::{
    Answered,
    declare::{Told, mistake, quoted},
    error::QueryError,
    write,
};

const VERSION: &str = "k1-";

/// A page of rows by key.
#[derive(Clone, Debug)]
pub struct Page {
    /// Values of the first columns of the key, as text, in their order; all rows if there is none.
    pub key: Vec<String>,
    /// Where it goes on.
    pub after: Option<After>,
    /// Rows at most. A page that would take too much memory has fewer.
    pub limit: usize,
    /// Read at this position or later.
    pub wait: Option<Reached>,
}

/// The rows of a page, and where the next one begins.
#[derive(Debug)]
pub struct Paged {
    /// The rows.
    pub answered: Answered,
    /// `None` if these are the last.
    pub next: Option<After>,
}

/// Where a page goes on: behind a key. Nobody parses it but this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub(crate) object: StreamId,
    pub(crate) key: Vec<u8>,
}

impl After {
    /// Longest key that one holds, so that it has room in the head of a request.
    pub const KEY_BYTES_MAX: usize = 8 << 10;

    /// Behind a key, or whatever else tells where rows of an object go on; `None` if it is too long
    /// to hold.
    #[must_use]
    pub fn new(object: StreamId, key: Vec<u8>) -> Option<Self> {
        (key.len() <= Self::KEY_BYTES_MAX).then_some(Self { object, key })
    }

    /// Whose rows go on.
    #[must_use]
    pub const fn object(&self) -> StreamId {
        self.object
    }

    /// Where.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.object.0.to_be_bytes(), self.key.as_slice()].concat();
        write!(f, "{VERSION}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// A text is not what an answer gave.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected what an earlier answer gave as \"next\"")]
pub struct NotAfter;

impl FromStr for After {
    type Err = NotAfter;

    fn from_str(text: &str) -> Result<Self, NotAfter> {
        let bytes = text.strip_prefix(VERSION).ok_or(NotAfter)?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).map_err(|_text| NotAfter)?;
        let (object, key) = bytes.split_first_chunk().ok_or(NotAfter)?;
        Ok(Self {
            object: StreamId(u32::from_be_bytes(*object)),
            key: key.to_vec(),
        })
    }
}

/// A question for the first rows of an object whose rows have no key.
///
/// # Errors
/// When values of a key are given.
pub fn first_rows(object: Object<'_>, key: &[String], limit: usize) -> Result<String, QueryError> {
    key_columns(object, key)?;
    let name = quoted(object.name().as_str());
    Ok(format!("SELECT * FROM {name} LIMIT {limit}"))
}

/// Values of the first columns of the key as columns of one row.
///
/// # Errors
/// When there are more than the key has, or one does not fit its column.
pub fn key_columns(object: Object<'_>, values: &[String]) -> Result<Vec<ArrayRef>, QueryError> {
    let none = Columns(Vec::new());
    let (columns, key): (&Columns, &[ColumnName]) = match object {
        Object::Table(def) => (&def.spec.columns, &def.spec.key),
        Object::View(def) => (&def.spec.columns, &def.spec.key),
        Object::Stream(_) => (&none, &[]),
    };
    if values.len() > key.len() {
        return Err(too_many(object, values.len(), key));
    }
    let columns = key.iter().filter_map(|name| columns.get(name.as_str()));
    let fitted = columns
        .zip(values)
        .map(|(column, value)| fitted(column, value));
    fitted.collect()
}

fn fitted(column: &Column, value: &str) -> Result<ArrayRef, QueryError> {
    Ok(write::fitted(value, column, first_place())?)
}

fn too_many(object: Object<'_>, found: usize, key: &[ColumnName]) -> QueryError {
    let names: Vec<&str> = key.iter().map(ColumnName::as_str).collect();
    let wanted = key.len();
    let message = format!(
        "{found} values for the key of {}, which has {wanted}",
        object.label()
    );
    let problem = mistake(Code::Sql008, first_place(), message);
    match names.is_empty() {
        true => problem.hint("its rows have no key: ask with POST /v1/sql"),
        false => problem.hint(format!("give them in this order: {}", names.join(", "))),
    }
    .into()
}

/// The place of what was asked without a text.
pub(crate) fn first_place() -> Place {
    Place {
        file: String::new(),
        line: 1,
        column: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_page_goes_on_reads_back_and_nothing_else_does() {
        for key in [&b""[..], b"\0", b"abc", &[255; 300]] {
            let after = After {
                object: StreamId(0xFFFF_0102),
                key: key.to_vec(),
            };
            let text = after.to_string();
            assert_eq!(text.parse::<After>().unwrap(), after);
            let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            assert!(text.chars().all(is_safe), "{text}");
        }
        for other in [
            "",
            "k1-",
            "k1-AAA",
            "k2-AAAAAAA",
            "AAAAAAA",
            "k1-AAAA AA",
            "k1-ä",
            "k1-AAAAAB=",
        ] {
            assert!(other.parse::<After>().is_err(), "{other}");
        }
    }
}
