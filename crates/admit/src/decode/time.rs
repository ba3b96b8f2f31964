//! Reads days and points in time from text. It never guesses a zone: without one it is UTC.
//!
//! Years run from 0001 to 9999. A fraction of a second beyond microseconds is cut off.

use mainstem_kernel::Code;

use super::wrong::{Read, Wrong};

/// 0001-01-01T00:00:00Z in microseconds since 1970.
pub(crate) const MICROS_MIN: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z in microseconds since 1970.
pub(crate) const MICROS_MAX: i64 = 253_402_300_799_999_999;
/// 0001-01-01 in days since 1970.
pub(crate) const DAYS_MIN: i32 = -719_162;
/// 9999-12-31 in days since 1970.
pub(crate) const DAYS_MAX: i32 = 2_932_896;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 86_400_000_000;

const WANT_DAY: &str = "a day such as 2026-11-21";
const WANT_TIME: &str = "a time such as 2026-11-21T10:26:32Z";

/// Reads `YYYY-MM-DD` as days since 1970.
pub(crate) fn day(text: &[u8]) -> Read<i32> {
    match text.first_chunk::<10>() {
        Some(date) if text.len() == 10 => date_of(date).ok_or_else(|| fail(text, WANT_DAY)),
        _ => Err(fail(text, WANT_DAY)),
    }
}

/// Reads a point in time as microseconds since 1970: a day, then `T` or a blank, hours and
/// minutes, seconds and their fraction if there are any, and a zone if it is not UTC.
#[inline]
pub(crate) fn micros(text: &[u8]) -> Read<i64> {
    match parse(text) {
        Some(micros) if (MICROS_MIN..=MICROS_MAX).contains(&micros) => Ok(micros),
        Some(_) => Err(out_of_range()),
        None => Err(fail(text, WANT_TIME)),
    }
}

/// A time that is outside of what is kept.
#[cold]
pub(crate) fn out_of_range() -> Box<Wrong> {
    Wrong::new(
        Code::Admit024,
        "expected a time in the years 0001 to 9999, found one outside",
    )
}

#[cold]
fn fail(text: &[u8], expected: &str) -> Box<Wrong> {
    let digits = text.iter().skip_while(|b| matches!(b, b'-' | b'+'));
    let year = digits.take_while(|b| b.is_ascii_digit()).count();
    if text.starts_with(b"0000-") || (year > 4 && text.contains(&b'-')) {
        return out_of_range();
    }
    Wrong::value(expected, &format!("\"{}\"", String::from_utf8_lossy(text)))
}

#[inline(always)]
fn parse(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let days = i64::from(date_of(date)?) * DAY;
    let Some((separator, rest)) = rest.split_first() else {
        return Some(days);
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (clock, mut rest) = rest.split_first_chunk::<5>()?;
    let hour = two(clock[0], clock[1])?;
    let minute = two(clock[3], clock[4])?;
    if clock[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut micros = days + i64::from(hour * 60 + minute) * MINUTE;
    if let Some((&[b':', tens, ones], more)) = rest.split_first_chunk::<3>() {
        let second = two(tens, ones)?;
        if second > 60 {
            return None;
        }
        micros += i64::from(second) * 1_000_000;
        rest = more;
        if let Some((b'.' | b',', digits)) = rest.split_first() {
            let (fraction, more) = fraction(digits)?;
            micros += fraction;
            rest = more;
        }
    }
    Some(micros - offset(rest)?)
}

/// A fraction of a second in microseconds, and what follows it.
#[inline(always)]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(count).filter(|_| count > 0)?;
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + digits.get(place).map_or(0, |b| i64::from(b - b'0'));
    }
    Some((micros, rest))
}

/// A zone as microseconds ahead of UTC.
#[inline(always)]
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, a, b] => (sign, two(a, b)?, 0),
        [sign, a, b, c, d] => (sign, two(a, b)?, two(c, d)?),
        [sign, a, b, b':', c, d] => (sign, two(a, b)?, two(c, d)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = i64::from(hours * 60 + minutes) * MINUTE;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

#[inline(always)]
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(u32::from(tens) * 10 + u32::from(ones))
}

/// Days since 1970 of `YYYY-MM-DD`.
///
/// Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
#[inline(always)]
fn date_of(text: &[u8; 10]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    if year == 0 || month == 0 || month > 12 || day == 0 || day > month_days(year, month) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era)
        .ok()
        .map(|days| days - 719_468)
}

#[inline(always)]
const fn month_days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}
