//! `Moments`: variance and standard deviation. The sum of values and that of their squares are kept
//! exactly, so the order of values does not matter, and one that is taken back leaves no trace;
//! the variance is rounded twice: n·Σx² − (Σx)² once, and its quotient by n·(n − 1) or n² once.
//!
//! Values beyond ±2⁴⁴⁰ (about 10¹³²), infinities and NaN are counted apart: while one is there, the
//! answer is NaN.
//!
//! # Bytes
//!
//! ```text
//! count i64 | odd i64 | twice: high f64, low f64, terms u32, per term: f64
//! ```

use datafusion::arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{DataType, Float64Type},
    error::ArrowError,
};

use super::{
    Sketch,
    expansion::{grow, is_zero, round, two_product, two_sum},
    next, next_count, put_count,
};

/// The least magnitude of which squares, 2⁶³ times, and that 2⁶³ times, may leave the range of floats.
const LIMIT: f64 = 2.839_213_766_779_714_4e132;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The variance of a sample; none of less than two values.
    VarSamp,
    /// The variance of all.
    VarPop,
    /// Its root.
    StddevSamp,
    /// Its root.
    StddevPop,
}

/// What is kept for a variance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many values that are not odd.
    count: i64,
    /// How many that have no square here.
    odd: i64,
    sum: Total,
    squares: Total,
}

/// An exact sum: two floats, and rarely more.
#[derive(Clone, Debug, Default, PartialEq)]
struct Total {
    high: f64,
    low: f64,
    rest: Vec<f64>,
}

impl Total {
    #[inline]
    fn add(&mut self, value: f64) {
        let (high, error) = two_sum(self.high, value);
        let (low, rest) = two_sum(self.low, error);
        self.high = high;
        self.low = low;
        if !is_zero(rest) {
            grow(&mut self.rest, rest);
        }
    }

    /// All of it as terms that do not overlap.
    fn terms(&self) -> Vec<f64> {
        let mut terms = self.rest.clone();
        grow(&mut terms, self.low);
        grow(&mut terms, self.high);
        terms
    }

    fn merge(&mut self, other: &Self) {
        for term in other.rest.iter().chain([&other.low, &other.high]) {
            self.add(*term);
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for value in [self.high, self.low] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        put_count(self.rest.len(), out);
        for term in &self.rest {
            out.extend_from_slice(&term.to_le_bytes());
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (high, low) = (next(from)?, next(from)?);
        let count = next_count(from, size_of::<f64>())?;
        let rest = (0..count).map(|_| next(from).map(f64::from_le_bytes));
        Some(Self {
            high: f64::from_le_bytes(high),
            low: f64::from_le_bytes(low),
            rest: rest.collect::<Option<_>>()?,
        })
    }
}

impl Moments {
    /// n·Σx² − (Σx)², rounded once.
    fn spread(&self) -> f64 {
        let mut terms = Vec::new();
        let mut add = |a: f64, b: f64| {
            let (product, error) = two_product(a, b);
            grow(&mut terms, error);
            grow(&mut terms, product);
        };
        let count = float_of(self.count);
        for term in self.squares.terms() {
            add(count, term);
        }
        let sum = self.sum.terms();
        for (at, term) in sum.iter().enumerate() {
            add(-term, *term);
            for other in sum.iter().take(at) {
                add(-2.0 * term, *other);
            }
        }
        // Squares of values below 2⁻⁵¹¹ are rounded, which may leave less than nothing.
        round(&terms).max(0.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float_of(count: i64) -> f64 {
    count as f64
}

impl Sketch for Moments {
    type Value = f64;
    type Asked = Moment;
    type Answer = Float64Type;

    const RETRACTS: bool = true;

    fn values(column: &ArrayRef) -> Result<Vec<f64>, ArrowError> {
        floats(column)
    }

    #[inline]
    fn take(&mut self, value: f64, weight: i64) {
        // NaN is no number that is less.
        if value.abs() < LIMIT {
            self.count += weight;
            let (square, error) = two_product(value, value);
            let sign = if weight < 0 { -1.0 } else { 1.0 };
            for _ in 0..weight.unsigned_abs() {
                self.sum.add(sign * value);
                self.squares.add(sign * square);
                self.squares.add(sign * error);
            }
        } else {
            self.odd += weight;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.odd += other.odd;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    fn answer(&self, asked: Moment) -> Option<f64> {
        let all = self.count + self.odd;
        let is_sample = matches!(asked, Moment::VarSamp | Moment::StddevSamp);
        let less = i64::from(is_sample);
        if all <= less {
            return None;
        }
        if self.odd != 0 {
            return Some(f64::NAN);
        }
        let variance = self.spread() / (float_of(all) * float_of(all - less));
        Some(match asked {
            Moment::VarSamp | Moment::VarPop => variance,
            Moment::StddevSamp | Moment::StddevPop => variance.sqrt(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for count in [self.count, self.odd] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        self.sum.write(out);
        self.squares.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            count: i64::from_le_bytes(next(from)?),
            odd: i64::from_le_bytes(next(from)?),
            sum: Total::read(from)?,
            squares: Total::read(from)?,
        })
    }

    fn size(&self) -> usize {
        let terms = self.sum.rest.capacity() + self.squares.rest.capacity();
        size_of::<Self>() + terms * size_of::<f64>()
    }
}

/// The values of a column of floats.
pub(super) fn floats(column: &ArrayRef) -> Result<Vec<f64>, ArrowError> {
    let column = datafusion::arrow::compute::cast(column, &DataType::Float64)?;
    Ok(column.as_primitive::<Float64Type>().values().to_vec())
}
