//! `KeyRange`: which keys a scan visits. Never looks into a key.

use std::ops::Bound;

/// Keys between two bounds, in the order of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }

    /// The keys that begin with these bytes.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self {
            start: Bound::Included(prefix.to_vec()),
            end: after_prefix(prefix),
        }
    }

    /// The keys of this range behind `key`: where a scan goes on.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        Self {
            start: Bound::Excluded(key.to_vec()),
            end: self.end.clone(),
        }
    }

    /// This range with `prefix` before each of its bounds, within the keys that begin with it.
    #[must_use]
    pub fn within(&self, prefix: &[u8]) -> Self {
        let put = |key: &[u8]| [prefix, key].concat();
        Self {
            start: match &self.start {
                Bound::Included(key) => Bound::Included(put(key)),
                Bound::Excluded(key) => Bound::Excluded(put(key)),
                Bound::Unbounded => Bound::Included(prefix.to_vec()),
            },
            end: match &self.end {
                Bound::Included(key) => Bound::Included(put(key)),
                Bound::Excluded(key) => Bound::Excluded(put(key)),
                Bound::Unbounded => after_prefix(prefix),
            },
        }
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        }
    }

    /// Whether a key is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let from = match &self.start {
            Bound::Included(start) => start.as_slice() <= key,
            Bound::Excluded(start) => start.as_slice() < key,
            Bound::Unbounded => true,
        };
        let to = match &self.end {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        };
        from && to
    }

    /// The bounds, as collections take them.
    #[must_use]
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (
            self.start.as_ref().map(Vec::as_slice),
            self.end.as_ref().map(Vec::as_slice),
        )
    }
}

/// The first key behind all that begin with these bytes.
fn after_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_its_last_key() {
        assert_eq!(KeyRange::prefix(b"ab").end, Bound::Excluded(b"ac".to_vec()));
        assert_eq!(
            KeyRange::prefix(b"a\xff\xff").end,
            Bound::Excluded(b"b".to_vec())
        );
        assert_eq!(KeyRange::prefix(b"\xff").end, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(b"").end, Bound::Unbounded);
    }

    #[test]
    fn a_range_stays_within_its_prefix() {
        let inner = KeyRange {
            start: Bound::Excluded(b"5".to_vec()),
            end: Bound::Unbounded,
        };
        let range = inner.within(b"t");
        assert!(range.contains(b"t6") && range.contains(b"t5\0"));
        assert!(!range.contains(b"t5") && !range.contains(b"u") && !range.contains(b"t"));
        assert_eq!(KeyRange::all().within(b"t"), KeyRange::prefix(b"t"));
    }

    #[test]
    fn an_empty_range_is_known_as_such() {
        let range = |start: Bound<&[u8]>, end: Bound<&[u8]>| KeyRange {
            start: start.map(<[u8]>::to_vec),
            end: end.map(<[u8]>::to_vec),
        };
        let (a, b): (&[u8], &[u8]) = (b"a", b"b");
        assert!(!range(Bound::Included(a), Bound::Included(a)).is_empty());
        assert!(range(Bound::Included(a), Bound::Excluded(a)).is_empty());
        assert!(range(Bound::Included(b), Bound::Included(a)).is_empty());
        assert!(!range(Bound::Excluded(a), Bound::Excluded(b)).is_empty());
        assert!(!KeyRange::all().is_empty());
    }
}
