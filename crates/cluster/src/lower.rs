//! Lowers planned views to Spark SQL: what one Structured Streaming query computes, and how its rows
//! are kept.
//!
//! It never parses SQL, never speaks to Spark, and never lowers what would be silently different:
//! that is refused by name. How expressions are spelled, and which differences stay, is in
//! `mainstem_sql::spark`.
//!
//! | plan | lowered to |
//! |---|---|
//! | source | the relation that the runner registers under the name it gives: a `SparkInput`, plus `_partition` and `_offset` of each row |
//! | filter, project | WHERE, SELECT; a subquery where names are given |
//! | lookup | done by a worker before, once, with everything below it: `Lowered::worker`. Spark never joins a table that changes, whose second reading would differ |
//! | windows | `window(…)`, with the watermark of `SparkInput::watermark`; a row that is late for some windows counts in the others, as on one machine |
//! | aggregate | GROUP BY, with `_version` = count(*) |
//! | union | UNION ALL, with `_source` |
//! | pairs that are near in time | JOIN or LEFT JOIN with the bounds of time in its condition, in append mode, with the watermarks of both sides |
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
//! | `_source` | INT | unions | which of the sources that place is in |
//! | `_source_partition_2`, `_source_offset_2` | INT, BIGINT | pairs | the place of the second row; NULL where there is none |
//!
//! Event time of several sources is the least of theirs (`multipleWatermarkPolicy`). The topic of a view that puts streams together has them in no such order:
//! where time matters, its plan takes the place of its topic (`lowering/together.rs`).
//!
//! Refused: views on what changes (`_version` would not grow), groups over pairs and windows over a view
//! of pairs, lookups beside several streams (a worker leaves one topic), key columns that may be NULL
//! (Cassandra has none), windows of time zones and windows that cumulate, places in the log, and what has
//! no spelling.

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

pub use errors::{LowerError, Together};
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
/// Column: which of the sources of a union the row is of, from 0.
pub const SOURCE_COLUMN: &str = "_source";

/// A view as Spark runs it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The question over the relations of its inputs.
    pub spark_sql: String,
    /// What it reads; of several sources the first.
    pub input: SparkInput,
    /// The other sources, in order.
    pub beside: Vec<SparkInput>,
    /// What a worker does before, if anything: its rows are those of `input`. `window_start` and
    /// `window_end` in it are both the event time.
    pub worker: Option<Node>,
    /// The column of the answer that tells when a window ends: doors hide rows of windows that are
    /// open, if the view has corrections.
    pub hidden_until: Option<ColumnName>,
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

impl Lowered {
    /// All that it reads, in the order of the plan; an object that is read twice is there twice.
    pub fn inputs(&self) -> impl Iterator<Item = &SparkInput> {
        std::iter::once(&self.input).chain(&self.beside)
    }
}

/// The rows that a lowered view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkInput {
    /// What the question calls them: the name that was given, with a number behind it from the second on.
    pub relation: String,
    /// The stream, or the view that is one, whose rows they are or were.
    pub object: StreamId,
    /// Its columns, without `_partition` and `_offset`.
    pub columns: Vec<SparkColumn>,
    /// Event time and its bound, for `withWatermark`; none where nothing waits for it.
    pub watermark: Option<SparkWatermark>,
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
