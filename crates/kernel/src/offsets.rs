//! `Offsets`: how far a reader has seen the streams of a cluster, as an opaque token for clients.
//!
//! There is no order over partitions at scale, so a place is a vector: of each partition, the
//! offset that comes next. Format, version 2 (version 1 holds a seq, see `position`):
//!
//! ```text
//! p2-16.0:42.3:7_17.0:1     stream 16: partition 0 up to 42, 3 up to 7; stream 17: partition 0 up to 1
//! ```
//!
//! Nobody outside this file parses it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::ids::{Offset, PartitionId, StreamId};

const PREFIX: &str = "p2-";

/// More are not read: a token comes from outside.
const PLACES_MAX: usize = 10_000;

/// Of each partition that is named, the offset that comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets(BTreeMap<(StreamId, PartitionId), Offset>);

impl Offsets {
    /// The offset that comes next; the first one of a partition that is not named.
    #[must_use]
    pub fn next(&self, stream: StreamId, partition: PartitionId) -> Offset {
        let next = self.0.get(&(stream, partition));
        next.copied().unwrap_or(Offset(0))
    }

    /// Goes on to `next`; never back.
    pub fn reach(&mut self, stream: StreamId, partition: PartitionId, next: Offset) {
        let place = self.0.entry((stream, partition)).or_insert(next);
        *place = (*place).max(next);
    }

    /// Goes on to wherever `other` is further.
    pub fn join(&mut self, other: &Self) {
        for ((stream, partition), next) in &other.0 {
            self.reach(*stream, *partition, *next);
        }
    }

    /// Whether everything that `other` has seen was seen.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_behind = |((stream, partition), next): (&(StreamId, PartitionId), &Offset)| {
            self.next(*stream, *partition) < *next
        };
        !other.0.iter().any(is_behind)
    }

    /// Every partition that is named, with the offset that comes next.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, PartitionId, Offset)> {
        self.0
            .iter()
            .map(|((stream, partition), next)| (*stream, *partition, *next))
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        let mut before = None;
        for (stream, partition, next) in self.iter() {
            if before != Some(stream) {
                let between = if before.is_some() { "_" } else { "" };
                write!(f, "{between}{}", stream.0)?;
                before = Some(stream);
            }
            write!(f, ".{}:{}", partition.0, next.0)?;
        }
        Ok(())
    }
}

/// Why a text is not a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a position as an earlier answer gave it, found \"{text}\"")]
pub struct OffsetsError {
    text: String,
}

impl FromStr for Offsets {
    type Err = OffsetsError;

    fn from_str(text: &str) -> Result<Self, OffsetsError> {
        read(text).ok_or_else(|| OffsetsError {
            // What comes from outside is named in part.
            text: text.chars().take(60).collect(),
        })
    }
}

fn read(text: &str) -> Option<Offsets> {
    let mut offsets = Offsets::default();
    let rest = text.strip_prefix(PREFIX)?;
    if rest.is_empty() {
        return Some(offsets);
    }
    for part in rest.split('_') {
        let mut words = part.split('.');
        let stream = StreamId(number(words.next()?)?);
        let mut is_empty = true;
        for word in words {
            let (partition, next) = word.split_once(':')?;
            let place = (stream, PartitionId(number(partition)?));
            let is_new = offsets.0.insert(place, Offset(number(next)?)).is_none();
            if !is_new || offsets.0.len() > PLACES_MAX {
                return None;
            }
            is_empty = false;
        }
        if is_empty {
            return None;
        }
    }
    Some(offsets)
}

/// Digits alone: `+7` is not how a number was written.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(places: &[(u32, u16, u64)]) -> Offsets {
        let mut offsets = Offsets::default();
        for (stream, partition, next) in places {
            offsets.reach(StreamId(*stream), PartitionId(*partition), Offset(*next));
        }
        offsets
    }

    #[test]
    fn survives_the_way_to_the_client_and_back() {
        let places = offsets(&[(17, 0, 1), (16, 3, 7), (16, 0, u64::MAX)]);
        let text = places.to_string();
        assert_eq!(text, "p2-16.0:18446744073709551615.3:7_17.0:1");
        assert_eq!(text.parse(), Ok(places));
        assert_eq!("p2-".parse(), Ok(Offsets::default()));
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for text in [
            "",
            "p1-0199000000000007",
            "p2-16",
            "p2-16.0",
            "p2-16.0:+7",
            "p2-16.0:7.0:8",
            "p2-16.0:7_",
            "p2-16.70000:7",
            "p2-16.0:18446744073709551616",
        ] {
            assert!(text.parse::<Offsets>().is_err(), "{text}");
        }
    }

    #[test]
    fn goes_on_and_never_back() {
        let mut seen = offsets(&[(16, 0, 5)]);
        let acknowledged = offsets(&[(16, 0, 3), (16, 1, 2)]);
        assert!(!seen.covers(&acknowledged));
        seen.join(&acknowledged);
        assert_eq!(seen, offsets(&[(16, 0, 5), (16, 1, 2)]));
        assert!(seen.covers(&acknowledged));
        assert!(seen.covers(&Offsets::default()));
    }
}
