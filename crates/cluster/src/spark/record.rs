//! Records of topics as rows in Spark SQL, and rows as records. Pure.
//!
//! # What Spark reads
//!
//! A stream's topic, what a worker made of it, or a view that is a stream: a JSON object per
//! record. Columns that a version of the stream called otherwise are found under the name of then
//! (header `mainstem-schema`). A record that is no JSON object, or whose value is not of its
//! column's type, stops the query by name: nothing is read as NULL that is something else. A value of a
//! JSON column that Spark 3.5 would spell otherwise is taken from the header `mainstem-json`; of
//! records that others wrote, and of JSON within arrays and rows, it keeps what it reads: numbers
//! as DOUBLE, and a text without its quotes.
//!
//! # What Spark writes into change topics
//!
//! The key is a JSON object of the columns that tell rows apart, in the order of `Lowered::key`;
//! compaction keeps the last record of each. The value is a JSON object of all columns, hidden ones
//! too, NULL written out:
//!
//! | column | JSON |
//! |---|---|
//! | BOOLEAN | `true`, `false` |
//! | SMALLINT, INTEGER, BIGINT, NUMERIC | a number with all its digits |
//! | REAL, DOUBLE PRECISION | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | TEXT, UUID, JSON | text: JSON in quotes, since Spark does not know it from TEXT |
//! | BYTEA | text, base64 |
//! | DATE | `"2026-11-22"` |
//! | TIMESTAMPTZ | `"2026-11-22T02:10:21.123456Z"` |
//! | T\[\], ROW(…) | an array, an object, of these |
//!
//! `_generation` is there if it is not 1: how often the view was computed from its first row.

use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    ColumnType,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};

use crate::{
    kafka::{JSON_HEADER, SCHEMA_HEADER},
    lower::{Lowered, SparkColumn},
};

/// Column: how often the view was computed from its first row.
pub const GENERATION_COLUMN: &str = "_generation";

/// How values are spelled.
const SPELLING: &str = "map('timestampFormat', 'yyyy-MM-dd\\'T\\'HH:mm:ss.SSSSSSXXX', \
                        'dateFormat', 'yyyy-MM-dd', 'timeZone', 'UTC', \
                        'ignoreNullFields', 'false')";

/// Where the names of columns in records come from.
#[derive(Clone, Copy, Debug)]
pub enum Spelled<'a> {
    /// A stream, whose columns may have had other names.
    Stream(&'a StreamDef),
    /// A worker or a view: as they are called.
    AsNamed,
}

impl Spelled<'_> {
    /// Whether a column has JSON, whose text may stand beside the record.
    fn is_json(&self, column: &str) -> bool {
        let Self::Stream(stream) = self else {
            return false;
        };
        let newest = stream.schemas.iter().max_by_key(|entry| entry.version.0);
        let columns = newest.map_or(&stream.spec.columns, |entry| &entry.columns);
        let found = columns.get(column);
        column == EXTRA_COLUMN || found.is_some_and(|found| found.ty == ColumnType::Json)
    }

    /// Names that a column has in records: up to which version of the columns, and which then;
    /// oldest first. One without a bound is the last.
    fn names(&self, column: &str) -> Vec<(Option<u32>, String)> {
        let newest = vec![(None, column.to_owned())];
        let Self::Stream(stream) = self else {
            return newest;
        };
        let mut versions: Vec<_> = stream.schemas.iter().collect();
        versions.sort_by_key(|entry| entry.version.0);
        let Some(last) = versions.last() else {
            return newest;
        };
        let Some(id) = last.columns.get(column).map(|column| column.id) else {
            return newest;
        };
        let mut names: Vec<(Option<u32>, String)> = Vec::new();
        for entry in versions {
            let found = entry.columns.0.iter().find(|column| column.id == id);
            let Some(found) = found else { continue };
            let version = entry.version.0;
            match names.last_mut() {
                Some((until, name)) if name == found.name.as_str() => *until = Some(version),
                _ => names.push((Some(version), found.name.as_str().to_owned())),
            }
        }
        if let Some((until, _)) = names.last_mut() {
            *until = None;
        }
        names
    }
}

/// `SELECT` of a stream's rows from the relation of a topic's records: these columns, then
/// `_partition` and `_offset`.
#[must_use]
pub fn rows(relation: &str, columns: &[SparkColumn], spelled: Spelled<'_>) -> String {
    let list = parsed_columns(columns, spelled);
    format!(
        "SELECT {list}`partition` AS `{PARTITION_COLUMN}`, `offset` AS `{OFFSET_COLUMN}` FROM {}",
        parsed(relation, columns, spelled)
    )
}

