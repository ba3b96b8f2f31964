//! `Exact`: the exact sum of floats. The order of values does not matter, and a value that is
//! taken back leaves no trace.
//!
//! A sum is `high + low` and, rarely, more terms: adding a value yields the rounded sum and the
//! rounding error, which is a float too and goes to the next term. Only the answer is rounded.
//! Infinities and NaN are counted apart. The arithmetic of terms is that of sketches.

use mainstem_sql::sketch::expansion::{grow, round, two_sum};

use super::{Cursor, Damaged, bytes::put_count};

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

#[cfg(test)]
mod tests;
