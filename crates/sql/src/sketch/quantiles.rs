//! `Quantiles`: how many values there are near each number, for percentiles.
//!
//! A value is cut to its first 9 binary digits: so it moves towards zero by less than one part in
//! 256 (0.4 %), and whole numbers up to 512 do not move at all. Equal ones are counted. A percentile
//! of what is counted is exact, so an answer is that of the values themselves, moved by as
//! much at most. There are at most 256 counters per power of two that values lie between.
//!
//! Unlike t-digests, which are smaller, it does not depend on the order of values, merging loses
//! nothing, and values can be taken back. Source of counting in buckets whose width is relative:
//! Masson, Rim and Lee, "DDSketch", VLDB 2019; binary digits in place of its logarithms as in
//! HdrHistogram.
//!
//! NaN is the greatest number, as PostgreSQL has it, and −0 is 0.
//!
//! # Bytes
//!
//! ```text
//! counters u32 | per counter, in the order of numbers: number u32, count i64
//! ```

use std::collections::BTreeMap;

use datafusion::arrow::{array::ArrayRef, datatypes::Float64Type, error::ArrowError};

use super::{Sketch, moments::floats, next, next_count, put_count};

/// Bits of a float that are cut off.
const CUT: u32 = 44;
/// Bits that are left: sign, exponent, and 8 digits behind the first.
const LEFT: u32 = 64 - CUT;
const SIGN: u32 = 1 << (LEFT - 1);

/// Which part of all values is to lie below: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part(f64);

impl Part {
    /// `None` if it is not from 0 to 1.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self(part))
    }
}

/// Counts of values that were cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    counts: BTreeMap<u32, i64>,
}

/// The number of a counter: ordered as values are.
#[inline]
fn number(value: f64) -> u32 {
    let bits = if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // −0 + 0 is +0, and nothing else changes.
        (value + 0.0).to_bits()
    };
    let Ok(cut) = u32::try_from(bits >> CUT) else {
        return 0;
    };
    match cut & SIGN {
        0 => cut | SIGN,
        _ => !cut & (SIGN - 1),
    }
}

/// The value of a counter.
fn value(number: u32) -> f64 {
    let cut = match number & SIGN {
        0 => !number & (SIGN - 1) | SIGN,
        _ => number & (SIGN - 1),
    };
    f64::from_bits(u64::from(cut) << CUT)
}

impl Quantiles {
    fn count_in(&mut self, number: u32, weight: i64) {
        let count = self.counts.entry(number).or_default();
        *count += weight;
        if *count == 0 {
            self.counts.remove(&number);
        }
    }

    /// Counters of values that are there: a value may be taken back before it came.
    fn there(&self) -> impl Iterator<Item = (u32, i64)> {
        let counts = self.counts.iter().filter(|(_, count)| **count > 0);
        counts.map(|(number, count)| (*number, *count))
    }
}

impl Sketch for Quantiles {
    type Value = f64;
    type Asked = Part;
    type Answer = Float64Type;

    const RETRACTS: bool = true;

    fn values(column: &ArrayRef) -> Result<Vec<f64>, ArrowError> {
        floats(column)
    }

    #[inline]
    fn take(&mut self, value: f64, weight: i64) {
        self.count_in(number(value), weight);
    }

    fn merge(&mut self, other: &Self) {
        for (number, weight) in &other.counts {
            self.count_in(*number, *weight);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "counts are far below 2^53, and the rank is not above them"
    )]
    fn answer(&self, Part(part): Part) -> Option<f64> {
        let all: i64 = self.there().map(|(_, count)| count).sum();
        let last = all.checked_sub(1).filter(|last| *last >= 0)?;
        let rank = part * last as f64;
        let lower = rank.floor() as i64;
        let mut below = 0;
        let mut there = self.there();
        let at = there.find(|(_, count)| {
            below += count;
            below > lower
        })?;
        let from = value(at.0);
        // The next value is the same one, or the next counter's.
        let next = match below > lower + 1 {
            true => None,
            false => there.next(),
        };
        let to = next.map_or(from, |(number, _)| value(number));
        let between = rank - lower as f64;
        // Between infinities there is nothing.
        match to.to_bits() == from.to_bits() || between <= 0.0 {
            true => Some(from),
            false => Some(from + (to - from) * between),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_count(self.counts.len(), out);
        for (number, count) in &self.counts {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let count = next_count(from, size_of::<u32>() + size_of::<i64>())?;
        let counts = (0..count).map(|_| {
            let number = u32::from_le_bytes(next(from)?);
            Some((number, i64::from_le_bytes(next(from)?)))
        });
        Some(Self {
            counts: counts.collect::<Option<_>>()?,
        })
    }

    fn size(&self) -> usize {
        // A node of a tree is full to two thirds, about.
        size_of::<Self>() + self.counts.len() * (size_of::<(u32, i64)>() * 3 / 2)
    }
}
