//! `Progress`: how far a streaming query is, read from what Spark tells about a micro-batch. Pure.
//!
//! Source: org.apache.spark.sql.streaming.StreamingQueryProgress of 3.5, as the Connect server writes
//! its fields: offsets are JSON within a text, rates that are no number are texts. A micro-batch is
//! told about once it is committed, so its end offsets are what the query will never read again.
//! A query that has nothing to do tells so every ten seconds, under the number of the next.

use std::{collections::BTreeMap, time::Duration};

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use serde::Deserialize;
use serde_json::Value;

use super::SparkError;

/// How far a streaming query is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The number of the micro-batch: only grows, also over restarts.
    pub batch: u64,
    /// What has been read, by topic and partition.
    pub inputs: BTreeMap<(String, u16), InputOffsets>,
    /// Rows of the micro-batch.
    pub input_rows: u64,
    /// Rows that came in per second.
    pub input_rows_per_second: f64,
    /// Rows that were computed per second.
    pub processed_rows_per_second: f64,
    /// How long the micro-batch took.
    pub duration: Duration,
    /// Rows of state.
    pub state_rows: u64,
    /// Memory of state.
    pub state_bytes: u64,
    /// Rows of the micro-batch that came after the watermark had passed them.
    pub dropped_rows: u64,
    /// The watermark that the micro-batch was computed with, in microseconds; none without windows,
    /// and before the first.
    pub watermark_us: Option<i64>,
}

/// Offsets of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputOffsets {
    /// Where the micro-batch began.
    pub start: u64,
    /// The first that it did not read.
    pub end: u64,
    /// The end of the partition as the micro-batch was planned.
    pub latest: u64,
}

impl Progress {
    pub(super) fn parse(text: &str) -> Result<Self, SparkError> {
        let told: Told = serde_json::from_str(text).map_err(|error| SparkError::Answer {
            reason: format!("expected the progress of a query: {error}"),
        })?;
        let mut progress = Self {
            batch: told.batch_id,
            duration: Duration::from_millis(
                told.duration_ms
                    .get("triggerExecution")
                    .copied()
                    .unwrap_or(0),
            ),
            watermark_us: told.event_time.get("watermark").and_then(|at| micros(at)),
            ..Self::default()
        };
        for operator in &told.state_operators {
            progress.state_rows += operator.num_rows_total;
            progress.state_bytes += operator.memory_used_bytes;
            progress.dropped_rows += operator.num_rows_dropped_by_watermark;
        }
        for source in &told.sources {
            progress.take(source);
        }
        Ok(progress)
    }

    fn take(&mut self, source: &Source) {
        self.input_rows += source.num_input_rows;
        self.input_rows_per_second += source.input_rows_per_second.as_f64().unwrap_or_default();
        let processed = &source.processed_rows_per_second;
        self.processed_rows_per_second += processed.as_f64().unwrap_or_default();
        let sides = [
            &source.start_offset,
            &source.end_offset,
            &source.latest_offset,
        ];
        let mut read: BTreeMap<(String, u16), InputOffsets> = BTreeMap::new();
        for (side, offsets) in sides.into_iter().enumerate() {
            // No start before the first micro-batch; sources other than topics have other words.
            let Some(offsets) = offsets_of(offsets) else {
                continue;
            };
            for (topic, partitions) in offsets {
                for (partition, offset) in partitions {
                    let place = (topic.clone(), partition);
                    let input = read.entry(place).or_default();
                    match side {
                        0 => input.start = offset,
                        1 => input.end = offset,
                        _ => input.latest = offset,
                    }
                }
            }
        }
        // A topic that is read twice has been read as far as it is by both.
        for (place, read) in read {
            let known = self.inputs.entry(place).or_insert(read);
            known.start = known.start.min(read.start);
            known.end = known.end.min(read.end);
            known.latest = known.latest.max(read.latest);
        }
    }

    /// Events that wait.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let waiting = |input: &InputOffsets| input.latest.saturating_sub(input.end);
        self.inputs.values().map(waiting).sum()
    }
}

/// Microseconds of an instant; Spark writes 1970 where there is no watermark yet.
fn micros(text: &str) -> Option<i64> {
    let nanos = string_to_timestamp_nanos(text).ok()?;
    let micros = nanos.div_euclid(1_000);
    (micros != 0).then_some(micros)
}

type Offsets = BTreeMap<String, BTreeMap<u16, u64>>;

fn offsets_of(told: &Value) -> Option<Offsets> {
    match told {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Offsets::deserialize(other).ok(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    batch_id: u64,
    #[serde(default)]
    duration_ms: BTreeMap<String, u64>,
    #[serde(default)]
    event_time: BTreeMap<String, String>,
    #[serde(default)]
    state_operators: Vec<Operator>,
    sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operator {
    #[serde(default)]
    num_rows_total: u64,
    #[serde(default)]
    memory_used_bytes: u64,
    #[serde(default)]
    num_rows_dropped_by_watermark: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(default)]
    num_input_rows: u64,
    #[serde(default)]
    input_rows_per_second: Value,
    #[serde(default)]
    processed_rows_per_second: Value,
    #[serde(default)]
    start_offset: Value,
    #[serde(default)]
    end_offset: Value,
    #[serde(default)]
    latest_offset: Value,
}

#[cfg(test)]
mod tests;
