//! A node of ours: its settings, its process, and how it is killed, paused and started again.

#![expect(
    clippy::disallowed_methods,
    reason = "a child process needs files that Disk cannot give"
)]

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

use super::client::ask_once;
use crate::client::Request;

/// How long a node may take until it is ready: it reads definitions and joins its groups.
const READY_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);
/// Lines of its own words that an error shows.
const LOG_LINES: usize = 15;

/// A node and what it does.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl Node {
    /// Starts one in a folder of its own, with `settings`.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        (name, settings): (&str, &str),
    ) -> Result<Self> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("settings.toml"), settings)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(listener);
        let child = launch(program, &folder, address)?;
        Ok(Self {
            name: name.to_owned(),
            address,
            program: program.to_owned(),
            folder,
            child,
        })
    }

    /// The key of its door.
    pub(crate) fn key(&self) -> Result<String> {
        let path = self.folder.join("data/admin.key");
        let key = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(key.trim().to_owned())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let begin = SystemClock.monotonic();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}\n{}", self.name, self.last_words());
            }
            let answer = ask_once(self.address, &Request::get("/readyz", ""));
            let waited = SystemClock.monotonic() - begin;
            let said = match answer {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => format!("{status} {}", String::from_utf8_lossy(&body)),
                Err(error) => format!("{error:#}"),
            };
            ensure!(
                waited < READY_MAX,
                "{} is not ready: {said}\n{}",
                self.name,
                self.last_words()
            );
            thread::sleep(POLL);
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.child = launch(&self.program, &self.folder, self.address)?;
        self.wait_until_ready()
    }

    /// Stops or continues it, as a machine does that swaps.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let begin = SystemClock.monotonic();
        while SystemClock.monotonic() - begin < STOP_MAX {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("{} did not end within {STOP_MAX:?} of SIGTERM", self.name)
    }

    /// The last lines of what it said.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.len().saturating_sub(LOG_LINES);
        lines.get(last..).unwrap_or_default().join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to end and nothing to tell.
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(_) | Err(_) => {}
        }
    }
}

fn launch(program: &Path, folder: &Path, address: SocketAddr) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    Command::new(program)
        .args(["serve", "--engine", "cluster"])
        .args(["--listen", &address.to_string()])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--config")
        .arg(folder.join("settings.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}
