use super::*;

/// xorshift: the seed is all that a failure needs.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A float of any magnitude between 2^-60 and 2^60, of either sign.
    fn float(&mut self) -> f64 {
        let exponent = i32::try_from(self.number() % 120).unwrap() - 60;
        let mantissa = f64::from(u32::try_from(self.number() >> 32).unwrap()) + 1.0;
        let sign = if self.number() & 1 == 0 { 1.0 } else { -1.0 };
        sign * mantissa * 2_f64.powi(exponent - 32)
    }
}

fn sum(values: impl IntoIterator<Item = f64>) -> (Exact, Rest) {
    let (mut sum, mut rest) = (Exact::default(), Rest::default());
    for value in values {
        if !value.is_finite() || !sum.takes(value) {
            rest.add(value, 1);
            continue;
        }
        let left = sum.add(value);
        rest.add(left, 1);
    }
    (sum, rest)
}

fn rounded(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, rest) = sum(values);
    sum.value(Some(&rest).filter(|rest| !rest.is_empty()))
}

#[test]
fn order_does_not_matter_and_what_is_taken_back_is_gone() {
    let mut random = Random(42);
    for _ in 0..200 {
        let mut values: Vec<f64> = (0..60).map(|_| random.float()).collect();
        let forward = rounded(values.iter().copied());
        values.reverse();
        let backward = rounded(values.iter().copied());
        assert_eq!(forward.to_bits(), backward.to_bits(), "{values:?}");
        let noise: Vec<f64> = (0..30).map(|_| random.float()).collect();
        let added = values.iter().chain(&noise).copied();
        let with_noise = added.chain(noise.iter().map(|value| -value));
        assert_eq!(rounded(with_noise).to_bits(), forward.to_bits());
    }
}

#[test]
fn sums_are_the_nearest_float_of_the_true_sum() {
    // As integers of 2^-40: the true sum fits 128 bits.
    let mut random = Random(7);
    for _ in 0..200 {
        let parts: Vec<i64> = (0..50)
            .map(|_| (random.number() >> (random.number() % 40)).cast_signed() >> 12)
            .collect();
        let scale = 2_f64.powi(-40);
        #[expect(clippy::cast_precision_loss, reason = "52 bits are exact")]
        let values = parts.iter().map(|part| *part as f64 * scale);
        let truth: i128 = parts.iter().map(|part| i128::from(*part)).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest float is what is meant"
        )]
        let truth = truth as f64 * scale;
        assert_eq!(rounded(values).to_bits(), truth.to_bits());
    }
    assert_eq!(
        rounded([1e16, 1.0, 1e-16]).to_bits(),
        10_000_000_000_000_002_f64.to_bits()
    );
    assert_eq!(rounded([1e100, 1.0, -1e100]).to_bits(), 1_f64.to_bits());
}

#[test]
fn merging_is_adding() {
    let mut random = Random(3);
    for _ in 0..100 {
        let values: Vec<f64> = (0..40).map(|_| random.float()).collect();
        let (mut left, mut left_rest) = sum(values[..17].iter().copied());
        let (right, right_rest) = sum(values[17..].iter().copied());
        for term in [right.high, right.low] {
            let rest = left.add(term);
            left_rest.add(rest, 1);
        }
        left_rest.merge(&right_rest);
        assert_eq!(
            left.value(Some(&left_rest)).to_bits(),
            rounded(values).to_bits()
        );
    }
}

#[test]
fn infinities_and_nan_can_be_taken_back() {
    let mut rest = Rest::default();
    rest.add(f64::INFINITY, 1);
    assert!(rest.value(Exact::default()) > f64::MAX);
    rest.add(f64::NEG_INFINITY, 1);
    assert!(rest.value(Exact::default()).is_nan());
    rest.add(f64::INFINITY, -1);
    assert!(rest.value(Exact::default()) < f64::MIN);
    rest.add(f64::NEG_INFINITY, -1);
    rest.add(f64::NAN, 1);
    assert!(rest.value(Exact::default()).is_nan());
    rest.add(f64::NAN, -1);
    assert!(rest.is_empty());
}

#[test]
fn sums_beyond_the_range_come_back_into_it() {
    let big = f64::MAX;
    assert_eq!(rounded([big, big, -big]).to_bits(), big.to_bits());
    assert_eq!(rounded([big, -big, big]).to_bits(), big.to_bits());
    assert!(rounded([big, big]) > f64::MAX);
    assert_eq!(
        rounded([big, big, -big, -big, 1.0]).to_bits(),
        1_f64.to_bits()
    );
}

#[test]
fn what_is_written_is_read_back() {
    let mut random = Random(9);
    let (_, mut rest) = sum((0..40).map(|_| random.float()));
    rest.add(f64::INFINITY, 3);
    let mut bytes = Vec::new();
    rest.write(&mut bytes);
    let mut from = Cursor(&bytes);
    assert_eq!(Rest::read(&mut from), Ok(rest));
    assert!(from.is_empty());
    for length in 0..bytes.len() {
        assert_eq!(Rest::read(&mut Cursor(&bytes[..length])), Err(Damaged));
    }
}
