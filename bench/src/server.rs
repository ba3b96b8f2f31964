//! The server under measurement: a child process on a free port, with a data folder of its own.
//!
//! It is the release program as users start it. Nothing here looks into it, except through its
//! doors and /proc.

#![expect(
    clippy::disallowed_methods,
    reason = "a child process needs files that Disk cannot give"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::{Connection, Request},
    load::Target,
};

/// The stream that the benches fill.
pub(crate) const STREAM: &str = "readings";
const READY_MAX: Duration = Duration::from_secs(120);
const LIVE_MAX: Duration = Duration::from_secs(600);
const LIVE_POLL: Duration = Duration::from_millis(20);
const STOP_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);
/// Lines of the server's own words that an error shows.
const LOG_LINES: usize = 15;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    /// Holds `data`, `app`, the settings and the log.
    folder: PathBuf,
    child: Child,
    address: SocketAddr,
    key: String,
    /// From the start of the process to open doors.
    pub(crate) ready_after: Duration,
}

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
    pub(crate) state_bytes: u64,
}

impl Server {
    /// Starts the program on an empty folder, with `settings` for what differs from the
    /// defaults, and applies the application.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        (settings, app): (&str, &str),
    ) -> Result<Self> {
        fs::create_dir_all(folder.join("app/fleet_bench"))?;
        fs::write(folder.join("app/fleet_bench/readings.sql"), app)?;
        fs::write(folder.join("settings.toml"), settings)?;
        let server = Self::launch(program, folder)?;
        server.apply()?;
        Ok(server)
    }

    /// Ends the process at once, as a crash does, and starts it on what it left.
    pub(crate) fn crash_and_restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let (program, folder) = (self.program.clone(), self.folder.clone());
        *self = Self::launch(&program, &folder)?;
        Ok(())
    }

    /// Asks the process to end, and says how long it took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let begin = SystemClock.monotonic();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        while SystemClock.monotonic() - begin < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                ensure!(
                    status.success(),
                    "the server ended with {status}\n{}",
                    self.last_words()
                );
                return Ok(SystemClock.monotonic() - begin);
            }
            thread::sleep(POLL);
        }
        bail!(
            "the server did not end within {} s of SIGTERM",
            STOP_MAX.as_secs()
        )
    }

    fn launch(program: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("server.log"))?;
        let begin = SystemClock.monotonic();
        let child = Command::new(program)
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join("settings.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut server = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            child,
            address,
            key: String::new(),
            ready_after: Duration::ZERO,
        };
        server.wait_until_ready(begin)?;
        let key = fs::read_to_string(server.data().join("admin.key")).context("admin.key")?;
        key.trim().clone_into(&mut server.key);
        Ok(server)
    }

    fn wait_until_ready(&mut self, begin: Duration) -> Result<()> {
        while SystemClock.monotonic() - begin < READY_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}\n{}", self.last_words());
            }
            if self
                .ask(&Request::get("/readyz", ""))
                .is_ok_and(|(status, _)| status == 200)
            {
                self.ready_after = SystemClock.monotonic() - begin;
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!(
            "no /readyz within {} s\n{}",
            READY_MAX.as_secs(),
            self.last_words()
        )
    }

    /// Changes the application to this.
    pub(crate) fn change(&self, app: &str) -> Result<()> {
        fs::write(self.folder.join("app/fleet_bench/readings.sql"), app)?;
        self.apply()
    }

    /// As a user does: by the command line.
    fn apply(&self) -> Result<()> {
        let output = Command::new(&self.program)
            .args([
                "apply",
                "--yes",
                "--url",
                &format!("http://{}", self.address),
            ])
            .args(["--key", &self.key])
            .arg(self.folder.join("app/fleet_bench"))
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "apply failed: {words}\n{}",
            self.last_words()
        );
        Ok(())
    }

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

    /// How the server is doing.
    pub(crate) fn status(&self) -> Result<Status> {
        let (status, body) = self.ask(&Request::get("/v1/status", &self.key))?;
        ensure!(status == 200, "status: {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    /// Where a load is sent.
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            address: self.address,
            key: &self.key,
            stream: STREAM,
            pid: self.pid(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
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

    /// One request on a connection of its own.
    fn ask(&self, request: &Request) -> Result<(u16, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut connection = Connection::open(self.address).await?;
            let answer = connection.exchange(request).await?;
            Ok((answer.status, answer.body.to_vec()))
        })
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.len().saturating_sub(LOG_LINES);
        lines[last..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to end and nothing to tell.
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(_) | Err(_) => {}
        }
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
