//! What a server under measurement is asked beside its load. Never on the clock of a load.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};
use serde::Deserialize;
use serde_json::Value;

use super::{STREAM, Server};
use crate::client::Request;

const LIVE_MAX: Duration = Duration::from_secs(1_800);
const LIVE_POLL: Duration = Duration::from_millis(20);

/// What the benches read of `/v1/status`.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) position: Option<String>,
    pub(crate) memory_budget_bytes: u64,
    pub(crate) views: Vec<View>,
}

/// A view of it.
#[derive(Debug, Deserialize)]
pub(crate) struct View {
    pub(crate) name: String,
    /// Rows that it has computed.
    pub(crate) rows: u64,
    pub(crate) state_bytes: u64,
}

impl Server {
    /// Waits until every view that is defined is live.
    pub(crate) fn wait_until_live(&self) -> Result<()> {
        let begin = SystemClock.monotonic();
        loop {
            let views = self.sql("SHOW VIEWS")?;
            let is_live = |view: &Vec<Value>| view.last().is_some_and(|stage| stage == "live");
            if views.iter().all(is_live) {
                return Ok(());
            }
            let waited = SystemClock.monotonic() - begin;
            ensure!(waited < LIVE_MAX, "views are not live: {views:?}");
            thread::sleep(LIVE_POLL);
        }
    }

    /// Waits until a view has everything up to a position, longer than a server lets a question
    /// wait.
    pub(crate) fn wait_for(&self, view: &str, position: &str) -> Result<()> {
        let begin = SystemClock.monotonic();
        let query = format!("SELECT 1 FROM {view} LIMIT 1");
        let request = Request::sql(&query, &self.key, Some(position));
        loop {
            let (status, body) = self.ask(&request)?;
            let waited = SystemClock.monotonic() - begin;
            let is_early = status == 503 && waited < LIVE_MAX;
            let text = || String::from_utf8_lossy(&body);
            ensure!(status == 200 || is_early, "{query}: {status}: {}", text());
            if status == 200 {
                return Ok(());
            }
        }
    }

    /// Waits until a reader of one row of a view sees everything up to a position.
    pub(crate) fn wait_for_row(&self, path: &str, position: &str) -> Result<()> {
        let begin = SystemClock.monotonic();
        let request = Request::get(&format!("{path}&wait={position}"), &self.key);
        loop {
            let (status, body) = self.ask(&request)?;
            let waited = SystemClock.monotonic() - begin;
            let is_early = status == 503 && waited < LIVE_MAX;
            let text = || String::from_utf8_lossy(&body);
            ensure!(status == 200 || is_early, "{path}: {status}: {}", text());
            if status == 200 {
                return Ok(());
            }
        }
    }

    /// How the server is doing.
    pub(crate) fn status(&self) -> Result<Status> {
        let (status, body) = self.ask(&Request::get("/v1/status", &self.key))?;
        ensure!(status == 200, "status: {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    /// Rows of an answer in SQL.
    pub(crate) fn sql(&self, query: &str) -> Result<Vec<Vec<Value>>> {
        self.sql_at(query, None)
    }

    /// Rows of an answer as of `position` or later.
    pub(crate) fn sql_at(&self, query: &str, position: Option<&str>) -> Result<Vec<Vec<Value>>> {
        #[derive(serde::Deserialize)]
        struct Answer {
            rows: Vec<Vec<Value>>,
        }
        let (status, body) = self.ask(&Request::sql(query, &self.key, position))?;
        let text = || String::from_utf8_lossy(&body);
        ensure!(status == 200, "{query}: status {status}: {}", text());
        let answer: Answer =
            serde_json::from_slice(&body).with_context(|| format!("{query}: {}", text()))?;
        Ok(answer.rows)
    }

    /// Rows of the stream, all acknowledged ones included.
    pub(crate) fn count(&self, positions: &[String]) -> Result<u64> {
        for position in positions.iter().filter(|position| !position.is_empty()) {
            self.sql_at("SELECT 1", Some(position))?;
        }
        let rows = self.sql(&format!("SELECT count(*) FROM {STREAM}"))?;
        let count = rows
            .first()
            .and_then(|row| row.first())
            .context("a count has one row")?;
        count
            .as_u64()
            .or_else(|| count.as_str()?.parse().ok())
            .context("a count is a number")
    }

    /// Moves everything into history.
    pub(crate) fn flush(&self) -> Result<()> {
        let body = format!(r#"{{"stream":"{STREAM}"}}"#);
        let head = "content-type: application/json\r\n";
        let request = Request::new("POST /v1/flush", &self.key, head, body.as_bytes());
        let (status, body) = self.ask(&request)?;
        ensure!(
            status == 200,
            "flush: status {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }

    /// All metrics without labels, by name.
    pub(crate) fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let (status, body) = self.ask(&Request::get("/metrics", &self.key))?;
        ensure!(status == 200, "metrics: status {status}");
        Ok(parse_metrics(&String::from_utf8_lossy(&body)))
    }
}

/// Lines of `name value`; comments and lines with labels are left out.
fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains('{'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_metrics_without_labels() {
        let text =
            "# HELP a b\nmainstem_admitted_rows_total 7\nmainstem_x{reason=\"a\"} 1\n# EOF\n";
        let metrics = parse_metrics(text);
        assert_eq!(
            metrics,
            BTreeMap::from([("mainstem_admitted_rows_total".to_owned(), 7.0)])
        );
    }
}
