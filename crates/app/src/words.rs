//! Small texts that plans and problems are made of. Pure.

use std::time::Duration;

use mainstem_catalog::{Deduplicate, Durability, Emit, Kind, Label, StreamSpec, Watermark};
use mainstem_kernel::{Code, Column, ColumnName, Place, Problem, StreamName};

/// A problem with its message; detail and hint are for the caller to fill in.
pub(crate) fn problem(code: Code, message: String, place: Option<&Place>) -> Problem {
    Problem {
        code,
        message,
        detail: None,
        hint: None,
        position: place.cloned(),
    }
}

/// `stream "a"`, once it is written.
pub(crate) fn label(kind: Kind, name: &StreamName) -> Label {
    Label {
        kind,
        name: name.clone(),
    }
}

/// `a, b`.
pub(crate) fn names(columns: &[ColumnName]) -> String {
    let names: Vec<&str> = columns.iter().map(ColumnName::as_str).collect();
    names.join(", ")
}

/// `column a TEXT NOT NULL`.
pub(crate) fn column(column: &Column) -> String {
    let end = if column.nullable { "" } else { " NOT NULL" };
    format!("column {} {}{end}", column.name, column.ty)
}

/// `PARTITION BY (a, b)`, or what happens without it.
pub(crate) fn partition_by(columns: &[ColumnName]) -> String {
    if columns.is_empty() {
        return "no PARTITION BY".to_owned();
    }
    format!("PARTITION BY ({})", names(columns))
}

/// `at - 10 seconds, by itself after 30 seconds`, or `none`.
pub(crate) fn watermark(watermark: Option<&Watermark>) -> String {
    match watermark {
        None => "none".to_owned(),
        Some(Watermark {
            column,
            delay,
            idle_timeout,
        }) => {
            let idle = idle_timeout.map(|idle| format!(", by itself after {}", span(idle)));
            format!("{column} - {}{}", span(*delay), idle.unwrap_or_default())
        }
    }
}

/// `2 years`, or `for ever`.
pub(crate) fn retention(retention: Option<Duration>) -> String {
    retention.map_or_else(|| "for ever".to_owned(), span)
}

/// `by message_id within 1 hour`, or `none`.
pub(crate) fn deduplicate(deduplicate: Option<&Deduplicate>) -> String {
    match deduplicate {
        None => "none".to_owned(),
        Some(Deduplicate { column, within }) => format!("by {column} within {}", span(*within)),
    }
}

/// Who writes a stream.
pub(crate) fn origin(spec: &StreamSpec) -> String {
    match &spec.foreign {
        None => "clients".to_owned(),
        Some(foreign) => format!("others into topic {}", foreign.topic),
    }
}

/// EMIT as it is written; without it, what happens then.
pub(crate) fn emit(emit: Emit) -> String {
    match emit {
        Emit::Append => "rows as they come".to_owned(),
        Emit::OnUpdate { every: None } => "EMIT ON UPDATE".to_owned(),
        Emit::OnUpdate { every: Some(every) } => format!("EMIT ON UPDATE EVERY {}", span(every)),
        Emit::OnWindowClose { corrections: None } => "EMIT ON WINDOW CLOSE".to_owned(),
        Emit::OnWindowClose {
            corrections: Some(corrections),
        } => format!(
            "EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR {}",
            span(corrections)
        ),
    }
}

/// `strict` or `relaxed`.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Strict => "strict",
        Durability::Relaxed => "relaxed",
    }
}

/// A span in the largest unit that leaves no rest.
pub(crate) fn span(span: Duration) -> String {
    const UNITS: [(&str, u128); 7] = [
        ("year", 365 * 86_400_000_000),
        ("day", 86_400_000_000),
        ("hour", 3_600_000_000),
        ("minute", 60_000_000),
        ("second", 1_000_000),
        ("millisecond", 1_000),
        ("microsecond", 1),
    ];
    let micros = span.as_micros();
    let found = UNITS
        .iter()
        .find(|(_, unit)| micros >= *unit && micros.is_multiple_of(*unit));
    match found.map(|(name, unit)| (micros / unit, name)) {
        None => "0 seconds".to_owned(),
        Some((1, name)) => format!("1 {name}"),
        Some((n, name)) => format!("{n} {name}s"),
    }
}
