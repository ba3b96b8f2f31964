//! The server under measurement: a child process on a free port, with a data folder of its own.
//!
//! It is the release program as users start it. Nothing here looks into it, except through its
//! doors and /proc.

#![expect(
    clippy::disallowed_methods,
    reason = "a child process needs files that Disk cannot give"
)]

mod ask;

use std::{
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

use crate::{
    client::{Connection, Request},
    load::Target,
};

/// The stream that the benches fill.
pub(crate) const STREAM: &str = "readings";
const READY_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);
/// Lines of the server's own words that an error shows.
const LOG_LINES: usize = 15;

/// What a server runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Its own disk.
    OneMachine,
    /// Kafka, Spark and Cassandra.
    Cluster,
}

impl Engine {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::OneMachine => &[],
            Self::Cluster => &["--engine", "cluster"],
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    engine: Engine,
    /// Holds `data`, `app`, the settings and the log.
    folder: PathBuf,
    child: Child,
    address: SocketAddr,
    key: String,
    /// From the start of the process to open doors.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts the program on an empty folder, with `settings` for what differs from the
    /// defaults, and applies the application.
    pub(crate) fn start(
        (program, engine): (&Path, Engine),
        folder: &Path,
        (settings, app): (&str, &str),
    ) -> Result<Self> {
        fs::create_dir_all(folder.join("app/fleet_bench"))?;
        fs::write(folder.join("app/fleet_bench/readings.sql"), app)?;
        fs::write(folder.join("settings.toml"), settings)?;
        let server = Self::launch((program, engine), folder)?;
        server.apply()?;
        Ok(server)
    }

    /// Ends the process at once, as a crash does, and starts it on what it left.
    pub(crate) fn crash_and_restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let (program, folder) = (self.program.clone(), self.folder.clone());
        *self = Self::launch((&program, self.engine), &folder)?;
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

    fn launch((program, engine): (&Path, Engine), folder: &Path) -> Result<Self> {
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
            .args(engine.arguments())
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
            engine,
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

    /// The same, without waiting for what has to be built.
    pub(crate) fn declare(&self, app: &str) -> Result<()> {
        fs::write(self.folder.join("app/fleet_bench/readings.sql"), app)?;
        self.apply_with(&["--no-wait"])
    }

    fn apply(&self) -> Result<()> {
        self.apply_with(&[])
    }

    /// As a user does: by the command line.
    fn apply_with(&self, options: &[&str]) -> Result<()> {
        let output = Command::new(&self.program)
            .args([
                "apply",
                "--yes",
                "--url",
                &format!("http://{}", self.address),
            ])
            .args(["--key", &self.key])
            .args(options)
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

    /// Writes events.
    pub(crate) fn write(&self, stream: &str, events: &str) -> Result<()> {
        let (status, answer) = self.ask(&Request::events(stream, &self.key, events.as_bytes()))?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(status == 200, "status {status}: {answer}");
        Ok(())
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
