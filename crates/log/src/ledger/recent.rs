//! `Recent`: a map that forgets what was touched longest ago.
//!
//! It never forgets by itself: `forget` says when and how much.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use mainstem_kernel::Seq;

/// Touches that may be out of date before they are swept out.
const STALE_MIN: usize = 64;

/// A map that forgets what was touched longest ago.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    map: HashMap<K, (Seq, V)>,
    /// Every touch in order; out of date if the map says another seq.
    touches: VecDeque<(Seq, K)>,
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            map: HashMap::new(),
            touches: VecDeque::new(),
        }
    }

    /// The value of a key and when it was touched.
    pub(crate) fn get(&self, key: &K) -> Option<(Seq, V)> {
        self.map.get(key).copied()
    }

    /// Sets a value and gives the one before. Touches must come in the order of seqs.
    pub(crate) fn put(&mut self, key: K, seq: Seq, value: V) -> Option<(Seq, V)> {
        let before = self.map.insert(key, (seq, value));
        if before.is_none_or(|(touched, _)| touched != seq) {
            self.touches.push_back((seq, key));
        }
        before
    }

    /// Takes a `put` back. The touch stays in the queue, out of date.
    pub(crate) fn put_back(&mut self, key: K, before: Option<(Seq, V)>) {
        match before {
            Some(before) => drop(self.map.insert(key, before)),
            None => drop(self.map.remove(&key)),
        }
    }

    /// Forgets the oldest until at most `max` are left and none was touched before `since`.
    pub(crate) fn forget(&mut self, max: usize, since: Seq) {
        while let Some((seq, key)) = self.touches.front().copied() {
            let is_current = self
                .map
                .get(&key)
                .is_some_and(|(touched, _)| *touched == seq);
            if is_current {
                if self.map.len() <= max && seq >= since {
                    break;
                }
                self.map.remove(&key);
            }
            self.touches.pop_front();
        }
        let limit = self.map.len().saturating_mul(2).saturating_add(STALE_MIN);
        if self.touches.len() > limit {
            let map = &self.map;
            self.touches
                .retain(|(seq, key)| map.get(key).is_some_and(|(at, _)| at == seq));
        }
    }

    /// Everything that is remembered, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, Seq, V)> + '_ {
        self.touches.iter().filter_map(|(seq, key)| {
            let (touched, value) = self.map.get(key)?;
            (touched == seq).then_some((*key, *seq, *value))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.touches.clear();
    }
}
