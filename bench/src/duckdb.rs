//! DuckDB's Python package, timed from inside Python on the same files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::python;

const SCRIPT: &str = include_str!("duckdb.py");

/// What DuckDB is asked.
#[derive(Debug, Serialize)]
pub(crate) struct Job<'a> {
    /// Folder of the Delta table.
    pub(crate) table: PathBuf,
    /// What queries call it.
    pub(crate) name: &'a str,
    pub(crate) queries: Vec<&'a str>,
    pub(crate) repeats: usize,
    pub(crate) threads: usize,
}

/// What it answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    pub(crate) version: String,
    pub(crate) files: usize,
    /// Rows of each query.
    pub(crate) answers: Vec<Vec<Vec<Value>>>,
    /// Times of each query.
    pub(crate) seconds: Vec<Vec<f64>>,
}

/// Runs a job.
pub(crate) fn run(python: &Path, job: &Job<'_>) -> Result<Answers> {
    python::run(python, SCRIPT, job)
}

/// A Python that has DuckDB: made in `folder` at the first call.
pub(crate) fn python_in(folder: &Path) -> Result<PathBuf> {
    python::with(folder, "duckdb", &["duckdb"])
}

/// Whether two answers are equal: numbers to nine digits, whatever way JSON spells them.
pub(crate) fn same_rows(ours: &[Vec<Value>], theirs: &[Vec<Value>]) -> bool {
    let same = |(ours, theirs): (&Vec<Value>, &Vec<Value>)| {
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same_value(a, b))
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
}

fn same_value(ours: &Value, theirs: &Value) -> bool {
    match (number(ours), number(theirs)) {
        (Some(ours), Some(theirs)) => {
            (ours - theirs).abs() <= 1e-9 * ours.abs().max(theirs.abs()).max(1.0)
        }
        _ => ours == theirs,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_compared_by_value() {
        let rows = |value: Value| serde_json::from_value::<Vec<Vec<Value>>>(value).unwrap();
        let ours = rows(json!([[
            "vehicle-1",
            7,
            "12345678901234567",
            0.1 + 0.2,
            null
        ]]));
        let theirs = rows(json!([[
            "vehicle-1",
            7.0,
            12_345_678_901_234_567_u64,
            0.3,
            null
        ]]));
        assert!(same_rows(&ours, &theirs));
        for other in [
            json!([["vehicle-2", 7, "12345678901234567", 0.3, null]]),
            json!([["vehicle-1", 8, "12345678901234567", 0.3, null]]),
            json!([["vehicle-1", 7, "12345678901234567", 0.3]]),
            json!([["vehicle-1", 7, "12345678901234567", 0.300_001, null]]),
            json!([]),
        ] {
            assert!(!same_rows(&ours, &rows(other)));
        }
    }
}
