//! `Deed`: what Spark is asked for, and what its refusals mean. Pure.

use std::time::Duration;

use super::SparkError;

/// As much of a question as is shown when it fails.
const SHOWN_CHARS: usize = 60;

/// What is asked for, for errors.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) doing: &'static str,
    pub(super) name: String,
}

impl Deed {
    pub(super) fn new(doing: &'static str, name: &str) -> Self {
        let line = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut shown: String = line.chars().take(SHOWN_CHARS).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        Self { doing, name: shown }
    }
}

/// What Spark's words mean, where that has a name.
pub(super) fn judge(deed: &Deed, words: &str) -> Option<SparkError> {
    let Deed { doing, name } = deed.clone();
    let missing = |source: &str| {
        let not_found = ["DATA_SOURCE_NOT_FOUND", "Failed to find data source"];
        not_found.iter().any(|what| words.contains(what)) && words.contains(source)
    };
    let packages = [
        ("kafka", "org.apache.spark:spark-sql-kafka-0-10_2.12"),
        ("delta", "io.delta:delta-spark_2.12"),
        (
            "cassandra",
            "com.datastax.spark:spark-cassandra-connector_2.12",
        ),
    ];
    let package = packages.iter().find(|(source, _)| missing(source));
    if let Some((_, package)) = package {
        return Some(SparkError::Package {
            doing,
            name,
            package,
        });
    }
    // SparkConnectStreamingQueryCache and StreamingQueryManager, both of 3.5.
    let gone = [
        "is not found",
        "does not exist in this session",
        "No streaming query",
    ];
    let is_gone = words.contains("query") && gone.iter().any(|what| words.contains(what));
    is_gone.then_some(SparkError::Gone { name })
}

pub(super) fn late(deed: &Deed, limit: Duration) -> SparkError {
    let Deed { doing, name } = deed.clone();
    SparkError::Late { doing, name, limit }
}

pub(super) fn unread(wanted: &str) -> SparkError {
    SparkError::Answer {
        reason: format!("expected {wanted}"),
    }
}

#[cfg(test)]
mod tests;
