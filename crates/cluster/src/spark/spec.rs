//! `QuerySpec`: what a streaming query reads, computes and writes. Pure.

mod history;
mod view;

use std::{collections::BTreeMap, time::Duration};

use crate::{config::SparkConfig, kafka::KafkaConfig, lower::OutputMode};

pub use history::{DAY_COLUMN, HistoryQuery, expire, folder_name};
pub use view::{ViewInput, ViewQuery};

/// A streaming query: topics through questions to a topic or a Delta table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySpec {
    /// Found by it: one query of a name runs.
    pub name: String,
    /// Statements that come before, and do nothing when they were done already.
    pub before: Vec<String>,
    /// The topics that it reads; never none.
    pub sources: Vec<Source>,
    /// Questions, each over the relations before it; the rows of the last are written.
    pub stages: Vec<Stage>,
    /// Where they go.
    pub sink: Sink,
    /// Which rows of a micro-batch.
    pub output_mode: OutputMode,
    /// How often at most; as often as there is something if none.
    pub every: Option<Duration>,
    /// Where Spark keeps how far it is: a path or URI that all its machines share.
    pub checkpoint: String,
}

/// A topic that a query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name of its records as a relation, in Spark's session.
    pub name: String,
    /// Options of Spark's Kafka source.
    pub options: BTreeMap<String, String>,
}

/// One question of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name of its rows as a relation, in Spark's session.
    pub name: String,
    /// What is asked.
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

/// What all queries are made of.
#[derive(Clone, Debug)]
pub struct QueryParts<'a> {
    /// One query of a name runs.
    pub name: String,
    /// Where Spark keeps how far it is.
    pub checkpoint: String,
    /// The brokers.
    pub kafka: &'a KafkaConfig,
    /// Limits.
    pub spark: &'a SparkConfig,
}

impl QueryParts<'_> {
    /// Options of the Kafka source. Nothing is skipped: what is gone before it was read stops the
    /// query, and what a transaction has not committed is not read.
    fn source(&self, topic: &str, with_headers: bool) -> BTreeMap<String, String> {
        let spark = self.spark;
        options([
            ("kafka.bootstrap.servers", self.kafka.brokers.join(",")),
            ("subscribe", topic.to_owned()),
            ("startingOffsets", "earliest".to_owned()),
            ("failOnDataLoss", "true".to_owned()),
            ("kafka.isolation.level", "read_committed".to_owned()),
            ("maxOffsetsPerTrigger", spark.trigger_rows_max.to_string()),
            ("minPartitions", spark.state_partitions.to_string()),
            ("includeHeaders", with_headers.to_string()),
        ])
    }

    /// A name in Spark's session that no other query has.
    fn relation(&self, what: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = self.name.chars().map(plain).collect();
        format!("{name}_{what}")
    }
}

fn options<const N: usize>(list: [(&str, String); N]) -> BTreeMap<String, String> {
    let options = list.into_iter().map(|(key, value)| (key.to_owned(), value));
    options.collect()
}

#[cfg(test)]
mod tests;
