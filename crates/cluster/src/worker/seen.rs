//! `Seen`: which keys a partition has had within a span. Pure.
//!
//! Time is the broker's, as it appended the rows; it is taken as never going back.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Which keys a partition has had, and when first.
#[derive(Debug)]
pub(super) struct Seen {
    within_ms: i64,
    first: HashMap<Arc<[u8]>, i64>,
    /// In the order in which they came.
    order: VecDeque<(i64, Arc<[u8]>)>,
    now: i64,
    bytes: usize,
}

/// About what one key takes beside itself.
const KEY_BYTES: usize = 96;

impl Seen {
    /// No key yet; each counts for `within_ms` after it came first.
    pub(super) fn new(within_ms: i64) -> Self {
        Self {
            within_ms,
            first: HashMap::new(),
            order: VecDeque::new(),
            now: i64::MIN,
            bytes: 0,
        }
    }

    /// Whether a key that comes at `at` is new; then it is noted.
    pub(super) fn is_new(&mut self, key: &[u8], at: i64) -> bool {
        self.now = self.now.max(at);
        let known = self.first.get(key).copied();
        if known.is_some_and(|first| !self.is_over(first)) {
            return false;
        }
        let key: Arc<[u8]> = key.into();
        self.bytes += key.len() + KEY_BYTES;
        self.order.push_back((self.now, Arc::clone(&key)));
        self.first.insert(key, self.now);
        true
    }

    /// Takes what the changelog says.
    pub(super) fn restore(&mut self, key: &[u8], at: Option<i64>) {
        match at {
            Some(at) => {
                self.is_new(key, at);
            }
            // Its place in the order is passed over when it comes.
            None => {
                self.first.remove(key);
            }
        }
    }

    /// Forgets the next key whose span is over.
    pub(super) fn expire(&mut self) -> Option<Arc<[u8]>> {
        loop {
            let (at, _) = self.order.front()?;
            if !self.is_over(*at) {
                return None;
            }
            let (at, key) = self.order.pop_front()?;
            self.bytes = self.bytes.saturating_sub(key.len() + KEY_BYTES);
            // It may have come again since.
            if self.first.get(&key) == Some(&at) {
                self.first.remove(&key);
                return Some(key);
            }
        }
    }

    /// When a key came first, in ms.
    pub(super) fn first(&self, key: &[u8]) -> Option<i64> {
        self.first.get(key).copied()
    }

    fn is_over(&self, first: i64) -> bool {
        self.now.saturating_sub(first) > self.within_ms
    }

    /// Keys that it knows.
    pub(super) fn keys(&self) -> usize {
        self.first.len()
    }

    /// Bytes that it takes, about.
    pub(super) const fn size(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_for_its_span_and_no_longer() {
        let mut seen = Seen::new(100);
        assert!(seen.is_new(b"a", 1_000));
        assert!(!seen.is_new(b"a", 1_100), "to the last millisecond");
        assert!(seen.is_new(b"b", 1_050));
        assert!(seen.expire().is_none());
        assert!(seen.is_new(b"a", 1_101), "the span is over");
        assert!(seen.expire().is_none(), "it came again, and counts");
        assert!(!seen.is_new(b"a", 1_201));
        assert_eq!(seen.expire().as_deref(), Some(&b"b"[..]));
        assert_eq!((seen.expire(), seen.keys()), (None, 1));
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut seen = Seen::new(100);
        assert!(seen.is_new(b"a", 1_000));
        assert!(!seen.is_new(b"a", 500));
        assert!(seen.is_new(b"b", 500));
        assert_eq!(seen.first(b"b"), Some(1_000));
        assert!(!seen.is_new(b"b", 1_100));
    }

    #[test]
    fn what_a_changelog_says_is_what_was_known() {
        let (mut seen, mut heir) = (Seen::new(100), Seen::new(100));
        for (key, at) in [(b"a", 1), (b"b", 50), (b"a", 90), (b"c", 140), (b"a", 150)] {
            if seen.is_new(key, at) {
                heir.restore(key, Some(at));
            }
            while let Some(gone) = seen.expire() {
                heir.restore(&gone, None);
            }
        }
        assert_eq!((seen.keys(), heir.keys()), (3, 3));
        for (key, at) in [(b"a", 250), (b"b", 250), (b"c", 240), (b"c", 251)] {
            assert_eq!(seen.is_new(key, at), heir.is_new(key, at), "{key:?} {at}");
        }
        while seen.expire().is_some() {}
        while heir.expire().is_some() {}
        assert_eq!((seen.size(), seen.keys()), (heir.size(), heir.keys()));
    }
}
