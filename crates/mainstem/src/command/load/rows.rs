//! Where a row ends: CSV with quoted line breaks, lines, and JSON values.
//!
//! Pure: it looks at bytes and says where they are to be cut. It never checks what a row means;
//! the server does, and names what does not fit.

use memchr::{memchr, memchr2, memchr3};

use crate::args::RowFormat;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A row in these bytes; the next look begins at `to`.
    Row {
        /// Where it begins.
        from: usize,
        /// Where it ends, its line break included.
        to: usize,
    },
    /// Nothing that counts as a row, up to here.
    Blank {
        /// Where the next look begins.
        to: usize,
    },
    /// The bytes end before the row does.
    More,
}

/// Looks for the row at the beginning of `bytes`. `is_end` says that no more bytes will come.
pub(super) fn cut(format: RowFormat, bytes: &[u8], is_end: bool) -> Cut {
    if bytes.is_empty() {
        return Cut::More;
    }
    let to = match format {
        RowFormat::Csv => csv_row_end(bytes, is_end),
        RowFormat::Ndjson => memchr(b'\n', bytes).map(|at| at + 1),
        RowFormat::Json => return cut_json(bytes, is_end),
    };
    match to.or(is_end.then_some(bytes.len())) {
        Some(to) if is_blank(bytes.get(..to).unwrap_or_default()) => Cut::Blank { to },
        Some(to) => Cut::Row { from: 0, to },
        None => Cut::More,
    }
}

fn is_blank(row: &[u8]) -> bool {
    row.iter().all(u8::is_ascii_whitespace)
}

/// A quote opens a quoted field only at the field's beginning, as RFC 4180 says and as the
/// server reads it; elsewhere it is a character like others.
fn csv_row_end(bytes: &[u8], is_end: bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let found = at + memchr3(b'"', b'\n', b'\r', rest)?;
        match bytes.get(found) {
            Some(b'\n') => return Some(found + 1),
            Some(b'\r') => {
                return match bytes.get(found + 1) {
                    Some(b'\n') => Some(found + 2),
                    Some(_) => Some(found + 1),
                    None => is_end.then_some(found + 1),
                };
            }
            _ => {
                let opens = found == 0 || bytes.get(found - 1) == Some(&b',');
                at = if opens {
                    quoted_end(bytes, found + 1)?
                } else {
                    found + 1
                };
            }
        }
    }
}

/// Where a quoted field that begins at `at` has been closed; `""` in it is a quote.
fn quoted_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote + 1);
        }
        at = quote + 2;
    }
}

/// One value of an array, or of values one after the other.
fn cut_json(bytes: &[u8], is_end: bool) -> Cut {
    let skipped = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']'))
        .count();
    if skipped > 0 {
        return Cut::Blank { to: skipped };
    }
    let end = match bytes.first() {
        Some(b'{') => json_object_end(bytes),
        _ => bytes
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'{')),
    };
    match end.or(is_end.then_some(bytes.len())) {
        Some(to) => Cut::Row { from: 0, to },
        None => Cut::More,
    }
}

fn json_object_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => at = json_string_end(bytes, at + 1)?,
            _ => {}
        }
        at += 1;
    }
}

/// Index of the quote that closes a string whose content begins at `at`.
fn json_string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rows of a text, whatever the cut of its bytes.
    fn rows(format: RowFormat, text: &str) -> Vec<&str> {
        let mut rows = Vec::new();
        let mut at = 0;
        while at < text.len() {
            match cut(format, &text.as_bytes()[at..], true) {
                Cut::Row { from, to } => {
                    rows.push(text.get(at + from..at + to).unwrap());
                    at += to;
                }
                Cut::Blank { to } => at += to,
                Cut::More => panic!("no progress at {at} of {text:?}"),
            }
        }
        rows
    }

    #[test]
    fn csv_rows_end_outside_quotes_only() {
        let check =
            |text: &str, expected: &[&str]| assert_eq!(rows(RowFormat::Csv, text), expected);
        check("a,b\n1,2\n", &["a,b\n", "1,2\n"]);
        check("\"x\ny\",2\n3,4", &["\"x\ny\",2\n", "3,4"]);
        check(
            "\"say \"\"a\nb\"\"\",2\nz\n",
            &["\"say \"\"a\nb\"\"\",2\n", "z\n"],
        );
        check(
            "12\" PIZZA,1\n8\" CAKE,2\n",
            &["12\" PIZZA,1\n", "8\" CAKE,2\n"],
        );
        check("a\r\n\r\nb\rc", &["a\r\n", "b\r", "c"]);
    }

    #[test]
    fn json_values_end_at_their_own_brace() {
        let text = "[ {\"a\": \"}\\\"{\"},\n {\"b\": [1, {\"c\": 2}]} , 7 ]\n";
        let expected = ["{\"a\": \"}\\\"{\"}", "{\"b\": [1, {\"c\": 2}]}", "7"];
        assert_eq!(rows(RowFormat::Json, text), expected);
        assert_eq!(
            rows(RowFormat::Json, "{\"a\":1}{\"a\":2}\n"),
            ["{\"a\":1}", "{\"a\":2}"]
        );
    }

    #[test]
    fn blank_lines_are_no_rows() {
        assert_eq!(
            rows(RowFormat::Ndjson, "{}\n\n  \n{}\n\n"),
            ["{}\n", "{}\n"]
        );
    }

    #[test]
    fn a_row_that_is_cut_off_waits_for_more() {
        for text in ["a,\"b\n", "a,b", "a\r"] {
            assert_eq!(
                cut(RowFormat::Csv, text.as_bytes(), false),
                Cut::More,
                "{text:?}"
            );
        }
        assert_eq!(cut(RowFormat::Json, b"{\"a\": \"}", false), Cut::More);
        assert_eq!(cut(RowFormat::Ndjson, b"{\"a\": 1}", false), Cut::More);
    }
}
