//! `Buckets`: ranges of one width between two bounds, and which of them a number lies in. It counts
//! nothing: views and questions do, each in its own columns.
//!
//! They are numbered as PostgreSQL's `width_bucket` numbers them: 0 is everything below the lower bound,
//! the last one everything at the upper bound and above. NaN is the greatest number, as PostgreSQL
//! orders it.

/// How many buckets a histogram may have between its bounds: it keeps 8 bytes for each.
pub const BUCKETS_MAX: i64 = 1_000;

/// The buckets of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buckets {
    low: f64,
    high: f64,
    /// Between the bounds.
    count: u16,
}

impl Buckets {
    /// `None` if the bounds are not finite, the upper one is not above the lower one, they are further
    /// apart than a float tells, or the count is not from 1 to `BUCKETS_MAX`.
    #[must_use]
    pub fn new((low, high): (f64, f64), count: i64) -> Option<Self> {
        let is_range = low.is_finite() && (high - low).is_finite() && low < high;
        let count = (1..=BUCKETS_MAX).contains(&count).then_some(count);
        let count = count.and_then(|count| u16::try_from(count).ok());
        count
            .filter(|_| is_range)
            .map(|count| Self { low, high, count })
    }

    /// How many counters there are: with the two for what lies outside.
    #[must_use]
    pub fn counters(self) -> usize {
        usize::from(self.count).saturating_add(2)
    }

    /// The bounds.
    #[must_use]
    pub const fn bounds(self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The counter of a number.
    #[inline]
    #[must_use]
    pub fn of(self, value: f64) -> usize {
        let number = number(value, (self.low, self.high), u32::from(self.count));
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}

/// The number of the bucket: 0 before the first bound, `count` + 1 at the second and behind it. The
/// bounds are finite and differ; they may fall.
#[inline]
#[must_use]
pub(crate) fn number(value: f64, (low, high): (f64, f64), count: u32) -> u32 {
    let part = (value - low) / (high - low);
    if part < 0.0 {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and the count"
    )]
    match part < 1.0 {
        true => ((part * f64::from(count)).floor() as u32).saturating_add(1),
        // NaN as well.
        false => count.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_where_they_lie() {
        let buckets = Buckets::new((-10.0, 10.0), 4).unwrap();
        assert_eq!(buckets.counters(), 6);
        let found = [
            f64::NEG_INFINITY,
            -10.001,
            -10.0,
            -5.000_1,
            -5.0,
            -0.0,
            0.0,
            9.999,
            10.0,
            f64::INFINITY,
            f64::NAN,
            -f64::NAN,
        ];
        let found = found.map(|value| buckets.of(value));
        assert_eq!(found, [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn bounds_that_hold_nothing_are_none() {
        for (bounds, count) in [
            ((0.0, 0.0), 1),
            ((1.0, 0.0), 1),
            ((f64::NAN, 0.0), 1),
            ((0.0, f64::INFINITY), 1),
            ((f64::MIN, f64::MAX), 1),
            ((0.0, 1.0), 0),
            ((0.0, 1.0), -3),
            ((0.0, 1.0), BUCKETS_MAX + 1),
        ] {
            assert_eq!(Buckets::new(bounds, count), None, "{bounds:?} {count}");
        }
        assert!(Buckets::new((0.0, 1.0), BUCKETS_MAX).is_some());
    }
}
