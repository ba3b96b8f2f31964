//! All error codes with their pages: one row per code, grouped by the crate that raises it.
//!
//! A code is never reused and never changes its meaning.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($name:ident = $text:literal,)*) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each code has a page in docs/errors")]
        pub enum Code { $($name,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as users see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The page that `mainstem explain-error` shows.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(
                        concat!("../../../../docs/errors/", $text, ".md")
                    ),)*
                }
            }
        }
    };
}

codes! {
    // disk and log
    Log001 = "LOG-001",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no error code \"{text}\"")]
pub struct CodeError {
    text: String,
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let wanted = text.to_ascii_uppercase();
        let found = Self::ALL.iter().find(|code| code.as_str() == wanted);
        found.copied().ok_or_else(|| CodeError { text: text.to_owned() })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
