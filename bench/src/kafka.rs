//! Apache Kafka as a process of its own: one broker, the log that Flink has before and behind it.
//!
//! It is set as it comes, but for what makes an acknowledgement mean what it means with us: what is
//! acknowledged is on the disk.

#![expect(
    clippy::disallowed_methods,
    reason = "another program reads these files"
)]

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

const HEAP: &str = "1g";
/// Any sixteen bytes.
const CLUSTER: &str = "bWFpbnN0ZW0tYmVuY2gtMQ";
const READY_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Lines of its own words that an error shows.
const LOG_LINES: usize = 15;

/// What runs it.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    pub(crate) java: PathBuf,
    pub(crate) class_path: String,
}

/// A broker that runs; it ends with this.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Kafka {
    /// Starts a broker on a free port, with an empty folder of its own.
    pub(crate) fn start(&self, folder: &Path) -> Result<Broker> {
        fs::create_dir_all(folder)?;
        let (address, controller) = (free_address()?, free_address()?);
        let settings = folder.join("server.properties");
        fs::write(&settings, properties(folder, address, controller))?;
        let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"];
        let output = self.command().args(format).arg(&settings).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "Kafka's folder: {words}");
        let log = File::create(folder.join("broker.log"))?;
        let child = self
            .command()
            .arg("kafka.Kafka")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting Kafka")?;
        let mut broker = Broker {
            child,
            folder: folder.to_owned(),
            address,
        };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    fn command(&self) -> Command {
        let mut java = Command::new(&self.java);
        java.args([format!("-Xms{HEAP}"), format!("-Xmx{HEAP}")])
            .args([
                "-XX:+UseParallelGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            ])
            .args(["-cp", &self.class_path]);
        java
    }
}

impl Broker {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = SystemClock.monotonic();
        while SystemClock.monotonic() - begin < READY_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("Kafka ended with {status}\n{}", self.last_words());
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        let seconds = READY_MAX.as_secs();
        bail!(
            "Kafka did not listen within {seconds} s\n{}",
            self.last_words()
        )
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("broker.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to end and nothing to tell.
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(_) | Err(_) => {}
        }
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

fn properties(folder: &Path, address: SocketAddr, controller: SocketAddr) -> String {
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1

# What is acknowledged is on the disk, as with us.
log.flush.interval.messages=1
",
        data = folder.join("data").display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_acknowledges_is_on_the_disk() {
        let [address, controller] = [9_092, 9_093].map(|port| ([127, 0, 0, 1], port).into());
        let text = properties(Path::new("/x"), address, controller);
        for line in [
            "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
            "log.dirs=/x/data",
            "log.flush.interval.messages=1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
