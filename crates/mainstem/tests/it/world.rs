//! A data folder, a server process on it, and commands that are run against it.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::sync_channel,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// No command of a test takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with everything of one test.
pub(crate) struct World {
    root: TempDir,
}

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    reader: Option<JoinHandle<String>>,
    pub(crate) url: String,
    pub(crate) key: String,
}

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program under test.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstem"));
    command
        .env_remove("MAINSTEM_URL")
        .env_remove("MAINSTEM_KEY")
        .env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// The repository, where `apps/` is.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Starts a server on the data folder and waits until it listens.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, options: &[&str]) -> Server {
        self.try_serve("data", options)
            .unwrap_or_else(|said| panic!("no server: {said}"))
    }

    /// Starts a server; what it said if it ended instead of listening.
    pub(crate) fn try_serve(&self, data: &str, options: &[&str]) -> Result<Server, String> {
        let data = self.path(data);
        let mut child = program()
            .args(["serve", "--data"])
            .arg(&data)
            .args(options)
            .args(if options.contains(&"--listen") {
                &[][..]
            } else {
                &["--listen", "127.0.0.1:0"]
            })
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tx, rx) = sync_channel(1);
        let reader = thread::spawn(move || {
            let mut said = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                said.push_str(&line);
                said.push('\n');
                if line.contains(" listens on ") {
                    let _first = tx.try_send(());
                }
            }
            said
        });
        if rx.recv_timeout(PATIENCE).is_err() {
            let _ended = child.kill();
            let _code = child.wait();
            return Err(reader.join().unwrap());
        }
        let line = |name: &str| {
            std::fs::read_to_string(data.join(name))
                .unwrap()
                .trim()
                .to_owned()
        };
        let (url, key) = (line("endpoint"), line("admin.key"));
        Ok(Server {
            child,
            reader: Some(reader),
            url,
            key,
        })
    }

    /// Runs a command against the server of the data folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Printed {
        let data = self.data();
        let output = program()
            .current_dir(repository())
            .args(arguments)
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        self.printed(&output)
    }

    /// Runs a command that has to succeed, and returns what it printed on standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let printed = self.run(arguments);
        assert_eq!(printed.code, 0, "{arguments:?} failed:\n{}", printed.stderr);
        printed.stdout
    }

    /// Runs a command that has to fail with exit code 1, and returns what it said.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let printed = self.run(arguments);
        assert_eq!(
            printed.code, 1,
            "{arguments:?}:\n{}{}",
            printed.stdout, printed.stderr
        );
        printed.stderr
    }

    /// One value that a question is answered by.
    pub(crate) fn ask(&self, question: &str) -> String {
        let csv = self.ok(&["sql", "--format", "csv", question]);
        csv.lines().nth(1).unwrap_or_default().to_owned()
    }

    /// A command as a child process, to be killed.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = program();
        command
            .current_dir(repository())
            .args(arguments)
            .arg("--data")
            .arg(self.data());
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The repeatable part of what was printed: this run's folder and positions are masked.
    pub(crate) fn mask(&self, text: &str) -> String {
        let text = text.replace(&self.root.path().display().to_string(), "[ROOT]");
        let mut masked = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("p1-") {
            masked.push_str(&rest[..at]);
            masked.push_str("[POSITION]");
            rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        }
        masked + rest
    }

    fn printed(&self, output: &Output) -> Printed {
        let text = |bytes: &[u8]| self.mask(&String::from_utf8_lossy(bytes));
        Printed {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Server {
    /// Ends it as an operator does; what it said, and its exit code.
    pub(crate) fn stop(mut self) -> (String, i32) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let said = self.reader.take().unwrap().join().unwrap();
        (said, status.code().unwrap_or(-1))
    }

    /// Ends it as the worst moment does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _code = self.child.wait();
    }
}

/// One HTTP exchange without any library, so that also what no library sends can be sent.
pub(crate) fn raw(server: &Server, request: &str) -> String {
    use std::io::Write;
    let address = server.url.trim_start_matches("http://");
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A POST with the key; status line and body.
pub(crate) fn post(server: &Server, path: &str, kind: &str, body: &str) -> (u16, String) {
    let (key, length) = (&server.key, body.len());
    let answer = raw(
        server,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    );
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}
