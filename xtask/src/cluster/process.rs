//! Processes of the engines: started so that they outlive this one, found again by their command
//! line, stopped.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::place;
use crate::shell;

/// How long a process may take to end by itself. What was acknowledged survives a kill too.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A running engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// The engine's folder, which names it.
    pub(crate) folder: PathBuf,
    pub(crate) pid: u32,
    pub(crate) resident_mib: u64,
}

/// Starts a command in a group of its own, so that neither Ctrl-C nor the end of the terminal
/// reaches it, with all it says in `log`.
pub(crate) fn start(command: &mut Command, log: &Path) -> Result<u32> {
    let file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let errors = file.try_clone()?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not start {:?}", command.get_program()))?;
    Ok(child.id())
}

/// All engines that run under `root`, of whatever form.
pub(crate) fn running(root: &Path) -> Result<Vec<Process>> {
    let mut list = shell::command("ps", &["-A", "-ww", "-o", "pid=,rss=,args="]);
    let list = shell::output(&mut list)?;
    Ok(list.lines().filter_map(|line| read(line, root)).collect())
}

/// A line of `ps`: pid, resident KiB, command line.
fn read(line: &str, root: &Path) -> Option<Process> {
    let folder = place::marked(line, root)?;
    let mut words = line.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let resident_kib: u64 = words.next()?.parse().ok()?;
    Some(Process {
        folder,
        pid,
        resident_mib: resident_kib / 1024,
    })
}

/// Stops all of them; kills what does not end by itself.
pub(crate) fn stop(root: &Path) -> Result<Vec<Process>> {
    let stopped = running(root)?;
    signal("-TERM", &stopped)?;
    let start = Instant::now();
    let mut left = stopped.clone();
    while !left.is_empty() && start.elapsed() < STOP_MAX {
        thread::sleep(Duration::from_millis(200));
        left = running(root)?;
    }
    signal("-KILL", &left)?;
    let start = Instant::now();
    while !left.is_empty() {
        if start.elapsed() > STOP_MAX {
            let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
            bail!("processes {} do not end even when killed", pids.join(", "));
        }
        thread::sleep(Duration::from_millis(200));
        left = running(root)?;
    }
    Ok(stopped)
}

fn signal(name: &str, processes: &[Process]) -> Result<()> {
    for process in processes {
        // It may have ended by itself meanwhile.
        let _ended = Command::new("kill")
            .args([name, &process.pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .context("could not start `kill`")?;
    }
    Ok(())
}

/// The last lines that an engine has said.
pub(crate) fn end_of_log(log: &Path) -> String {
    const LINES: usize = 20;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let lines = lines.get(from..).unwrap_or_default();
    let shown = lines.iter().map(|line| format!("  | {line}"));
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_ps() {
        let root = Path::new("/t/cluster");
        let line = "  815 1048576 java -Dmainstem.engine=/t/cluster/1-1/spark -Xmx2g X";
        let expected = Process {
            folder: root.join("1-1/spark"),
            pid: 815,
            resident_mib: 1024,
        };
        assert_eq!(read(line, root), Some(expected));
        assert_eq!(read("  1 100 /sbin/init", root), None);
    }
}
