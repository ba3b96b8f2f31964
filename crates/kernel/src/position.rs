//! `Position`: how far a reader has seen, as an opaque token for clients.
//!
//! Format, version 1: `p1-` and the seq as 16 hexadecimal digits. Nobody outside this file
//! parses it; at scale version 2 carries a vector of offsets (`offsets`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{offsets::Offsets, seq::Seq};

/// A place in the log that a client can hold on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position(Seq);

impl Position {
    /// The place just after everything up to and including `seq`.
    #[must_use]
    pub const fn at(seq: Seq) -> Self {
        Self(seq)
    }

    /// The last seq that is covered.
    #[must_use]
    pub const fn seq(self) -> Seq {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p1-{:016x}", self.0.0)
    }
}

/// Why a text is not a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a position as an earlier answer gave it, found \"{text}\"")]
pub struct PositionError {
    text: String,
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        text.strip_prefix("p1-")
            .filter(|hex| hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .map(|seq| Self(Seq(seq)))
            .ok_or_else(|| PositionError {
                text: text.to_owned(),
            })
    }
}

impl TryFrom<String> for Position {
    type Error = PositionError;

    fn try_from(text: String) -> Result<Self, PositionError> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// How far a reader has to be to see what was answered: a token for clients, of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// One machine: a place in its order.
    Seq(Position),
    /// Many machines: a place in each partition.
    Offsets(Offsets),
}

impl Reached {
    /// Goes on to `other` where that is further. Places of two kinds have no order: the newer one
    /// of an answer that meets both is kept.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Seq(one), Self::Seq(other)) => Self::Seq(one.max(other)),
            (Self::Offsets(mut one), Self::Offsets(other)) => {
                one.join(&other);
                Self::Offsets(one)
            }
            (Self::Seq(_) | Self::Offsets(_), other) => other,
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seq(position) => position.fmt(f),
            Self::Offsets(offsets) => offsets.fmt(f),
        }
    }
}

impl Reached {
    /// The place in the one order of one machine, if it is one.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Seq(position) => Some(*position),
            Self::Offsets(_) => None,
        }
    }
}

impl FromStr for Reached {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let offsets = text.parse().map(Self::Offsets);
        let told = |_| PositionError {
            // What comes from outside is named in part.
            text: text.chars().take(60).collect(),
        };
        text.parse().map(Self::Seq).or(offsets).map_err(told)
    }
}

impl From<Position> for Reached {
    fn from(position: Position) -> Self {
        Self::Seq(position)
    }
}

impl<'de> Deserialize<'de> for Reached {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Reached {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_way_to_the_client_and_back() {
        let position = Position::at(Seq(0x0199_0000_0000_0007));
        assert_eq!(position.to_string(), "p1-0199000000000007");
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn a_token_of_either_kind_reads_back_as_what_it_is() {
        let seq = Reached::Seq(Position::at(Seq(7)));
        assert_eq!(seq.to_string().parse(), Ok(seq));
        let offsets: Reached = "p2-16.0:42".parse().unwrap();
        assert!(matches!(offsets, Reached::Offsets(_)), "{offsets:?}");
        assert_eq!(offsets.to_string(), "p2-16.0:42");
        assert!("p3-16.0:42".parse::<Reached>().is_err());
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for text in ["", "p1-", "p2-0199000000000007", "p1-+199000000000007", "7"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
