//! The same view in Spark SQL, as one would write it without us.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Cluster, rate};
use crate::{cases::Setting, python};

const SCRIPT: &str = include_str!("by_hand.py");
/// The client of the Spark that is tried. Its newest dependencies do not go together.
const PACKAGES: [&str; 4] = [
    "pyspark[connect]==3.5.7",
    "pandas<3",
    "pyarrow<18",
    "setuptools<80",
];

#[derive(Serialize)]
struct Job<'a> {
    /// Of the run: no two may share what Spark remembers.
    name: &'a str,
    /// Of the node: where the engines are, and how its topics are called.
    settings: &'a str,
    per_batch: u64,
    rows: u64,
}

#[derive(Deserialize)]
struct Batch {
    rows: u64,
    /// Seconds since 1970.
    ended: f64,
}

/// Builds the view from the stream's topic; its rate.
pub(super) fn run(setting: &Setting, cluster: &Cluster, (name, rows): (&str, u64)) -> Result<f64> {
    let python = match &setting.python {
        Some(python) => python.clone(),
        None => python::with(&setting.folder, "pyspark", &PACKAGES)?,
    };
    let job = Job {
        name,
        settings: &cluster.settings,
        per_batch: cluster.per_batch,
        rows,
    };
    let batches: Vec<Batch> = python::run(&python, SCRIPT, &job)?;
    let mut sum = 0;
    let ends = batches.iter().map(|batch| {
        sum += batch.rows;
        (batch.ended, sum)
    });
    rate(&ends.collect::<Vec<_>>())
}
