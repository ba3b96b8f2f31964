//! Numbers and texts as JSON, quickly: no allocation, no floating point.

/// A whole number.
pub(super) fn number(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// `value` with its last `decimals` digits behind the point.
pub(super) fn fixed(out: &mut Vec<u8>, value: i64, decimals: u32) {
    let one = 10_i64.pow(decimals);
    if value < 0 {
        out.push(b'-');
    }
    let value = value.saturating_abs();
    number(out, value / one);
    out.push(b'.');
    let mut rest = value % one;
    let mut unit = one / 10;
    while unit > 0 {
        out.push(b'0' + u8::try_from(rest / unit).unwrap_or(0));
        rest %= unit;
        unit /= 10;
    }
}

/// `,"name":"value"`; neither holds anything that JSON would escape.
pub(super) fn quoted(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [",\"", name, "\":\"", value, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        let check = |value, decimals, expected: &str| {
            let mut out = Vec::new();
            match decimals {
                0 => number(&mut out, value),
                _ => fixed(&mut out, value, decimals),
            }
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0, 0, "0");
        check(-120, 0, "-120");
        check(i64::MAX, 0, "9223372036854775807");
        check(5, 2, "0.05");
        check(-298_000, 5, "-2.98000");
        check(1_234, 1, "123.4");
    }
}
