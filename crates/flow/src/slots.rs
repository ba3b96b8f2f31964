//! `Slots`: finds the number of a key by its hash. It keeps neither keys nor values: the caller
//! has them in columns, by number.
//!
//! Open addressing with linear probing in one array of 64-bit words: a tag, which is the hash's
//! lower half, and the number plus one; 0 is empty. The search begins where the tag stands among
//! all tags, so that the table may have any length, and grows by what it holds itself. At most three
//! quarters of the words are used: 11 to 16 bytes per key. Nothing is ever taken out: whoever wants
//! to forget keys builds another one.

/// Finds numbers of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    words: Vec<u64>,
    used: usize,
    /// Keys that fit before it grows.
    room: usize,
}

/// No number.
pub(crate) const NONE: u32 = u32::MAX;

/// Words of the smallest table.
const WORDS_MIN: usize = 16;

/// Words of tables that grow fast, because they are cheap.
const WORDS_SMALL: usize = 16_384;

const TAG: u64 = 0xffff_ffff_0000_0000;

/// The part of a hash that a key is found by. A bucket's keys share the hash's first 8 bits, so it
/// is the other end.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
#[inline]
pub(crate) const fn tag_of(hash: u64) -> u32 {
    hash as u32
}

/// The word of a tag and a number.
#[inline]
const fn word_of(tag: u32, number: u32) -> u64 {
    (tag as u64) << 32 | number.wrapping_add(1) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is the number plus one"
)]
#[inline]
const fn number_of(word: u64) -> u32 {
    (word as u32).wrapping_sub(1)
}

#[inline]
const fn is_of(word: u64, tag: u32) -> bool {
    (word ^ (tag as u64) << 32) & TAG == 0
}

impl Slots {
    /// One with room for `count` keys, and a few more.
    pub(crate) fn with_room(count: usize) -> Self {
        let room = count + count / 16 + 1;
        let words = (room + room / 3 + 1).max(WORDS_MIN);
        Self {
            words: vec![0; words],
            used: 0,
            room: words / 4 * 3,
        }
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Where the search for a tag begins.
    #[inline]
    fn start(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.words.len() as u64) >> 32) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        match at + 1 {
            end if end == self.words.len() => 0,
            next => next,
        }
    }

    /// The number of the key with this hash that `is_it` knows.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.words.is_empty() {
            return None;
        }
        let tag = tag_of(hash);
        let mut at = self.start(tag);
        loop {
            let word = self.words[at];
            if word == 0 {
                return None;
            }
            if is_of(word, tag) && is_it(number_of(word)) {
                return Some(number_of(word));
            }
            at = self.next(at);
        }
    }

    /// The number of the key with this tag that `is_it` knows; if there is none, it gets `next`.
    /// Whether it is new comes with it.
    #[inline]
    pub(crate) fn find_or_put(
        &mut self,
        tag: u32,
        next: u32,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> (u32, bool) {
        if self.room == 0 {
            self.grow();
        }
        let mut at = self.start(tag);
        loop {
            let word = self.words[at];
            if word == 0 {
                self.words[at] = word_of(tag, next);
                self.used += 1;
                self.room -= 1;
                return (next, true);
            }
            if is_of(word, tag) && is_it(number_of(word)) {
                return (number_of(word), false);
            }
            at = self.next(at);
        }
    }

    /// Puts a key that is not in it.
    #[inline]
    pub(crate) fn put_new(&mut self, tag: u32, number: u32) {
        self.find_or_put(tag, number, |_| false);
    }

    #[cold]
    fn grow(&mut self) {
        let more = match self.words.len() {
            ..WORDS_SMALL => self.used * 3,
            _ => self.used / 2,
        };
        self.make_room(more);
    }

    /// Sees to it that `more` keys fit.
    pub(crate) fn make_room(&mut self, more: usize) {
        if more < self.room {
            return;
        }
        // Never by little: the whole table is made anew.
        let count = (self.used + more).max(self.used / 2 * 3);
        let mut grown = Self::with_room(count);
        for word in self.words.iter().filter(|word| **word != 0) {
            grown.put_new((word >> 32) as u32, number_of(*word));
        }
        *self = grown;
    }

    /// The tags of the keys from number `first` to `end`, by number.
    pub(crate) fn tags(&self, first: usize, end: usize) -> Vec<u32> {
        let mut tags = vec![0; end - first];
        for word in self.words.iter().filter(|word| **word != 0) {
            let at = (number_of(*word) as usize).checked_sub(first);
            if let Some(tag) = at.and_then(|at| tags.get_mut(at)) {
                let own = (word >> 32) as u32;
                *tag = own;
            }
        }
        tags
    }

    /// For each hash the number of the first key whose tag fits, or `NONE`: a guess that the
    /// caller checks. Searches do not wait for each other, so that the processor fetches several
    /// at once.
    pub(crate) fn guess(&self, hashes: &[u64]) -> Vec<u32> {
        if self.words.is_empty() {
            return vec![NONE; hashes.len()];
        }
        let first = |hash: &u64| {
            let tag = tag_of(*hash);
            let mut at = self.start(tag);
            loop {
                let word = self.words[at];
                if word == 0 {
                    return NONE;
                }
                if is_of(word, tag) {
                    return number_of(word);
                }
                at = self.next(at);
            }
        };
        hashes.iter().map(first).collect()
    }
}

#[cfg(test)]
mod tests;
