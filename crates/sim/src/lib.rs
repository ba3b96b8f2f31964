//! Seeded simulation: our own code under a simulated clock, disk and schedule; the simulations
//! themselves are in `tests/sim`, and this library holds the one source of their randomness.

/// A stream of random numbers that is the same for the same seed, everywhere.
/// Source: Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[must_use]
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    #[must_use]
    pub const fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}
