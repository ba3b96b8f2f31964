//! `Number`: a number as it is written, and its exact value in each type. It never rounds what
//! was not a float.

use super::{
    scan::Scan,
    wrong::{Read, Wrong},
};

/// A decimal number: `±mantissa × 10^exponent`, exactly, if `is_small`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    /// As written.
    pub(crate) text: &'a [u8],
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// Whether all digits are in `mantissa`.
    is_small: bool,
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Digits that fit 64 bits whatever they are.
const SMALL_DIGITS_MAX: usize = 19;

/// Exponents are clamped here; nothing beyond has a value in any type.
const EXPONENT_MAX: i32 = 100_000;

impl<'a> Number<'a> {
    /// Reads a number as JSON writes it. Inlined, so that it stays in registers.
    #[inline(always)]
    pub(crate) fn read(scan: &mut Scan<'a>) -> Read<Self> {
        let start = scan.pos();
        let negative = scan.eat(b"-");
        let first = scan.pos();
        let mut mantissa = 0;
        digits(scan, &mut mantissa);
        let whole = scan.pos() - first;
        if whole == 0 || (whole > 1 && scan.since(first).first() == Some(&b'0')) {
            return Err(scan.wrong("a number"));
        }
        let mut fraction = 0;
        if scan.peek() == b'.' {
            scan.skip(1);
            let first = scan.pos();
            digits(scan, &mut mantissa);
            fraction = scan.pos() - first;
            if fraction == 0 {
                return Err(scan.wrong("a digit"));
            }
        }
        let mut exponent = 0;
        if matches!(scan.peek(), b'e' | b'E') {
            exponent = read_exponent(scan)?;
        }
        Ok(Self {
            text: scan.since(start),
            negative,
            mantissa,
            exponent: exponent - i32::try_from(fraction).unwrap_or(EXPONENT_MAX),
            is_small: whole + fraction <= SMALL_DIGITS_MAX,
        })
    }

    /// Reads a number that is all of a text, as CSV and JSON strings hold it: a leading plus,
    /// leading zeros and a bare point are fine.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut scan = Scan::new(text, 0);
        let negative = scan.eat(b"-");
        if !negative {
            scan.eat(b"+");
        }
        let first = scan.pos();
        let mut mantissa = 0;
        digits(&mut scan, &mut mantissa);
        let whole = scan.pos() - first;
        let mut fraction = 0;
        if scan.eat(b".") {
            let first = scan.pos();
            digits(&mut scan, &mut mantissa);
            fraction = scan.pos() - first;
        }
        let mut exponent = 0;
        if matches!(scan.peek(), b'e' | b'E') {
            exponent = read_exponent(&mut scan).ok()?;
        }
        (scan.is_end() && whole + fraction > 0).then_some(Self {
            text,
            negative,
            mantissa,
            exponent: exponent - i32::try_from(fraction).unwrap_or(EXPONENT_MAX),
            is_small: whole + fraction <= SMALL_DIGITS_MAX,
        })
    }

    /// The exact value as an integer, if it is one of 64 bits.
    #[inline(always)]
    pub(crate) fn to_i64(self) -> Option<i64> {
        if self.exponent == 0 && self.is_small {
            return if self.negative {
                0_i64.checked_sub_unsigned(self.mantissa)
            } else {
                i64::try_from(self.mantissa).ok()
            };
        }
        i64::try_from(self.to_scaled(0)?).ok()
    }

    /// The exact value × 10^scale as an integer, if it is one of 128 bits.
    pub(crate) fn to_scaled(self, scale: i32) -> Option<i128> {
        let mantissa = if self.is_small {
            i128::from(self.mantissa)
        } else {
            self.long()?
        };
        let signed = if self.negative { -mantissa } else { mantissa };
        if signed == 0 {
            return Some(0);
        }
        let shift = self.exponent + scale;
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        if shift >= 0 {
            return signed.checked_mul(power?);
        }
        let power = power?;
        (signed % power == 0).then_some(signed / power)
    }

    /// All digits, if they fit; trailing zeros of a long fraction included.
    #[cold]
    fn long(self) -> Option<i128> {
        let end = self.text.iter().position(|b| matches!(b, b'e' | b'E'));
        let digits = self.text.get(..end.unwrap_or(self.text.len()))?;
        digits
            .iter()
            .filter(|b| b.is_ascii_digit())
            .try_fold(0_i128, |sum, b| {
                sum.checked_mul(10)?.checked_add(i128::from(b - b'0'))
            })
    }

    /// The nearest double, if it is finite.
    ///
    /// Source: Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990: a mantissa
    /// and a power of ten that are both exact round once.
    #[inline(always)]
    pub(crate) fn to_f64(self) -> Option<f64> {
        let power = POWERS.get(self.exponent.unsigned_abs() as usize);
        if let Some(power) = power
            && self.is_small
            && self.mantissa <= 1 << 53
        {
            #[expect(clippy::cast_precision_loss, reason = "at most 2^53: exact")]
            let mantissa = self.mantissa as f64;
            let value = if self.exponent < 0 {
                mantissa / power
            } else {
                mantissa * power
            };
            return Some(if self.negative { -value } else { value });
        }
        self.parsed()
    }

    /// The nearest float, if it is finite.
    pub(crate) fn to_f32(self) -> Option<f32> {
        let value: f32 = std::str::from_utf8(self.text).ok()?.parse().ok()?;
        value.is_finite().then_some(value)
    }

    #[cold]
    fn parsed(self) -> Option<f64> {
        let value: f64 = std::str::from_utf8(self.text).ok()?.parse().ok()?;
        value.is_finite().then_some(value)
    }
}

/// Skips digits and adds them to `mantissa`, which wraps when there are too many.
#[inline(always)]
fn digits(scan: &mut Scan<'_>, mantissa: &mut u64) {
    loop {
        let digit = scan.peek().wrapping_sub(b'0');
        if digit > 9 {
            return;
        }
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        scan.skip(1);
    }
}

fn read_exponent(scan: &mut Scan<'_>) -> Result<i32, Box<Wrong>> {
    scan.skip(1);
    let negative = scan.eat(b"-");
    if !negative {
        scan.eat(b"+");
    }
    let first = scan.pos();
    let mut exponent = 0_i32;
    loop {
        let digit = scan.peek().wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        exponent = (exponent * 10 + i32::from(digit)).min(EXPONENT_MAX);
        scan.skip(1);
    }
    if scan.pos() == first {
        return Err(scan.wrong("a digit"));
    }
    Ok(if negative { -exponent } else { exponent })
}
