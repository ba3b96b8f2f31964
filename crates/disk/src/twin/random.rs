//! Seeded randomness: the same seed gives the same power cut, on every machine and version.
//!
//! Not for secrets. Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
//! Generators", OOPSLA 2014 (splitmix64).

/// A stream of numbers that its seed determines.
#[derive(Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0. Its bias is far below what a test could see.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// How many of `count` things in a row survive: none, all, or some of them, alike often.
    pub(super) fn prefix(&mut self, count: usize) -> usize {
        match self.below(3) {
            0 => 0,
            1 => count,
            _ => self.below(count + 1),
        }
    }
}
