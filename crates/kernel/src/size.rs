//! `ByteSize`: a number of bytes that is written and read as people write it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "SizeText", into = "String")]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl ByteSize {
    /// That many KiB.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// That many MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// That many GiB.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// As a length in memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<usize> for ByteSize {
    fn from(bytes: usize) -> Self {
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for ByteSize {
    /// With the largest unit that leaves at least one, to one decimal: `1.5 MiB`, `12 B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in UNITS {
            if self.0 >= size {
                let whole = self.0 / size;
                let tenth = (self.0 % size) * 10 / size;
                return match tenth {
                    0 => write!(f, "{whole} {unit}"),
                    _ => write!(f, "{whole}.{tenth} {unit}"),
                };
            }
        }
        f.write_str("0 B")
    }
}

impl From<ByteSize> for String {
    /// Without loss: the largest unit that divides it.
    fn from(size: ByteSize) -> Self {
        let (unit, one) = UNITS
            .into_iter()
            .find(|(_, one)| size.0 >= *one && size.0.is_multiple_of(*one))
            .unwrap_or(("B", 1));
        format!("{} {unit}", size.0 / one)
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as \"512 MiB\", found \"{text}\"")]
pub struct SizeError {
    text: String,
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let fail = || SizeError {
            text: text.to_owned(),
        };
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.parse().map_err(|_source| fail())?;
        let one = match unit.trim() {
            "" => 1,
            unit => UNITS
                .into_iter()
                .find(|(name, _)| *name == unit)
                .map(|u| u.1)
                .ok_or_else(fail)?,
        };
        number.checked_mul(one).map(ByteSize).ok_or_else(fail)
    }
}

/// A size in a file: a number of bytes, or text with a unit.
#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl TryFrom<SizeText> for ByteSize {
    type Error = SizeError;

    fn try_from(text: SizeText) -> Result<Self, SizeError> {
        match text {
            SizeText::Bytes(bytes) => Ok(Self(bytes)),
            SizeText::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_with_the_largest_unit() {
        assert_eq!(ByteSize(0).to_string(), "0 B");
        assert_eq!(ByteSize(1_536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize::gib(4).to_string(), "4 GiB");
    }

    #[test]
    fn reads_what_it_writes() {
        for size in [0, 1, 1_000, 1_024, 1 << 20, (1 << 30) + 1] {
            assert_eq!(String::from(ByteSize(size)).parse(), Ok(ByteSize(size)));
        }
    }

    #[test]
    fn names_what_it_cannot_read() {
        for text in ["", "MiB", "1 MB", "-1", "99999999999 GiB"] {
            assert_eq!(
                text.parse::<ByteSize>(),
                Err(SizeError {
                    text: text.to_owned()
                })
            );
        }
    }
}
