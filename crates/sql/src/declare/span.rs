//! Spans of time and sizes as SQL texts, read and written without loss.
//!
//! A month has 30 days here and a year 365: a span is a length, not a step in a calendar.

use std::time::Duration;

/// Units by their names, in microseconds.
const UNITS: [(&[&str], u64); 9] = [
    (&["microsecond", "microseconds", "us", "µs"], 1),
    (&["millisecond", "milliseconds", "ms", "msec"], 1_000),
    (&["second", "seconds", "s", "sec", "secs"], 1_000_000),
    (&["minute", "minutes", "min", "mins"], 60_000_000),
    (&["hour", "hours", "h", "hr", "hrs"], 3_600_000_000),
    (&["day", "days", "d"], 86_400_000_000),
    (&["week", "weeks", "w"], 7 * 86_400_000_000),
    (&["month", "months", "mon", "mons"], 30 * 86_400_000_000),
    (&["year", "years", "y", "yr", "yrs"], 365 * 86_400_000_000),
];

/// Microseconds of a unit.
pub(crate) fn unit(name: &str) -> Option<u64> {
    let name = name.to_lowercase();
    UNITS
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()))
        .map(|(_, micros)| *micros)
}

/// Reads `10 seconds`, `1 day 12 hours`, `1.5 hours`, `90s`; `None` if it is no span, is
/// negative or is longer than 292,000 years.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut micros = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (name, after) = after.split_at_checked(letters)?;
        micros = micros.checked_add(scaled(number, unit(name)?)?)?;
        rest = after.trim_start();
    }
    Some(Duration::from_micros(micros)).filter(|_| i64::try_from(micros).is_ok())
}

/// A decimal number of a unit in microseconds, if it is a whole number of them.
pub(crate) fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.contains('.') || (number.ends_with('.')) || part.len() > 12 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut ten = 1_u128;
    let mut digits = 0_u128;
    for digit in part.chars() {
        ten = ten.checked_mul(10)?;
        digits = digits
            .checked_mul(10)?
            .checked_add(u128::from(digit.to_digit(10)?))?;
    }
    let micros = digits.checked_mul(u128::from(unit))?;
    if micros.checked_rem(ten)? != 0 {
        return None;
    }
    whole.checked_add(u64::try_from(micros.checked_div(ten)?).ok()?)
}

/// Writes a span in the largest unit that leaves no rest; what is below a microsecond is cut.
pub(crate) fn write(span: Duration) -> String {
    const NAMES: [(&str, u128); 7] = [
        ("year", 365 * 86_400_000_000),
        ("day", 86_400_000_000),
        ("hour", 3_600_000_000),
        ("minute", 60_000_000),
        ("second", 1_000_000),
        ("millisecond", 1_000),
        ("microsecond", 1),
    ];
    let micros = span.as_micros();
    let found = NAMES
        .iter()
        .find(|(_, unit)| micros >= *unit && micros.is_multiple_of(*unit));
    match found.map(|(name, unit)| (micros / unit, name)) {
        None => "0 seconds".to_owned(),
        Some((1, name)) => format!("1 {name}"),
        Some((n, name)) => format!("{n} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, micros: Option<u64>) {
        assert_eq!(read(text), micros.map(Duration::from_micros), "{text}");
    }

    #[test]
    fn reads_what_people_write() {
        check("10 seconds", Some(10_000_000));
        check("1 day 12 hours", Some(36 * 3_600_000_000));
        check("1.5 Hours", Some(5_400_000_000));
        check("90s", Some(90_000_000));
        check("2 years", Some(730 * 86_400_000_000));
        check("0 seconds", Some(0));
    }

    #[test]
    fn refuses_what_is_no_span() {
        for text in [
            "",
            " ",
            "10",
            "ten seconds",
            "-1 day",
            "1 fortnight",
            "1. day",
            "1..5 days",
        ] {
            check(text, None);
        }
        check("1.5 microseconds", None);
        check("999999999999 years", None);
    }

    #[test]
    fn writes_what_it_reads() {
        for micros in [
            0,
            1,
            1_500,
            60_000_000,
            3_600_000_000,
            86_400_000_001,
            730 * 86_400_000_000,
        ] {
            check(&write(Duration::from_micros(micros)), Some(micros));
        }
    }
}
