//! Apache Flink in a process of its own, set as one would for speed.
//!
//! Everything is in Flink's favour that is known to be, and nothing in ours: state is in the heap
//! and not in RocksDB, the objects of rows are used again, rows are grouped before they go over to
//! another thread, and nothing is counted of the start of Java and of Flink, of planning and of the
//! compilation of what it generates. Each query has run once before, and the better of the runs
//! after it counts. It never sees our server.

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

use crate::script;

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

/// What runs it.
#[derive(Clone, Debug)]
pub(crate) struct Flink {
    pub(crate) java: PathBuf,
    pub(crate) class_path: String,
}

/// A query to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// Statements that make the tables which the query reads.
    pub(crate) tables: &'a str,
    pub(crate) name: &'a str,
    pub(crate) query: &'a str,
    /// Asked of the query's rows by its name, in a run of its own.
    pub(crate) question: &'a str,
    /// Threads of each operator.
    pub(crate) parallelism: usize,
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
}

/// What came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    pub(crate) version: String,
    /// The question's last row.
    pub(crate) answer: Vec<Value>,
    runs: Vec<Took>,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    /// Processor seconds of the whole process.
    pub(crate) cpu: f64,
}

impl Flink {
    /// Runs a query in `folder`.
    pub(crate) fn run(&self, folder: &Path, task: Task<'_>) -> Result<Answers> {
        let program = folder.join("Run.java");
        fs::write(&program, PROGRAM)?;
        let mut settings: BTreeMap<&str, String> = SETTINGS
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        let parallelism = task.parallelism.to_string();
        settings.insert("taskmanager.numberOfTaskSlots", parallelism.clone());
        settings.insert("parallelism.default", parallelism);
        let checkpoints = format!("file://{}", folder.join("checkpoints").display());
        settings.insert("execution.checkpointing.dir", checkpoints);
        let job = Job {
            settings,
            tables: statements(task.tables),
            name: task.name,
            query: task.query,
            question: task.question,
            repeats: REPEATS,
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
    /// The run that took the least of the processors.
    pub(crate) fn best(&self) -> Result<Took> {
        let least = |a: &&Took, b: &&Took| a.cpu.total_cmp(&b.cpu);
        let best = self.runs.iter().min_by(least);
        best.copied().context("Flink was not measured")
    }
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
    fn the_better_run_counts() {
        let took = |cpu| Took { seconds: 1.0, cpu };
        let answers = |runs| Answers {
            version: String::new(),
            answer: Vec::new(),
            runs,
        };
        let best = answers(vec![took(3.0), took(2.0)]).best().unwrap();
        assert!((best.cpu - 2.0).abs() < 1e-9);
        assert!(answers(Vec::new()).best().is_err());
    }
}
