//! What differs between two states of an object, in lines. Pure; columns of streams and tables are
//! matched by id.
//!
//! It never judges whether the way from one to the other is allowed: `evolution` does.

mod view;

use std::time::Duration;

use mainstem_catalog::{StreamSpec, TableSpec};
use mainstem_kernel::{Column, Columns};

use crate::words;

pub(crate) use view::{all_of_view, between_views, inputs};

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// One line per part, a sign in front.
    pub(crate) lines: Vec<String>,
    /// Whether rows are lost.
    pub(crate) destructive: bool,
}

/// All parts of a table that does not exist yet.
pub(crate) fn all_of_table(spec: &TableSpec) -> Vec<String> {
    let columns = spec.columns.0.iter();
    let mut lines: Vec<String> = columns
        .map(|column| format!("+ {}", words::column(column)))
        .collect();
    let defaults = spec.defaults.iter();
    lines.extend(defaults.map(|(name, text)| format!("+ default of {name} {text}")));
    lines.push(format!("+ key ({})", words::names(&spec.key)));
    lines.push(format!("+ ttl {}", words::retention(spec.ttl)));
    lines
}

/// What leads from one state of a table to the other; the statement's text not.
pub(crate) fn between_tables(old: &TableSpec, new: &TableSpec) -> Difference {
    let mut difference = Difference::default();
    let lines = &mut difference.lines;
    if old.name != new.name {
        lines.push(format!("~ name {} → {}", old.name, new.name));
    }
    columns(&old.columns, &new.columns, lines);
    defaults(old, new, lines);
    if old.key_ids() != new.key_ids() {
        let (from, to) = (words::names(&old.key), words::names(&new.key));
        lines.push(format!("~ key ({from}) → ({to})"));
    }
    let (from, to) = ((old.ttl, "ttl"), (new.ttl, "older rows expire"));
    difference.destructive = shorter(from, to, lines);
    difference
}

/// Defaults of columns that are there before and behind.
fn defaults(old: &TableSpec, new: &TableSpec, lines: &mut Vec<String>) {
    for column in &new.columns.0 {
        let mut before = old.columns.0.iter();
        let before = before.find(|before| before.id == column.id);
        let from = before.and_then(|before| old.defaults.get(&before.name));
        let to = new.defaults.get(&column.name);
        let kept = "rows that are there stay as they are";
        let name = &column.name;
        lines.extend(match (from, to) {
            (None, Some(to)) => Some(format!("+ default of {name} {to} ({kept})")),
            (Some(from), None) => Some(format!("- default of {name} {from} ({kept})")),
            (Some(from), Some(to)) if from != to => {
                Some(format!("~ default of {name} {from} → {to} ({kept})"))
            }
            (_, _) => None,
        });
    }
}

/// A span of keeping; whether it gets shorter, so that rows go.
fn shorter(
    (old, what): (Option<Duration>, &str),
    (new, loss): (Option<Duration>, &str),
    lines: &mut Vec<String>,
) -> bool {
    if old == new {
        return false;
    }
    let shorter = new.is_some_and(|to| old.is_none_or(|from| to < from));
    let (from, to) = (words::retention(old), words::retention(new));
    let end = if shorter {
        format!(" ({loss})")
    } else {
        String::new()
    };
    lines.push(format!("~ {what} {from} → {to}{end}"));
    shorter
}

/// All parts of a stream that does not exist yet; options only if they are not the usual ones.
pub(crate) fn all_of(spec: &StreamSpec) -> Vec<String> {
    let mut lines: Vec<String> = spec
        .columns
        .0
        .iter()
        .map(|column| format!("+ {}", words::column(column)))
        .collect();
    if spec.watermark.is_some() {
        lines.push(format!(
            "+ watermark {}",
            words::watermark(spec.watermark.as_ref())
        ));
    }
    if let Some(foreign) = &spec.foreign {
        lines.push(format!(
            "+ from topic {}, from its first record",
            foreign.topic
        ));
    }
    let by = words::partition_by(&spec.partition_by);
    lines.push(format!("+ {} partitions, {by}", spec.partitions));
    if spec.deduplicate.is_some() {
        lines.push(format!(
            "+ deduplicate {}",
            words::deduplicate(spec.deduplicate.as_ref())
        ));
    }
    lines.push(format!("+ retention {}", words::retention(spec.retention)));
    lines.push(format!(
        "+ durability {}",
        words::durability(spec.durability)
    ));
    lines.push(format!("+ event_size_max {}", spec.event_size_max));
    lines
}

