//! Numbers and times as text, without allocation per value.

use lexical_core::FormattedSize;
use mainstem_kernel::Timestamp;

/// Integers beyond it are not exact in JavaScript.
pub(super) const EXACT_MAX: u64 = 1 << 53;

pub(super) fn write<N: lexical_core::ToLexical + FormattedSize>(out: &mut Vec<u8>, number: N) {
    let mut buffer = [0_u8; 128];
    out.extend_from_slice(lexical_core::write(number, &mut buffer));
}

/// A decimal number of that scale.
pub(super) fn decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    if value < 0 {
        out.push(b'-');
    }
    let mut buffer = [0_u8; 128];
    let digits: &[u8] = lexical_core::write(value.unsigned_abs(), &mut buffer);
    let Ok(scale) = usize::try_from(scale) else {
        // A negative scale: zeros behind.
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
        return;
    };
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    if let Some((whole, part)) = digits
        .len()
        .checked_sub(scale)
        .and_then(|at| digits.split_at_checked(at))
    {
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
        out.push(b'.');
        out.extend_from_slice(part);
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(
            b'0',
            scale.saturating_sub(digits.len()),
        ));
        out.extend_from_slice(digits);
    }
}

/// Year, month and day of a number of days since 1970-01-01.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn padded<const DIGITS: usize>(out: &mut Vec<u8>, number: i64) {
    let mut digits = [b'0'; DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add(u8::try_from(rest.rem_euclid(10)).unwrap_or(0));
        rest = rest.div_euclid(10);
    }
    out.extend_from_slice(&digits);
}

/// YYYY-MM-DD; years of more digits as they are.
pub(super) fn date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    if (0..=9_999).contains(&year) {
        padded::<4>(out, year);
    } else {
        write(out, year);
    }
    out.push(b'-');
    padded::<2>(out, month);
    out.push(b'-');
    padded::<2>(out, day);
}

/// RFC 3339 with microseconds.
pub(super) fn time(out: &mut Vec<u8>, micros: i64) {
    let time = Timestamp(micros);
    date(out, time.days());
    out.push(b'T');
    clock(out, micros.rem_euclid(86_400_000_000));
}

/// HH:MM:SS.ffffff of a day's microseconds.
pub(super) fn clock(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros.div_euclid(1_000_000);
    padded::<2>(out, seconds / 3_600);
    out.push(b':');
    padded::<2>(out, seconds / 60 % 60);
    out.push(b':');
    padded::<2>(out, seconds % 60);
    out.push(b'.');
    padded::<6>(out, micros.rem_euclid(1_000_000));
}
