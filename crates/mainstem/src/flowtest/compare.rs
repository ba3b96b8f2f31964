//! Expected rows against those that were found: what is missing, what is too many, and where a row
//! differs from the one that was meant. Decisions only.

#[cfg(test)]
mod tests;

use mainstem_kernel::Timestamp;
use serde_json::{Map, Number, Value};

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Expected, and not found.
    Missing(String),
    /// Found, and not expected.
    Surplus(String),
    /// A column of the two rows above.
    Column {
        /// Its name.
        name: String,
        /// As JSON.
        expected: String,
        /// As JSON.
        found: String,
    },
    /// So many rows are as expected.
    Equal(usize),
}

/// A row and its text.
struct Row<'a> {
    text: &'a str,
    value: Value,
}

/// How rows differ whose order counts; `None` if they do not.
pub(crate) fn ordered(expected: &[String], found: &[String]) -> Option<Vec<Difference>> {
    let (expected, found) = (rows(expected), rows(found));
    let both = expected.iter().zip(&found);
    let begin = both.take_while(|(a, b)| same(&a.value, &b.value)).count();
    if begin == expected.len() && begin == found.len() {
        return None;
    }
    let rest = expected.iter().skip(begin).rev();
    let rest = rest.zip(found.iter().skip(begin).rev());
    let end = rest.take_while(|(a, b)| same(&a.value, &b.value)).count();
    let mut missing = expected.iter().take(expected.len() - end).skip(begin);
    let mut surplus = found.iter().take(found.len() - end).skip(begin);
    let mut lines = Vec::new();
    loop {
        match (missing.next(), surplus.next()) {
            (None, None) => break,
            (Some(a), Some(b)) if same(&a.value, &b.value) => lines.push(Difference::Equal(1)),
            (a, b) => push(&mut lines, a, b),
        }
    }
    Some(with_equal(lines, begin + end))
}

/// How rows differ whose order does not count; `None` if they do not.
pub(crate) fn unordered(expected: &[String], found: &[String]) -> Option<Vec<Difference>> {
    let (expected, mut surplus) = (rows(expected), rows(found));
    let mut missing = Vec::new();
    let mut equal = 0;
    for row in expected {
        match surplus.iter().position(|b| same(&row.value, &b.value)) {
            Some(at) => {
                surplus.remove(at);
                equal += 1;
            }
            None => missing.push(row),
        }
    }
    if missing.is_empty() && surplus.is_empty() {
        return None;
    }
    let mut lines = Vec::new();
    for row in &missing {
        let meant = nearest(row, &surplus).map(|at| surplus.remove(at));
        push(&mut lines, Some(row), meant.as_ref());
    }
    for row in &surplus {
        push(&mut lines, None, Some(row));
    }
    Some(with_equal(lines, equal))
}

fn rows(texts: &[String]) -> Vec<Row<'_>> {
    let row = |text: &'_ String| serde_json::from_str(text).unwrap_or(Value::Null);
    let rows = texts.iter().map(|text| Row {
        text,
        value: row(text),
    });
    rows.collect()
}

/// The row that has the most values of another; none if it has no value of it.
fn nearest(row: &Row<'_>, others: &[Row<'_>]) -> Option<usize> {
    let equal = |other: &Row<'_>| {
        let Value::Object(columns) = &row.value else {
            return 0;
        };
        let found = columns.iter().filter(|(name, value)| {
            let other = other.value.get(name.as_str());
            other.is_some_and(|other| same(value, other))
        });
        found.count()
    };
    let others = others.iter().map(equal).enumerate();
    // Of several the first.
    let best = others.rev().max_by_key(|(_, count)| *count)?;
    (best.1 > 0).then_some(best.0)
}

fn push(lines: &mut Vec<Difference>, missing: Option<&Row<'_>>, surplus: Option<&Row<'_>>) {
    lines.extend(missing.map(|row| Difference::Missing(row.text.to_owned())));
    lines.extend(surplus.map(|row| Difference::Surplus(row.text.to_owned())));
    let (Some(missing), Some(surplus)) = (missing, surplus) else {
        return;
    };
    let (Value::Object(expected), Value::Object(found)) = (&missing.value, &surplus.value) else {
        return;
    };
    lines.extend(columns(expected, found));
}

/// The columns in which two rows differ.
fn columns(expected: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Difference> {
    let added = found.keys().filter(|name| !expected.contains_key(*name));
    let names = expected.keys().chain(added);
    let shown =
        |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let differ = names.filter_map(|name| {
        let (a, b) = (expected.get(name), found.get(name));
        let is_same = matches!((a, b), (Some(a), Some(b)) if same(a, b));
        (!is_same).then(|| Difference::Column {
            name: name.clone(),
            expected: shown(a),
            found: shown(b),
        })
    });
    differ.collect()
}

fn with_equal(lines: Vec<Difference>, equal: usize) -> Vec<Difference> {
    let is_equal = |line: &Difference| matches!(line, Difference::Equal(_));
    let between = lines.iter().filter(|line| is_equal(line)).count();
    let mut lines: Vec<_> = lines.into_iter().filter(|line| !is_equal(line)).collect();
    if equal + between > 0 {
        lines.push(Difference::Equal(equal + between));
    }
    lines
}

/// Whether two values are the same, however they are spelled.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::String(a), Value::String(b)) => a == b || is_same_moment(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let equal = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(equal)
        }
        _ => a == b,
    }
}

#[expect(
    clippy::float_cmp,
    reason = "the same rows give the same bits; 1 and 1.0 are one value"
)]
fn same_number(a: &Number, b: &Number) -> bool {
    a == b
        || match (a.is_f64() || b.is_f64(), a.as_f64(), b.as_f64()) {
            (true, Some(a), Some(b)) => a == b,
            _ => false,
        }
}

fn is_same_moment(a: &str, b: &str) -> bool {
    let moment = |text| Timestamp::read(text);
    matches!((moment(a), moment(b)), (Some(a), Some(b)) if a == b)
}