/// What leads from one state to the other; the name included, the statement's text not.
pub(crate) fn between(old: &StreamSpec, new: &StreamSpec) -> Difference {
    let mut difference = Difference::default();
    let lines = &mut difference.lines;
    if old.name != new.name {
        lines.push(format!("~ name {} → {}", old.name, new.name));
    }
    columns(&old.columns, &new.columns, lines);
    if old.partitions != new.partitions {
        lines.push(format!(
            "~ partitions {} → {}",
            old.partitions, new.partitions
        ));
    }
    if old.partition_ids() != new.partition_ids() {
        let (from, to) = (&old.partition_by, &new.partition_by);
        let (from, to) = (words::partition_by(from), words::partition_by(to));
        lines.push(format!("~ {from} → {to}"));
    }
    options(old, new, lines);
    let from = (old.retention, "retention");
    let to = (new.retention, "older rows are deleted");
    difference.destructive = shorter(from, to, lines);
    difference
}

fn columns(old: &Columns, new: &Columns, lines: &mut Vec<String>) {
    let find = |columns: &Columns, id: u32| columns.0.iter().find(|c| c.id == id).cloned();
    for column in &new.0 {
        match find(old, column.id).filter(|_| column.id != 0) {
            None => lines.push(format!("+ {}", words::column(column))),
            Some(before) => lines.extend(column_between(&before, column)),
        }
    }
    for gone in old.0.iter().filter(|old| find(new, old.id).is_none()) {
        lines.push(format!(
            "- {} (hidden; rows keep their values)",
            words::column(gone)
        ));
    }
    let order = |these: &Columns, others: &Columns| -> Vec<u32> {
        let ids = these.0.iter().map(|column| column.id);
        ids.filter(|id| find(others, *id).is_some()).collect()
    };
    if order(old, new) != order(new, old) {
        let names = new.0.iter().map(|column| column.name.as_str());
        let names: Vec<&str> = names.collect();
        lines.push(format!("~ order of columns: {}", names.join(", ")));
    }
}

fn column_between(old: &Column, new: &Column) -> Vec<String> {
    let mut lines = Vec::new();
    if old.name != new.name {
        lines.push(format!("~ column {} → {}", old.name, new.name));
    }
    if old.ty != new.ty {
        lines.push(format!("~ column {} {} → {}", new.name, old.ty, new.ty));
    }
    match (old.nullable, new.nullable) {
        (false, true) => lines.push(format!("~ column {} may be NULL", new.name)),
        (true, false) => lines.push(format!("~ column {} must not be NULL", new.name)),
        (true, true) | (false, false) => {}
    }
    lines
}

fn options(old: &StreamSpec, new: &StreamSpec, lines: &mut Vec<String>) {
    // A watermark's column may only have another name.
    let time = |spec: &StreamSpec| {
        let watermark = spec.watermark.as_ref()?;
        let column = spec
            .columns
            .get(watermark.column.as_str())
            .map(|column| column.id);
        Some((column, watermark.delay, watermark.idle_timeout))
    };
    if time(old) != time(new) {
        let (from, to) = (old.watermark.as_ref(), new.watermark.as_ref());
        let (from, to) = (words::watermark(from), words::watermark(to));
        lines.push(format!("~ watermark {from} → {to}"));
    }
    let repeated = |spec: &StreamSpec| {
        let deduplicate = spec.deduplicate.as_ref()?;
        let column = spec
            .columns
            .get(deduplicate.column.as_str())
            .map(|column| column.id);
        Some((column, deduplicate.within))
    };
    if repeated(old) != repeated(new) {
        let (from, to) = (old.deduplicate.as_ref(), new.deduplicate.as_ref());
        let (from, to) = (words::deduplicate(from), words::deduplicate(to));
        lines.push(format!("~ deduplicate {from} → {to}"));
    }
    if old.foreign != new.foreign {
        let (from, to) = (words::origin(old), words::origin(new));
        lines.push(format!("~ written by {from} → {to}"));
    }
    if old.durability != new.durability {
        let (from, to) = (
            words::durability(old.durability),
            words::durability(new.durability),
        );
        lines.push(format!("~ durability {from} → {to}"));
    }
    if old.event_size_max != new.event_size_max {
        lines.push(format!(
            "~ event_size_max {} → {}",
            old.event_size_max, new.event_size_max
        ));
    }
}
