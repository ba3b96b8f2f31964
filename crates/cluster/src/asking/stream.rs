//! Rows of a stream as a relation of Spark: its history up to a place in each partition, and its
//! topic from there to where it ended when it was asked. Pure.
//!
//! The place is what the query of history has committed, as control has published it. History may
//! be further by now, so its rows at and above that place are left out, and those of the topic below
//! it are not read: no row is there twice, and none is missing.

use std::collections::BTreeMap;

use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    ColumnType, Columns,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use mainstem_sql::{QueryError, spark::spark_type};

use super::quoted;
use crate::{
    lower::SparkColumn,
    spark::{
        record::{self, Spelled},
        spec::DAY_COLUMN,
    },
};

/// Columns of every row that are not in its record's value.
const SYSTEM: [&str; 3] = [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];

/// Which offsets of each partition are meant: from the first one up to, not including, the second.
pub(super) type Span = BTreeMap<i32, (u64, u64)>;

/// A stream, and where its rows are.
#[derive(Debug)]
pub(super) struct StreamRows<'a> {
    pub(super) def: &'a StreamDef,
    /// Its Delta table and the names of the columns that this has; none without rows.
    pub(super) history: Option<(String, Vec<String>)>,
    /// The relation of its topic; none without rows.
    pub(super) topic: Option<String>,
    /// What is read of its topic; everything below is history.
    pub(super) span: Span,
}

impl StreamRows<'_> {
    /// The rows, with these columns.
    ///
    /// # Errors
    /// When a column is a place in the log of one machine.
    pub(super) fn select(&self, columns: &[String]) -> Result<String, QueryError> {
        let parts = [self.below(columns)?, self.above(columns)?];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            return Ok(parts.join(" UNION ALL "));
        }
        let nulls = columns.iter().map(|name| {
            let ty = self.type_of(name)?;
            Ok(format!("CAST(NULL AS {ty}) AS {}", quoted(name)))
        });
        let nulls = nulls.collect::<Result<Vec<_>, QueryError>>()?;
        Ok(format!("SELECT {} WHERE false", listed(nulls)))
    }

    /// Rows of history.
    fn below(&self, columns: &[String]) -> Result<Option<String>, QueryError> {
        let Some((path, there)) = &self.history else {
            return Ok(None);
        };
        let column = |name: &String| {
            let own = quoted(name);
            let ty = self.type_of(name)?;
            // A column that was renamed has its older rows under its older name.
            let names = self
                .names(name)
                .into_iter()
                .filter(|name| there.contains(name));
            let names: Vec<String> = names.map(|name| quoted(&name)).collect();
            Ok(match names.as_slice() {
                [one] if *one == own => own,
                [one] => format!("{one} AS {own}"),
                // No row of history has it.
                [] => format!("CAST(NULL AS {ty}) AS {own}"),
                several => format!("coalesce({}) AS {own}", several.join(", ")),
            })
        };
        let columns = columns
            .iter()
            .map(column)
            .collect::<Result<Vec<_>, QueryError>>()?;
        let below = self.span.iter().filter(|(_, (first, _))| *first > 0);
        let below = below.map(|(partition, (first, _))| {
            format!("({PARTITION_COLUMN} = {partition} AND {OFFSET_COLUMN} < {first}L)")
        });
        let below: Vec<String> = below.collect();
        Ok(Some(format!(
            "SELECT {} FROM delta.{} WHERE {}",
            listed(columns),
            quoted(path),
            below.join(" OR ")
        )))
    }

    /// Rows of the topic.
    fn above(&self, columns: &[String]) -> Result<Option<String>, QueryError> {
        let Some(topic) = &self.topic else {
            return Ok(None);
        };
        let declared = columns
            .iter()
            .filter(|name| !SYSTEM.contains(&name.as_str()));
        let declared = declared.map(|name| {
            Ok(SparkColumn {
                name: name.clone(),
                ty: self.type_of(name)?,
                is_hidden: false,
            })
        });
        let declared = declared.collect::<Result<Vec<_>, QueryError>>()?;
        let rows = match declared.is_empty() {
            // Where nothing is taken of the value, it is not read.
            true => format!(
                "SELECT shiftleft(unix_millis(`timestamp`), 16) AS `{SEQ_COLUMN}`, `partition` AS \
                 `{PARTITION_COLUMN}`, `offset` AS `{OFFSET_COLUMN}` FROM {}",
                quoted(topic)
            ),
            false => {
                record::history_rows((topic, DAY_COLUMN), &declared, Spelled::Stream(self.def))
            }
        };
        let columns = columns.iter().map(|name| quoted(name)).collect();
        Ok(Some(format!("SELECT {} FROM ({rows})", listed(columns))))
    }

    /// All names that a column had, the newest first.
    fn names(&self, name: &str) -> Vec<String> {
        let newest = self
            .newest()
            .0
            .iter()
            .find(|column| column.name.as_str() == name);
        let mut names = vec![name.to_owned()];
        let Some(id) = newest.map(|column| column.id) else {
            return names;
        };
        let had = self
            .def
            .schemas
            .iter()
            .rev()
            .flat_map(|entry| &entry.columns.0);
        for column in had.filter(|column| column.id == id) {
            if !names.iter().any(|name| name == column.name.as_str()) {
                names.push(column.name.to_string());
            }
        }
        names
    }

    fn newest(&self) -> &Columns {
        let newest = self.def.schemas.last();
        newest.map_or(&self.def.spec.columns, |entry| &entry.columns)
    }

    fn column_type(&self, name: &str) -> Result<ColumnType, QueryError> {
        if name == EXTRA_COLUMN {
            return Ok(ColumnType::Json);
        }
        let column = self
            .newest()
            .0
            .iter()
            .find(|column| column.name.as_str() == name);
        column
            .map(|column| column.ty.clone())
            .ok_or_else(|| super::no_place(name))
    }

    fn type_of(&self, name: &str) -> Result<String, QueryError> {
        Ok(match name {
            PARTITION_COLUMN => "INT".to_owned(),
            SEQ_COLUMN | OFFSET_COLUMN => "BIGINT".to_owned(),
            _ => spark_type(&self.column_type(name)?),
        })
    }
}

