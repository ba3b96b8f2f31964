//! `Wrong`: why one row cannot be kept, in words for whoever sent it. It never holds a whole row.

use mainstem_kernel::{Code, ColumnType};

/// Longest piece of a value that a reason quotes, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// Why one row cannot be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Kind of mistake.
    pub(crate) code: Code,
    /// What was expected and what was found.
    pub(crate) reason: String,
}

/// What reading a piece of a row gives. Boxed: the good case must stay small.
pub(crate) type Read<T> = Result<T, Box<Wrong>>;

impl Wrong {
    /// A reason as it is.
    #[cold]
    pub(crate) fn new(code: Code, reason: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code,
            reason: reason.into(),
        })
    }

    /// The text is not JSON.
    #[cold]
    pub(crate) fn syntax(expected: &str, found: Option<u8>, at: usize) -> Box<Self> {
        let found = match found {
            None => "the end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        Self::new(
            Code::Admit020,
            format!("expected {expected} at byte {at}, found {found}"),
        )
    }

    /// A value of another type, or out of the type's range. The column is named further up.
    #[cold]
    pub(crate) fn value(expected: &str, found: &str) -> Box<Self> {
        Self::new(
            Code::Admit021,
            format!("expected {expected}, found {}", quoted(found)),
        )
    }

    /// A value that does not fit a column's type.
    #[cold]
    pub(crate) fn mismatch(ty: &ColumnType, found: &str) -> Box<Self> {
        Self::value(&ty.to_string(), found)
    }

    /// The same, with the column's name in front.
    #[cold]
    pub(crate) fn in_column(mut self: Box<Self>, column: &str) -> Box<Self> {
        if self.code != Code::Admit020 {
            self.reason = format!("column \"{column}\": {}", self.reason);
        }
        self
    }

    /// A column that must have a value has none.
    #[cold]
    pub(crate) fn missing(column: &str) -> Box<Self> {
        Self::new(
            Code::Admit022,
            format!("column \"{column}\" is NOT NULL and has no value"),
        )
    }

    /// A column has two values.
    #[cold]
    pub(crate) fn twice(column: &str) -> Box<Self> {
        Self::new(
            Code::Admit028,
            format!("column \"{column}\" has more than one value"),
        )
    }

    /// The row is too large.
    #[cold]
    pub(crate) fn too_large(size: usize, limit: usize) -> Box<Self> {
        let reason = format!("event has {size} bytes, the stream takes at most {limit}");
        Self::new(Code::Admit026, reason)
    }

    /// The row is no text.
    #[cold]
    pub(crate) fn not_utf8() -> Box<Self> {
        Self::new(Code::Admit025, "expected UTF-8, found other bytes")
    }

    /// Brackets in brackets in brackets.
    #[cold]
    pub(crate) fn too_deep(limit: usize) -> Box<Self> {
        Self::new(
            Code::Admit029,
            format!("values are nested deeper than {limit} levels"),
        )
    }
}

/// The beginning of a value as a reason shows it.
fn quoted(found: &str) -> String {
    let mut chars = found.chars();
    let mut text: String = chars.by_ref().take(QUOTED_CHARS_MAX).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}
