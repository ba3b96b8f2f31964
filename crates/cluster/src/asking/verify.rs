//! VERIFY VIEW: what a view should have, computed in one batch of its input, beside what is in
//! Cassandra. Pure: it is the text that Spark is asked.
//!
//! The batch reads the input up to a place that the rows in Cassandra have reached. These may be
//! further by now: a row at a greater version is of newer input, and is passed over. Rows of windows
//! that are not closed are left out on both sides. Sums of floating point are alike within one part
//! in a thousand million, since Spark adds them in another order each time.

use mainstem_kernel::{Column, ColumnType, Timestamp};

use super::quoted;

/// Rows that an answer has at most.
const LINES_MAX: usize = 1_000;

/// The two sides of a comparison.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    /// The view's columns.
    pub(super) columns: &'a [Column],
    /// Those that identify a row; none of a view that is a stream.
    pub(super) key: Vec<&'a Column>,
    /// What is in Cassandra: `v`.
    pub(super) view: String,
    /// The view's own question over a relation called `input`.
    pub(super) batch: &'a str,
    /// Whether the question tells which rows are there.
    pub(super) has_live: bool,
    /// The rows of `input`.
    pub(super) input: String,
    /// The column that tells when a window ends, and up to when windows are closed.
    pub(super) closed: Option<(String, Timestamp)>,
}

impl Comparison<'_> {
    /// What differs: the key's columns, `_difference`, `_column`, `_view`, `_batch`, `_differing`.
    pub(super) fn sql(&self) -> String {
        let mut conditions = Vec::new();
        if self.has_live {
            conditions.push("`_live`".to_owned());
        }
        let closed = self
            .closed
            .iter()
            .map(|(end, until)| format!("{} <= timestamp_micros({}L)", quoted(end), until.0));
        let closed: Vec<String> = closed.collect();
        conditions.extend(closed.iter().cloned());
        format!(
            "WITH input AS ({}), b AS (SELECT * FROM ({}){}), v AS (SELECT * FROM ({}){}) {}",
            self.input,
            self.batch,
            condition(&conditions),
            self.view,
            condition(&closed),
            match self.key.is_empty() {
                true => self.counted(),
                false => self.keyed(),
            }
        )
    }

    /// Rows by their key.
    fn keyed(&self) -> String {
        let is_key = |column: &Column| self.key.iter().any(|key| key.name == column.name);
        let rest: Vec<&Column> = self
            .columns
            .iter()
            .filter(|column| !is_key(column))
            .collect();
        let key = |pattern: fn(&str) -> String, between: &str| {
            let key = self
                .key
                .iter()
                .map(|column| pattern(&quoted(column.name.as_str())));
            key.collect::<Vec<_>>().join(between)
        };
        let whole = |side: &str| {
            let names = rest
                .iter()
                .map(|column| format!("{side}.{}", quoted(column.name.as_str())));
            let names: Vec<String> = names.collect();
            match names.is_empty() {
                true => "'{}'".to_owned(),
                false => format!(
                    "to_json(struct({}), map('ignoreNullFields', 'false'))",
                    names.join(", ")
                ),
            }
        };
        let lines: Vec<String> = rest.iter().map(|column| line(column)).collect();
        let differs = match lines.is_empty() {
            true => "array()".to_owned(),
            false => format!("filter(array({}), e -> NOT e.same)", lines.join(", ")),
        };
        let one = |view: &str, batch: &str| {
            format!(
                "array(named_struct('name', CAST(NULL AS STRING), 'same', false, 'view', {view}, \
                 'batch', {batch}))"
            )
        };
        let none = "CAST(NULL AS STRING)";
        format!(
            "SELECT {names}, d AS `_difference`, e.name AS `_column`, e.view AS `_view`, \
             e.batch AS `_batch`, count(*) OVER () AS `_differing` FROM (SELECT {both}, \
             CASE WHEN v.`_version` IS NULL THEN 'missing' WHEN b.`_version` IS NULL THEN 'extra' \
             ELSE 'differs' END AS d, explode(CASE WHEN v.`_version` IS NULL THEN {missing} \
             WHEN b.`_version` IS NULL THEN {extra} WHEN v.`_version` > b.`_version` THEN \
             filter({extra}, e -> false) ELSE {differs} END) AS e FROM v FULL JOIN b ON {on}) \
             ORDER BY {names} LIMIT {LINES_MAX}",
            names = key(str::to_owned, ", "),
            both = key(
                |name| format!("coalesce(v.{name}, b.{name}) AS {name}"),
                ", "
            ),
            on = key(|name| format!("v.{name} = b.{name}"), " AND "),
            missing = one(none, &whole("b")),
            extra = one(&whole("v"), none),
        )
    }

    /// Rows of a stream: each as often here as there.
    fn counted(&self) -> String {
        let names = self
            .columns
            .iter()
            .map(|column| quoted(column.name.as_str()));
        let names = names.collect::<Vec<_>>().join(", ");
        format!(
            "SELECT {names}, CASE WHEN in_view < in_batch THEN 'missing' ELSE 'extra' END AS \
             `_difference`, CAST(NULL AS STRING) AS `_column`, CAST(in_view AS STRING) AS `_view`, \
             CAST(in_batch AS STRING) AS `_batch`, count(*) OVER () AS `_differing` FROM (SELECT \
             {names}, sum(in_view) AS in_view, sum(in_batch) AS in_batch FROM (SELECT {names}, \
             1L AS in_view, 0L AS in_batch FROM v UNION ALL SELECT {names}, 0L, 1L FROM b) \
             GROUP BY {names}) WHERE in_view <> in_batch ORDER BY {names} LIMIT {LINES_MAX}"
        )
    }
}

/// One column of both sides.
fn line(column: &Column) -> String {
    let name = quoted(column.name.as_str());
    let same = match column.ty {
        ColumnType::Real | ColumnType::Double => format!(
            "coalesce(v.{name} <=> b.{name} OR abs(v.{name} - b.{name}) <= \
             1e-9D * greatest(abs(v.{name}), abs(b.{name})), false)"
        ),
        _ => format!("v.{name} <=> b.{name}"),
    };
    let text = |side: &str| match column.ty {
        ColumnType::Array(_) | ColumnType::Row(_) => format!("to_json({side}.{name})"),
        ColumnType::Bytea => format!("base64({side}.{name})"),
        _ => format!("CAST({side}.{name} AS STRING)"),
    };
    let called = column
        .name
        .as_str()
        .replace('\\', "\\\\")
        .replace('\'', "\\'");
    format!(
        "named_struct('name', '{called}', 'same', {same}, 'view', {}, 'batch', {})",
        text("v"),
        text("b")
    )
}

fn condition(conditions: &[String]) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    }
}