fn listed(columns: Vec<String>) -> String {
    match columns.is_empty() {
        true => "1 AS _nothing".to_owned(),
        false => columns.join(", "),
    }
}

/// The relation of a topic between two places of each partition; of partitions without rows there
/// nothing is asked.
#[must_use]
pub(super) fn topic_view(
    name: &str,
    (topic, brokers): (&str, &[String]),
    span: &Span,
) -> Option<String> {
    let some = span.iter().filter(|(_, (first, end))| first < end);
    let some: Vec<(&i32, &(u64, u64))> = some.collect();
    if some.is_empty() {
        return None;
    }
    let partitions: Vec<String> = some
        .iter()
        .map(|(partition, _)| partition.to_string())
        .collect();
    let places = |place: fn(&(u64, u64)) -> u64| {
        let places = some
            .iter()
            .map(|(at, span)| format!("\"{at}\":{}", place(span)));
        format!(
            "{{\"{topic}\":{{{}}}}}",
            places.collect::<Vec<_>>().join(",")
        )
    };
    let options = [
        ("kafka.bootstrap.servers", brokers.join(",")),
        ("kafka.isolation.level", "read_committed".to_owned()),
        (
            "assign",
            format!("{{\"{topic}\":[{}]}}", partitions.join(",")),
        ),
        ("startingOffsets", places(|span| span.0)),
        ("endingOffsets", places(|span| span.1)),
        ("includeHeaders", "true".to_owned()),
        ("failOnDataLoss", "true".to_owned()),
    ];
    let options = options.map(|(key, value)| {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        format!("`{key}` '{value}'")
    });
    Some(format!(
        "CREATE OR REPLACE TEMPORARY VIEW {} USING kafka OPTIONS ({})",
        quoted(name),
        options.join(", ")
    ))
}
