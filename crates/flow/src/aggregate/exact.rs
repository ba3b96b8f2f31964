//! `Exact`: the exact sum of floats. The order of values does not matter, and a value that is
//! taken back leaves no trace.
//!
//! A sum is `high + low` and, rarely, more terms: adding a value yields the rounded sum and the
//! rounding error, which is a float too and goes to the next term. Only the answer is rounded.
//! Infinities and NaN are counted apart.
//!
//! Sources: Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, for the sums;
//! Python's `math.fsum` for rounding several terms correctly.

use super::{Cursor, Damaged, bytes::put_count};

/// The sum and its rounding error.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    (sum, error)
}

/// What does not fit two floats.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rest {
    /// Terms of growing magnitude that do not overlap.
    terms: Vec<f64>,
    /// How many infinities of either sign, and how many NaN.
    positive: i64,
    negative: i64,
    nan: i64,
}

/// A sum as `high + low`, with the rest beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Exact {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Exact {
    /// Adds a finite value; gives what did not fit, or 0.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) -> f64 {
        let (high, error) = two_sum(self.high, value);
        let (low, rest) = two_sum(self.low, error);
        self.high = high;
        self.low = low;
        rest
    }

    /// Whether adding a value stays finite.
    #[inline]
    pub(crate) fn takes(&self, value: f64) -> bool {
        (self.high + value).is_finite()
    }

    /// The sum, rounded once.
    pub(crate) fn value(&self, rest: Option<&Rest>) -> f64 {
        match rest {
            None => self.high + self.low,
            Some(rest) => rest.value(*self),
        }
    }
}

impl Rest {
    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty() && (self.positive, self.negative, self.nan) == (0, 0, 0)
    }

    /// Adds a value of any kind, `weight` times.
    pub(crate) fn add(&mut self, value: f64, weight: i64) {
        if value.is_nan() {
            self.nan += weight;
        } else if value.is_infinite() {
            let count = if value > 0.0 {
                &mut self.positive
            } else {
                &mut self.negative
            };
            *count += weight;
        } else {
            for _ in 0..weight.unsigned_abs() {
                grow(&mut self.terms, if weight < 0 { -value } else { value });
            }
        }
    }

    /// Adds all of another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        for term in &other.terms {
            grow(&mut self.terms, *term);
        }
        self.positive += other.positive;
        self.negative += other.negative;
        self.nan += other.nan;
    }

    fn value(&self, Exact { high, low }: Exact) -> f64 {
        if self.nan > 0 || (self.positive > 0 && self.negative > 0) {
            return f64::NAN;
        }
        if self.positive > 0 {
            return f64::INFINITY;
        }
        if self.negative > 0 {
            return f64::NEG_INFINITY;
        }
        let mut terms = self.terms.clone();
        grow(&mut terms, low);
        grow(&mut terms, high);
        round(&terms)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for count in [self.positive, self.negative, self.nan] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        put_count(self.terms.len(), out);
        for term in &self.terms {
            out.extend_from_slice(&term.to_le_bytes());
        }
    }

    pub(crate) fn read(from: &mut Cursor<'_>) -> Result<Self, Damaged> {
        let (positive, negative, nan) = (from.i64()?, from.i64()?, from.i64()?);
        let count = from.count()?;
        let terms = (0..count).map(|_| from.f64()).collect::<Result<_, _>>()?;
        Ok(Self {
            terms,
            positive,
            negative,
            nan,
        })
    }

    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.terms.capacity() * size_of::<f64>()
    }
}

/// Adds a value to terms of growing magnitude that do not overlap. A sum beyond the range of
/// floats is kept as two terms.
fn grow(terms: &mut Vec<f64>, value: f64) {
    let mut value = value;
    let mut kept = 0;
    for at in 0..terms.len() {
        let term = terms[at];
        let (sum, error) = two_sum(value, term);
        if !sum.is_finite() {
            terms[kept] = term;
            kept += 1;
            continue;
        }
        if error.to_bits() << 1 != 0 {
            terms[kept] = error;
            kept += 1;
        }
        value = sum;
    }
    terms.truncate(kept);
    if value.to_bits() << 1 != 0 {
        terms.push(value);
    }
}

/// The sum of terms, rounded to the nearest float, to even where two are as near.
fn round(terms: &[f64]) -> f64 {
    let mut rest = terms.iter().rev().copied();
    let Some(mut sum) = rest.next() else {
        return 0.0;
    };
    let mut error = 0.0_f64;
    for term in rest.by_ref() {
        let (next, left) = two_sum(sum, term);
        if !next.is_finite() {
            return next;
        }
        sum = next;
        error = left;
        if error.to_bits() << 1 != 0 {
            break;
        }
    }
    // Half a unit is not half a unit if something of its sign follows.
    let Some(next) = rest.next() else { return sum };
    if (error < 0.0 && next < 0.0) || (error > 0.0 && next > 0.0) {
        let twice = error * 2.0;
        let other = sum + twice;
        if (other - sum).to_bits() == twice.to_bits() {
            return other;
        }
    }
    sum
}

#[cfg(test)]
mod tests;
