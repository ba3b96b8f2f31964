//! Exact sums of floats: terms of growing magnitude that do not overlap, and whose sum is the value.
//!
//! Sources: Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, for terms; Python's
//! `math.fsum` for rounding them once, to even where two floats are as near.

/// The sum and its rounding error, which is a float, too.
#[inline]
#[must_use]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    (sum, error)
}

/// The product and its rounding error, exact as long as neither is below the least normal float.
#[inline]
#[must_use]
pub fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// Whether it is 0 or −0.
#[inline]
#[must_use]
pub fn is_zero(value: f64) -> bool {
    value.to_bits() << 1 == 0
}

/// Adds a value to terms of growing magnitude that do not overlap. A sum beyond the range of
/// floats is kept as two terms.
pub fn grow(terms: &mut Vec<f64>, value: f64) {
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
        if !is_zero(error) {
            terms[kept] = error;
            kept += 1;
        }
        value = sum;
    }
    terms.truncate(kept);
    if !is_zero(value) {
        terms.push(value);
    }
}

/// The sum of terms, rounded to the nearest float, to even where two are as near.
#[must_use]
pub fn round(terms: &[f64]) -> f64 {
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
        if !is_zero(error) {
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
