//! `Distinct`: about how many different values there are.
//!
//! Up to 2,048 different values their hashes are kept, and the answer is exact (but for two values
//! with one hash of 64 bits; whole numbers have none). Beyond, it is a HyperLogLog of 16,384 registers
//! of a byte: the answer is off by 0.8 % as a rule (one standard error), whatever the number. Which
//! of the two it is depends on the values alone, so merging in any order gives the same.
//!
//! A value cannot be taken back: registers do not know who set them.
//!
//! Source: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog", 2007; Ertl, "New cardinality estimation
//! algorithms for HyperLogLog sketches", 2017, section 4 ("improved raw estimation"), which needs no
//! table of biases.
//!
//! # Bytes
//!
//! ```text
//! 0 u8 | hashes u32 | per hash, rising: u64
//! 1 u8 | 16384 registers, each u8
//! ```

use std::collections::BTreeSet;

use datafusion::arrow::{array::ArrayRef, datatypes::Int64Type, error::ArrowError};

use super::{Sketch, hash::hashes, next, next_count, put_count};

/// Hashes that are kept one by one at most.
const HASHES_MAX: usize = 2_048;
/// Bits of a hash that choose a register.
const CHOOSING: u32 = 14;
const REGISTERS: usize = 1 << CHOOSING;
/// Bits of a hash of which leading zeroes are counted.
const COUNTED: u32 = 64 - CHOOSING;

/// What is kept of different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// Few: the hash of each.
    Few(BTreeSet<u64>),
    /// Many: for each register the most leading zeroes of its hashes, and one.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few(BTreeSet::new())
    }
}

fn set(registers: &mut [u8; REGISTERS], hash: u64) {
    let Ok(at) = usize::try_from(hash >> COUNTED) else {
        return;
    };
    // The bit behind ends the zeroes.
    let zeroes = (hash << CHOOSING | 1 << (CHOOSING - 1)).leading_zeros();
    let rank = u8::try_from(zeroes + 1).unwrap_or(u8::MAX);
    let register = &mut registers[at];
    *register = rank.max(*register);
}

impl Distinct {
    fn put(&mut self, hash: u64) {
        match self {
            Self::Few(hashes) => {
                hashes.insert(hash);
                if hashes.len() > HASHES_MAX {
                    self.thin();
                }
            }
            Self::Many(registers) => set(registers, hash),
        }
    }

    fn thin(&mut self) {
        let Self::Few(hashes) = self else { return };
        let mut registers = Box::new([0; REGISTERS]);
        for hash in hashes.iter() {
            set(&mut registers, *hash);
        }
        *self = Self::Many(registers);
    }
}

/// Σ over registers, corrected where they are empty or full; see the paper for sigma and tau.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "numbers of registers, and a count that is rounded"
)]
fn estimate(registers: &[u8; REGISTERS]) -> i64 {
    let mut counts = [0_u32; COUNTED as usize + 2];
    for register in registers {
        let last = counts.len() - 1;
        counts[usize::from(*register).min(last)] += 1;
    }
    let all = REGISTERS as f64;
    let [empty, between @ .., full] = &counts;
    let mut sum = all * tau(1.0 - f64::from(*full) / all);
    for count in between.iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += all * sigma(f64::from(*empty) / all);
    let alpha = 0.5 / std::f64::consts::LN_2;
    (alpha * all * all / sum).round() as i64
}

fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut sum) = (x, 1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if before.to_bits() == sum.to_bits() {
            return sum;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if before.to_bits() == sum.to_bits() {
            return sum / 3.0;
        }
    }
}

impl Sketch for Distinct {
    /// A hash.
    type Value = u64;
    type Asked = ();
    type Answer = Int64Type;

    const RETRACTS: bool = false;

    fn values(column: &ArrayRef) -> Result<Vec<u64>, ArrowError> {
        hashes(column)
    }

    fn take(&mut self, value: u64, weight: i64) {
        debug_assert!(weight > 0, "what is different is not taken back");
        self.put(value);
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::Few(hashes) => hashes.iter().for_each(|hash| self.put(*hash)),
            Self::Many(others) => {
                self.thin();
                let Self::Many(registers) = self else { return };
                for (register, other) in registers.iter_mut().zip(others.iter()) {
                    *register = (*register).max(*other);
                }
            }
        }
    }

    fn answer(&self, (): ()) -> Option<i64> {
        Some(match self {
            Self::Few(hashes) => i64::try_from(hashes.len()).unwrap_or(i64::MAX),
            Self::Many(registers) => estimate(registers),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Few(hashes) => {
                out.push(0);
                put_count(hashes.len(), out);
                for hash in hashes {
                    out.extend_from_slice(&hash.to_le_bytes());
                }
            }
            Self::Many(registers) => {
                out.push(1);
                out.extend_from_slice(registers.as_slice());
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match next::<1>(from)? {
            [0] => {
                let count = next_count(from, size_of::<u64>())?;
                let hashes = (0..count).map(|_| next(from).map(u64::from_le_bytes));
                Some(Self::Few(hashes.collect::<Option<_>>()?))
            }
            [1] => Some(Self::Many(Box::new(next(from)?))),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                // A node of a tree is full to two thirds, about.
                Self::Few(hashes) => hashes.len() * size_of::<u64>() * 3 / 2,
                Self::Many(registers) => registers.len(),
            }
    }
}
