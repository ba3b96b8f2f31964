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

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{kafka::Kafka, load::as_f64, script};

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

/// What came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    pub(crate) version: String,
    /// The question's last row.
    pub(crate) answer: Vec<Value>,
    /// From files to nowhere.
    alone: Vec<Took>,
    /// Processor seconds of the broker to store the events.
    stored: f64,
    /// From the log.
    log: Vec<Took>,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Took {
    seconds: f64,
    /// Processor seconds of the whole process.
    cpu: f64,
    /// Processor seconds of the broker.
    broker: f64,
}

/// Events for each second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) per_core: f64,
    pub(crate) rate: f64,
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

impl Answers {
    /// From files to nowhere: the run that took the least of the processors.
    pub(crate) fn alone(&self, events: u64) -> Result<Rates> {
        rates(&self.alone, events, |took| took.cpu)
    }

    /// With a log before it and its rows in one: Flink's processor time, and the broker's to store,
    /// to hand out and to store again.
    pub(crate) fn with_log(&self, events: u64) -> Result<Rates> {
        rates(&self.log, events, |took| self.of_all(took))
    }

    /// Which process took how much of that, per million events.
    pub(crate) fn shares(&self, events: u64) -> Result<String> {
        let best = best(&self.log, |took| self.of_all(took))?;
        let per_million = |seconds: f64| seconds / (as_f64(events) / 1e6);
        Ok(format!(
            "{:.2} CPU s/million of Flink, {:.2} of the broker to store the events and {:.2} to hand them \
             out and to store the rows",
            per_million(best.cpu),
            per_million(self.stored),
            per_million(best.broker)
        ))
    }

    fn of_all(&self, took: &Took) -> f64 {
        took.cpu + took.broker + self.stored
    }
}

/// The run that took the least of the processors.
fn best(runs: &[Took], cpu: impl Fn(&Took) -> f64) -> Result<Took> {
    let best = runs.iter().min_by(|a, b| cpu(a).total_cmp(&cpu(b)));
    best.copied().context("Flink was not measured")
}

fn rates(runs: &[Took], events: u64, cpu: impl Fn(&Took) -> f64) -> Result<Rates> {
    let best = best(runs, &cpu)?;
    Ok(Rates {
        per_core: as_f64(events) / cpu(&best),
        rate: as_f64(events) / best.seconds,
    })
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

    #[test]
    fn the_better_run_counts_and_a_log_with_all_that_the_broker_did() {
        let took = |cpu, broker| Took {
            seconds: 1.0,
            cpu,
            broker,
        };
        let answers = |runs: Vec<Took>| Answers {
            version: String::new(),
            answer: Vec::new(),
            alone: runs.clone(),
            stored: 4.0,
            log: runs,
        };
        let both = answers(vec![took(3.0, 1.0), took(2.0, 4.0)]);
        assert!((both.alone(6).unwrap().per_core - 3.0).abs() < 1e-9);
        assert!((both.with_log(16).unwrap().per_core - 2.0).abs() < 1e-9);
        assert!(answers(Vec::new()).alone(1).is_err());
    }
}