/// The same with `_seq`, which has the time of arrival as on one machine but no order within a
/// millisecond, and the day of arrival under the name that is given: the columns of history.
#[must_use]
pub fn history_rows(
    (relation, day): (&str, &str),
    columns: &[SparkColumn],
    spelled: Spelled<'_>,
) -> String {
    let list = parsed_columns(columns, spelled);
    format!(
        "SELECT {list}shiftleft(unix_millis(`timestamp`), 16) AS `{SEQ_COLUMN}`, \
         `partition` AS `{PARTITION_COLUMN}`, `offset` AS `{OFFSET_COLUMN}`, \
         CAST(`timestamp` AS DATE) AS `{day}` FROM {}",
        parsed(relation, columns, spelled)
    )
}

fn parsed_columns(columns: &[SparkColumn], spelled: Spelled<'_>) -> String {
    let mut list = String::new();
    for column in columns {
        let names = spelled.names(&column.name);
        let value = |name: &str| {
            let value = format!("`row`.{}", quoted(name));
            match spelled.is_json(&column.name) {
                true => format!(
                    "coalesce(try_element_at(`json`, {}), {value})",
                    literal(name)
                ),
                false => value,
            }
        };
        let mut text = String::new();
        for (until, name) in &names {
            let value = value(name);
            match until {
                Some(until) => {
                    text.push_str(if text.is_empty() { "CASE" } else { "" });
                    text.push_str(&format!(" WHEN `version` <= {until} THEN {value}"));
                }
                None if text.is_empty() => text = value,
                None => {
                    text.push_str(&format!(" ELSE {value} END"));
                }
            }
        }
        list.push_str(&format!("{text} AS {}, ", quoted(&column.name)));
    }
    list
}

/// The relation of records with their value parsed, as `row`.
fn parsed(relation: &str, columns: &[SparkColumn], spelled: Spelled<'_>) -> String {
    let mut fields: Vec<String> = Vec::new();
    let mut is_renamed = false;
    for column in columns {
        let names = spelled.names(&column.name);
        is_renamed |= names.len() > 1;
        for (_, name) in names {
            let field = format!("{} {}", quoted(&name), column.ty);
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    let version = match is_renamed {
        true => format!(
            "coalesce(CAST({} AS INT), 1) AS `version`, ",
            header(SCHEMA_HEADER)
        ),
        false => String::new(),
    };
    let json = match columns.iter().any(|column| spelled.is_json(&column.name)) {
        true => format!(
            "from_json({}, 'MAP<STRING, STRING>') AS `json`, ",
            header(JSON_HEADER)
        ),
        false => String::new(),
    };
    format!(
        "(SELECT from_json(CAST(`value` AS STRING), {}, map('mode', 'FAILFAST')) AS `row`, \
         {version}{json}`partition`, `offset`, `timestamp` FROM {})",
        literal(&fields.join(", ")),
        quoted(relation)
    )
}

/// A header of a record as text; NULL without it.
fn header(name: &str) -> String {
    format!("CAST(try_element_at(filter(`headers`, h -> h.`key` = '{name}'), 1).`value` AS STRING)")
}

/// Whether records have to be read with their headers.
#[must_use]
pub fn needs_headers(columns: &[SparkColumn], spelled: Spelled<'_>) -> bool {
    columns
        .iter()
        .any(|column| spelled.names(&column.name).len() > 1 || spelled.is_json(&column.name))
}

/// `SELECT` of the records of a view's change topic from the relation of its rows.
#[must_use]
pub fn changes(relation: &str, lowered: &Lowered, generation: u16) -> String {
    let key: Vec<String> = lowered.key.iter().map(|name| quoted(name)).collect();
    let key = match key.is_empty() {
        true => "'{}'".to_owned(),
        false => format!("to_json(struct({}), {SPELLING})", key.join(", ")),
    };
    let mut columns: Vec<String> = lowered.columns.iter().map(|c| quoted(&c.name)).collect();
    if generation > 1 {
        columns.push(format!("{generation} AS `{GENERATION_COLUMN}`"));
    }
    format!(
        "SELECT {key} AS `key`, to_json(struct({}), {SPELLING}) AS `value` FROM {}",
        columns.join(", "),
        quoted(relation)
    )
}

/// A name as Spark reads it whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as Spark reads it whatever is in it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests;
