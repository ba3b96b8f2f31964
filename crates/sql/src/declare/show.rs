//! An object as one canonical CREATE statement: what SHOW CREATE prints. Reading it gives the
//! same object again. Options at their default are left out.

use mainstem_catalog::{Durability, StreamSpec, TableSpec};
use mainstem_kernel::{Column, ColumnType};

use super::{ViewText, emit, options, span};

/// The statement, with a line per column and without a semicolon.
#[must_use]
pub fn show(spec: &StreamSpec) -> String {
    let mut items: Vec<String> = spec
        .columns
        .0
        .iter()
        .map(|column| match column.nullable {
            true => column_text(column),
            false => format!("{} NOT NULL", column_text(column)),
        })
        .collect();
    if let Some(watermark) = &spec.watermark {
        let column = quoted(watermark.column.as_str());
        items.push(match watermark.delay.is_zero() {
            true => format!("WATERMARK FOR {column} AS {column}"),
            false => {
                let delay = span::write(watermark.delay);
                format!("WATERMARK FOR {column} AS {column} - INTERVAL '{delay}'")
            }
        });
    }
    let kind = match &spec.foreign {
        Some(_) => "FOREIGN STREAM",
        None => "STREAM",
    };
    let mut text = format!(
        "CREATE {kind} {} (\n  {}\n)",
        quoted(spec.name.as_str()),
        items.join(",\n  ")
    );
    if let Some(foreign) = &spec.foreign {
        text.push_str(&format!(" FROM TOPIC '{}' FORMAT JSON", foreign.topic));
    }
    if !spec.partition_by.is_empty() {
        let columns: Vec<String> = spec
            .partition_by
            .iter()
            .map(|c| quoted(c.as_str()))
            .collect();
        text.push_str(&format!(" PARTITION BY ({})", columns.join(", ")));
    }
    if let Some(deduplicate) = &spec.deduplicate {
        let column = quoted(deduplicate.column.as_str());
        let within = span::write(deduplicate.within);
        text.push_str(&format!(" DEDUPLICATE BY ({column}) WITHIN '{within}'"));
    }
    let options = options_text(spec);
    if !options.is_empty() {
        text.push_str(&format!(" WITH ({})", options.join(", ")));
    }
    text
}

fn column_text(column: &Column) -> String {
    format!("{} {}", quoted(column.name.as_str()), type_text(&column.ty))
}

/// The statement of a table, with a line per column and without a semicolon.
#[must_use]
pub fn show_table(spec: &TableSpec) -> String {
    let key: Vec<String> = spec.key.iter().map(|name| quoted(name.as_str())).collect();
    let columns = spec.columns.0.iter();
    let mut items: Vec<String> = columns
        .map(|column| {
            let end = match (spec.key.as_slice(), column.nullable) {
                ([key], _) if *key == column.name => " PRIMARY KEY",
                (_, false) => " NOT NULL",
                (_, true) => "",
            };
            let default = spec.defaults.get(&column.name);
            let default = default.map_or_else(String::new, |text| format!(" DEFAULT {text}"));
            format!("{}{default}{end}", column_text(column))
        })
        .collect();
    if key.len() > 1 {
        items.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let mut text = format!(
        "CREATE TABLE {} (\n  {}\n)",
        quoted(spec.name.as_str()),
        items.join(",\n  ")
    );
    if let Some(ttl) = spec.ttl {
        text.push_str(&format!(" WITH (ttl = '{}')", span::write(ttl)));
    }
    text
}

/// The statement of a view without a semicolon: the question stays as it was written.
#[must_use]
pub fn show_view(text: &ViewText) -> String {
    let mut shown = format!("CREATE MATERIALIZED VIEW {}", quoted(text.name.as_str()));
    if let Some(most) = text.distinct_max {
        shown.push_str(&format!(" WITH (distinct_max = {most})"));
    }
    shown.push_str(&format!(" AS\n{}", text.query));
    if let Some(emit) = text.emit.and_then(emit::write) {
        // A comment at the end of the question must not swallow the clause.
        shown.push_str(&format!("\n{emit}"));
    }
    shown
}

fn options_text(spec: &StreamSpec) -> Vec<String> {
    let mut options = Vec::new();
    let idle_timeout = spec.watermark.as_ref().and_then(|w| w.idle_timeout);
    if let Some(idle_timeout) = idle_timeout {
        options.push(format!("idle_timeout = '{}'", span::write(idle_timeout)));
    }
    if let Some(retention) = spec.retention {
        options.push(format!("retention = '{}'", span::write(retention)));
    }
    if spec.partitions != options::PARTITIONS {
        options.push(format!("partitions = {}", spec.partitions));
    }
    match spec.durability {
        Durability::Strict => {}
        Durability::Relaxed => options.push("durability = 'relaxed'".to_owned()),
    }
    if spec.event_size_max != options::EVENT_SIZE_MAX {
        options.push(format!(
            "event_size_max = '{}'",
            String::from(spec.event_size_max)
        ));
    }
    options
}

/// A type with the names of its fields quoted where they must be.
fn type_text(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Array(item) => format!("{}[]", type_text(item)),
        ColumnType::Row(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, ty)| format!("{} {}", quoted(name.as_str()), type_text(ty)))
                .collect();
            format!("ROW({})", fields.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// Words that must be quoted as names: reserved in PostgreSQL, or the begin of a clause here.
const RESERVED: [&str; 79] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "primary",
    "references",
    "right",
    "row",
    "select",
    "session_user",
    "some",
    "table",
    "then",
    "to",
    "union",
    "unique",
    "user",
    "using",
    "watermark",
    "when",
    "where",
];

/// A name as SQL reads it back.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    match plain && !RESERVED.contains(&name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
