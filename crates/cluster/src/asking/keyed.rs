//! Rows of tables and views as a relation of Spark: the table in Cassandra, with our types. Pure.
//!
//! | column | in Cassandra, as Spark reads it | here |
//! |---|---|---|
//! | TIMESTAMPTZ, but for bounds of windows | BIGINT, microseconds | `timestamp_micros` |
//! | NUMERIC(p, s) | DECIMAL(38, 18), which holds 20 digits before the point and 18 behind | a cast; more than 18 behind the point are refused. A value of 10²⁰ or more is not written there: it becomes a dead letter |
//! | T\[\], ROW(…) | STRING, as JSON | `from_json` |
//! | others | the same | the same |

use mainstem_kernel::{ColumnType, Timestamp};
use mainstem_sql::{QueryError, beyond, spark::spark_type};

use super::quoted;
use crate::{
    cassandra::{RowTable, TableSpec},
    lower::VERSION_COLUMN,
};

/// Digits that Spark's connector reads of a NUMERIC behind the point.
const SCALE_MAX: u8 = 18;

/// A table in Cassandra, and which of its rows are shown.
#[derive(Debug)]
pub(super) struct Keyed<'a> {
    pub(super) table: &'a RowTable,
    pub(super) spec: &'a TableSpec,
    /// The column that tells when a window ends, and up to when windows are closed; rows of others
    /// are not final.
    pub(super) closed: Option<(&'a str, Option<Timestamp>)>,
}

impl Keyed<'_> {
    /// The rows, with these columns.
    ///
    /// # Errors
    /// When a column has a type that Spark does not read whole.
    pub(super) fn select(&self, columns: &[String]) -> Result<String, QueryError> {
        let columns = columns.iter().map(|name| self.column(name));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            columns.push("1 AS _nothing".to_owned());
        }
        let from = format!(
            "cassandra.{}.{}",
            quoted(self.table.keyspace()),
            quoted(self.table.name())
        );
        let shown = match self.closed {
            None => String::new(),
            Some((end, Some(until))) => {
                format!(" WHERE {} <= timestamp_micros({}L)", quoted(end), until.0)
            }
            // No window is closed yet.
            Some((_, None)) => " WHERE false".to_owned(),
        };
        Ok(format!("SELECT {} FROM {from}{shown}", columns.join(", ")))
    }

    fn column(&self, name: &str) -> Result<String, QueryError> {
        if name == VERSION_COLUMN {
            return Ok(quoted(name));
        }
        let column = self
            .spec
            .columns
            .0
            .iter()
            .find(|column| column.name.as_str() == name);
        let Some(column) = column else {
            return Err(super::no_place(name));
        };
        let (own, ty) = (quoted(name), &column.ty);
        Ok(match ty {
            ColumnType::TimestampTz if !self.spec.window.contains(&column.name) => {
                format!("timestamp_micros({own}) AS {own}")
            }
            ColumnType::Numeric { scale, .. } => {
                let behind = u8::try_from(*scale).unwrap_or_default();
                if behind > SCALE_MAX {
                    let why = "Spark's connector to Cassandra reads 18 digits of a NUMERIC behind \
                               the point.";
                    return Err(beyond::refuse(
                        &format!("column \"{name}\" of type {ty}"),
                        why,
                    ));
                }
                format!("CAST({own} AS {}) AS {own}", spark_type(ty))
            }
            ColumnType::Array(_) | ColumnType::Row(_) => {
                format!(
                    "from_json({own}, '{}') AS {own}",
                    spark_type(ty).replace('\'', "\\'")
                )
            }
            _ => own,
        })
    }
}
