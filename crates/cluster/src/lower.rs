//! Lowers planned views to Spark SQL: what one Structured Streaming query computes, and how its rows
//! are kept.
//!
//! It never parses SQL, never speaks to Spark, and never lowers what would be silently different:
//! that is refused by name. How expressions are spelled, and which differences stay, is in
//! `mainstem_sql::spark`.
//!
//! | plan | lowered to |
//! |---|---|
//! | source | the relation that the runner registers under the name it gives: `Lowered::input`, plus `_partition` and `_offset` of each row |
//! | filter, project | WHERE, SELECT; a subquery where names are given |
//! | lookup | done by a worker before, once, with everything below it: `Lowered::worker`. Spark never joins a table that changes, whose second reading would differ |
//! | windows | `window(…)`, with the watermark of `Lowered::watermark`; a row that is late for some windows counts in the others, as on one machine |
//! | aggregate | GROUP BY, with `_version` = count(*) |
//! | filter on groups | EMIT ON UPDATE and corrections: `_live`, so that a row whose condition turns false is deleted; else WHERE |
//! | EMIT ON WINDOW CLOSE | append mode |
//! | EMIT ON UPDATE, WITH CORRECTIONS | update mode; corrections lengthen the watermark's delay, and doors hide windows that are still open |
//! | no EMIT | append mode, a row per row, whose key is its place in the topic it came from |
//!
//! Hidden columns, behind those of the view:
//!
//! | column | type | of | means |
//! |---|---|---|---|
//! | `_version` | BIGINT | groups | rows that the row was computed from: only grows, so an older row never replaces a newer one |
//! | `_live` | BOOLEAN | rows that change | false: the row is to be deleted |
//! | `_key1`, … | any | groups of streams | what was grouped by, which tells a row that is sent twice |
//! | `_source_partition`, `_source_offset` | INT, BIGINT | rows of streams | the same, where nothing is grouped |
//!
//! Refused: views on what changes (`_version` would not grow), views of several streams (a query
//! reads one topic, whose places tell rows apart), key columns that may be NULL (Cassandra has
//! none), windows of time zones and windows that cumulate, places in the log, and what has no spelling.

mod columns;
mod errors;
mod fit;
mod level;
mod lowering;
mod replan;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use mainstem_kernel::{ColumnName, StreamId};
use mainstem_sql::{spark::Note, view::Node};

pub use errors::LowerError;
pub use fit::fit;
pub use lowering::lower;
pub use replan::replan;

/// Column: how many rows a row was computed from.
pub const VERSION_COLUMN: &str = "_version";
/// Column: whether the row is there.
pub const LIVE_COLUMN: &str = "_live";
/// Column: the partition of the row that a row was made of.
pub const SOURCE_PARTITION_COLUMN: &str = "_source_partition";
/// Column: its offset.
pub const SOURCE_OFFSET_COLUMN: &str = "_source_offset";

/// A view as Spark runs it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The question over the relation of the name that was given.
    pub spark_sql: String,
    /// What that relation is.
    pub input: SparkInput,
    /// What a worker does before, if anything: its rows are those of `input`. `window_start` and
    /// `window_end` in it are both the event time.
    pub worker: Option<Node>,
    /// Event time and its bound, for `withWatermark`; none where no window has to be closed.
    pub watermark: Option<SparkWatermark>,
    /// Which rows come out of a micro-batch.
    pub output_mode: OutputMode,
    /// EVERY: how often at most.
    pub every: Option<Duration>,
    /// What identifies a row, in order; of a stream, what tells that a row was sent twice.
    pub key: Vec<String>,
    /// Columns of the answer in order; the view's own first.
    pub columns: Vec<SparkColumn>,
    /// What differs from one machine, to be told.
    pub notes: BTreeSet<Note>,
}

/// The rows that a lowered view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkInput {
    /// The stream, or the view that is one, whose rows they are or were.
    pub object: StreamId,
    /// Its columns, without `_partition` and `_offset`.
    pub columns: Vec<SparkColumn>,
}

impl SparkInput {
    /// The columns as Spark reads a schema: `` `a` STRING, `b` INT ``.
    #[must_use]
    pub fn ddl(&self) -> String {
        let column =
            |column: &SparkColumn| format!("{} {}", columns::quoted(&column.name), column.ty);
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        columns.join(", ")
    }
}

/// A column in Spark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkColumn {
    /// Its name.
    pub name: String,
    /// Its type in Spark SQL.
    pub ty: String,
    /// Whether readers of the view do not see it.
    pub is_hidden: bool,
}

/// The watermark of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkWatermark {
    /// The column with event time.
    pub column: String,
    /// How far it stays behind the greatest.
    pub delay: Duration,
    /// The column of the answer that tells when a window ends: doors hide rows of windows that are
    /// open, if the view has corrections.
    pub hidden_until: Option<ColumnName>,
}

/// Which rows of a query come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// Those that are final.
    Append,
    /// Those that changed.
    Update,
}

impl OutputMode {
    /// As Spark calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Update => "update",
        }
    }
}
