//! `Slots`: finds the number of a key by its hash. It keeps neither keys nor values: the caller
//! has them in columns, by number.
//!
//! Open addressing with linear probing in one array of 64-bit words: a tag of the hash's upper
//! half, and the number plus one; 0 is empty. At most half of the words are used. Nothing is ever
//! taken out: whoever wants to forget keys builds another one.

/// Finds numbers of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    words: Vec<u64>,
    used: usize,
}

/// No number.
pub(crate) const NONE: u32 = u32::MAX;

/// Words of the smallest table.
const WORDS_MIN: usize = 16;

const TAG: u64 = 0xffff_ffff_0000_0000;

impl Slots {
    /// One with room for `count` keys.
    pub(crate) fn with_room(count: usize) -> Self {
        let words = (count.max(WORDS_MIN / 2) * 2).next_power_of_two();
        Self {
            words: vec![0; words],
            used: 0,
        }
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    fn mask(&self) -> usize {
        self.words.len().wrapping_sub(1)
    }

    /// Where the search for a hash begins.
    #[expect(clippy::cast_possible_truncation, reason = "cut to the table's length")]
    #[inline]
    fn start(&self, hash: u64) -> usize {
        // The upper half is the tag, and a bucket's keys share its first 8 bits.
        (hash as usize) & self.mask()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is the number plus one"
    )]
    #[inline]
    const fn number(word: u64) -> u32 {
        (word as u32).wrapping_sub(1)
    }

    /// The number of the key with this hash that `is_it` knows.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.words.is_empty() {
            return None;
        }
        let mut at = self.start(hash);
        loop {
            let word = self.words[at];
            if word == 0 {
                return None;
            }
            if (word ^ hash) & TAG == 0 && is_it(Self::number(word)) {
                return Some(Self::number(word));
            }
            at = (at + 1) & self.mask();
        }
    }

    /// The number of the key with this hash that `is_it` knows; if there is none, it gets `next`.
    /// Whether it is new comes with it. There must be room: see `make_room`.
    #[inline]
    pub(crate) fn find_or_put(
        &mut self,
        hash: u64,
        next: u32,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> (u32, bool) {
        let mut at = self.start(hash);
        loop {
            let word = self.words[at];
            if word == 0 {
                self.words[at] = (hash & TAG) | u64::from(next.wrapping_add(1));
                self.used += 1;
                return (next, true);
            }
            if (word ^ hash) & TAG == 0 && is_it(Self::number(word)) {
                return (Self::number(word), false);
            }
            at = (at + 1) & self.mask();
        }
    }

    /// Sees to it that `more` keys fit; `hashes` are those of the keys in it, by number.
    pub(crate) fn make_room(&mut self, more: usize, hashes: &[u64]) {
        let wanted = (self.used + more).max(WORDS_MIN / 2) * 2;
        if wanted <= self.words.len() {
            return;
        }
        // Twice what is asked for, so that growing costs little per key.
        let mut grown = Self::with_room(wanted);
        for (number, hash) in (0_u32..).zip(hashes) {
            grown.put_new(*hash, number);
        }
        *self = grown;
    }

    /// Puts a key that is not in it.
    fn put_new(&mut self, hash: u64, number: u32) {
        let (put, _) = self.find_or_put(hash, number, |_| false);
        debug_assert_eq!(put, number);
    }

    /// For each hash the number of the first key whose tag fits, or `NONE`: a guess that the
    /// caller checks. Searches do not wait for each other, so that the processor fetches several
    /// at once.
    pub(crate) fn guess(&self, hashes: &[u64]) -> Vec<u32> {
        if self.words.is_empty() {
            return vec![NONE; hashes.len()];
        }
        let first = |hash: &u64| {
            let mut at = self.start(*hash);
            loop {
                let word = self.words[at];
                if word == 0 {
                    return NONE;
                }
                if (word ^ hash) & TAG == 0 {
                    return Self::number(word);
                }
                at = (at + 1) & self.mask();
            }
        };
        hashes.iter().map(first).collect()
    }
}

#[cfg(test)]
mod tests;
