//! The words of a `.flow` file: times, names, the end of a statement.

use std::time::Duration;

use mainstem_kernel::Timestamp;

/// What a step begins with.
pub(super) const STEPS: [&str; 5] = ["at", "send", "write", "expect", "restart"];
pub(super) const STEPS_HINT: &str = "a line begins with case, at, send, write, expect, restart or #; \
                                     `mainstem test --help` shows a file";
pub(super) const AT_HINT: &str = "the first step of a case is its time: at 2026-01-01T10:00:00Z";
pub(super) const TIME_HINT: &str =
    "such as: at 2026-01-01T10:00:00Z; or, after the time before: at +90s (ms, s, m, h, d)";

/// The first word, and what comes after it.
pub(super) fn first(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, text.get(text.len()..).unwrap_or_default()),
    }
}

/// Whether it can name an object.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    begins && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a single word begins a question of several lines.
pub(super) fn begins_question(word: &str) -> bool {
    ["SELECT", "WITH", "VALUES"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// The code with which a write is to be refused, and the write.
pub(super) fn rejecting(text: &str) -> (Option<&str>, &str) {
    match first(text) {
        ("rejecting", more) => {
            let (code, sql) = first(more);
            (Some(code), sql)
        }
        _ => (None, text),
    }
}

fn begins_with(sql: &str, words: &[&str]) -> bool {
    let word = sql
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| !word.is_empty());
    word.is_some_and(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a statement writes rows.
pub(super) fn begins_write(sql: &str) -> bool {
    begins_with(sql, &["INSERT", "UPDATE", "DELETE", "BEGIN"])
}

/// Whether a statement has its last semicolon: after BEGIN that of COMMIT.
pub(super) fn is_whole(sql: &str) -> bool {
    let Some(sql) = sql.strip_suffix(';') else {
        return false;
    };
    let last = sql
        .rsplit(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| !word.is_empty());
    !begins_with(sql, &["BEGIN"]) || last.is_some_and(|last| last.eq_ignore_ascii_case("COMMIT"))
}

/// A time, or one after another.
pub(super) fn time(text: &str, now: Option<Timestamp>) -> Option<Timestamp> {
    match text.strip_prefix('+') {
        Some(span) => Some(now?.plus(self::span(span)?)),
        None => Timestamp::read(text),
    }
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let count: u64 = count.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(millis)?))
}

/// Whether a question ends in ORDER BY, outside of brackets, quotes and comments.
pub(super) fn is_ordered(sql: &str) -> bool {
    let mut depth = 0_u32;
    let mut outside = String::new();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let _end = chars.by_ref().find(|next| *next == c);
                outside.push('x');
            }
            '-' if chars.peek() == Some(&'-') => {
                let _end = chars.by_ref().find(|next| *next == '\n');
                outside.push(' ');
            }
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                outside.push(' ');
            }
            c if depth == 0 => outside.push(c.to_ascii_uppercase()),
            _ => {}
        }
    }
    let words: Vec<&str> = outside.split_whitespace().collect();
    words.windows(2).any(|pair| pair == ["ORDER", "BY"])
}
