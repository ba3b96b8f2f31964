//! `QuerySpec`: what a streaming query reads, computes and writes. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::lower::OutputMode;

/// A streaming query: a topic through questions to a topic or a Delta table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySpec {
    /// Found by it: one query of a name runs.
    pub name: String,
    /// Options of Spark's Kafka source.
    pub source: BTreeMap<String, String>,
    /// Questions, each over the one before; the first over the source.
    pub stages: Vec<Stage>,
    /// Where the rows of the last go.
    pub sink: Sink,
    /// Which rows of a micro-batch.
    pub output_mode: OutputMode,
    /// How often at most; as often as there is something if none.
    pub every: Option<Duration>,
    /// Where Spark keeps how far it is: a path or URI that all its machines share.
    pub checkpoint: String,
}

/// One question of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Over the relation `QuerySpec::view` of the stage before.
    pub sql: String,
    /// The column of its answer with event time, and how far the watermark is behind the greatest.
    pub watermark: Option<(String, Duration)>,
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Columns `key` and `value` become records.
    Topic {
        /// Options of Spark's Kafka sink.
        options: BTreeMap<String, String>,
    },
    /// Rows are appended to a Delta table.
    Delta {
        /// Where it is.
        path: String,
        /// Its partition columns.
        partition_by: Vec<String>,
        /// Options of Delta's sink.
        options: BTreeMap<String, String>,
    },
}

impl QuerySpec {
    /// The relation that the question of this number reads; the first is of the source.
    #[must_use]
    pub fn view(&self, stage: usize) -> String {
        relation_name(&self.name, stage)
    }
}

/// A name in Spark's session: queries of one session tell theirs apart by it.
fn relation_name(query: &str, stage: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let query: String = query.chars().map(plain).collect();
    format!("mainstem_{query}_{stage}")
}
