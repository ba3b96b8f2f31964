//! Apache Flink in a process of its own, set as one would for speed: alone, from files to nowhere,
//! and with Apache Kafka before and behind it.
//!
//! Everything is in Flink's favour that is known to be, and nothing in ours: state is in the heap
//! and not in RocksDB, the objects of rows are used again, rows are grouped before they go over to
//! another thread, and nothing is counted of the start of Java and of Flink, of planning, of the
//! compilation of what it generates and of the producer that fills the log. All events are in the
//! log before a query begins, rows come behind it at least once and not exactly once. Each query has
//! run before, and the better of the runs after it counts. It never sees our server.

#![expect(
    clippy::disallowed_methods,
    reason = "another program reads these files"
)]

mod answers;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{kafka::Kafka, script};
pub(crate) use answers::{Answers, Rates};

const PROGRAM: &str = include_str!("../peers/flink/Run.java");
/// Room for the bids of q20, so that it is not the collector of garbage that is measured.
const HEAP: &str = "4g";
/// The one that takes the least of the processors from these queries.
const COLLECTOR: &str = "-XX:+UseParallelGC";
/// Runs that are measured.
const REPEATS: usize = 2;
/// As Flink has it in `conf/config.yaml` for Java 17.
const OPENED: [&str; 12] = [
    "java.io",
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
];
/// What a user of Flink would set; the rest is as it comes.
const SETTINGS: [(&str, &str); 11] = [
    ("pipeline.object-reuse", "true"),
    ("table.local-time-zone", "UTC"),
    ("state.backend.type", "hashmap"),
    // Our server takes one each second.
    ("execution.checkpointing.interval", "10 s"),
    ("execution.checkpointing.mode", "EXACTLY_ONCE"),
    ("execution.checkpointing.storage", "filesystem"),
    // From here on as Nexmark's own set-up for Flink has it. The end waits for no checkpoint.
    (
        "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
        "false",
    ),
    ("table.exec.mini-batch.enabled", "true"),
    ("table.exec.mini-batch.allow-latency", "2 s"),
    ("table.exec.mini-batch.size", "50000"),
    ("table.optimizer.distinct-agg.split.enabled", "true"),
];

/// Topics: what the broker gets warm by, the events, and the rows.
const WARM_UP: &str = "warm-up";
const EVENTS: &str = "events";
const ROWS: &str = "rows";

/// What runs it.
#[derive(Clone, Debug)]
pub(crate) struct Flink {
    pub(crate) java: PathBuf,
    pub(crate) class_path: String,
    pub(crate) kafka: Kafka,
}

/// A query to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// Statements that make the tables which the query reads, with `{source}` for where events are.
    pub(crate) tables: &'a str,
    /// Files of events in one folder, for one reader each.
    pub(crate) events: &'a [PathBuf],
    pub(crate) name: &'a str,
    pub(crate) query: &'a str,
    /// Asked of the query's rows by its name, in a run of its own.
    pub(crate) question: &'a str,
    /// Whether its rows never change: then they go into a topic.
    pub(crate) appends: bool,
}

/// What the program is told.
#[derive(Debug, Serialize)]
struct Job<'a> {
    settings: BTreeMap<&'a str, String>,
    tables: Vec<&'a str>,
    name: &'a str,
    query: &'a str,
    question: &'a str,
    repeats: usize,
    log: Log<'a>,
}

/// The broker, and what is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    address: String,
    process: u32,
    tables: Vec<&'a str>,
    files: &'a [PathBuf],
    warm_up: &'a str,
    events: &'a str,
    rows: Option<&'a str>,
}

impl Flink {
    /// Runs a query in `folder`.
    pub(crate) fn run(&self, folder: &Path, task: Task<'_>) -> Result<Answers> {
        let program = folder.join("Run.java");
        fs::write(&program, PROGRAM)?;
        let broker = self.kafka.start(&folder.join("kafka"))?;
        let address = broker.address.to_string();
        let events = task.events.first().and_then(|file| file.parent());
        let files = from_files(events.context("Flink has no events")?);
        let files = task.tables.replace("{source}", &files);
        let topic = task.tables.replace("{source}", &from_topic(&address));
        let job = Job {
            settings: settings(folder, task.events.len()),
            tables: statements(&files),
            name: task.name,
            query: task.query,
            question: task.question,
            repeats: REPEATS,
            log: Log {
                address,
                process: broker.pid(),
                tables: statements(&topic),
                files: task.events,
                warm_up: WARM_UP,
                events: EVENTS,
                rows: task.appends.then_some(ROWS),
            },
        };
        let mut java = Command::new(&self.java);
        java.args([format!("-Xms{HEAP}"), format!("-Xmx{HEAP}")])
            .arg(COLLECTOR)
            .args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")))
            .args(["-cp", &self.class_path])
            .arg(program);
        script::exchange(&mut java, &job)
    }
}

/// One reader of files each, and as many threads of each operator.
fn settings(folder: &Path, parallelism: usize) -> BTreeMap<&'static str, String> {
    let mut settings: BTreeMap<&str, String> = SETTINGS
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let parallelism = parallelism.to_string();
    settings.insert("taskmanager.numberOfTaskSlots", parallelism.clone());
    settings.insert("parallelism.default", parallelism);
    let checkpoints = format!("file://{}", folder.join("checkpoints").display());
    settings.insert("execution.checkpointing.dir", checkpoints);
    settings
}

fn from_files(folder: &Path) -> String {
    format!(
        "'connector' = 'filesystem',\n  'path' = '{}'",
        folder.display()
    )
}

fn from_topic(address: &str) -> String {
    format!(
        "'connector' = 'kafka',
  'properties.bootstrap.servers' = '{address}',
  'topic' = '{EVENTS}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset'"
    )
}

/// Statements of a script: each ends with a semicolon at the end of a line.
fn statements(script: &str) -> Vec<&str> {
    let statements = script.split(";\n").map(str::trim);
    statements.filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_at_the_ends_of_its_statements() {
        let script =
            "-- One; two.\nCREATE TABLE a (\n  b INT\n);\n\nCREATE VIEW c AS SELECT ';';\n";
        let expected = [
            "-- One; two.\nCREATE TABLE a (\n  b INT\n)",
            "CREATE VIEW c AS SELECT ';'",
        ];
        assert_eq!(statements(script), expected);
    }
}
