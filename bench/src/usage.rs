//! What a process used: processor time by thread, and memory. Read from Linux's /proc.
//!
//! It never measures how long something takes.

#![expect(
    clippy::disallowed_methods,
    reason = "/proc is no disk: its files have no length"
)]

use std::{collections::BTreeMap, fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result};
use mainstem_kernel::{Clock, clock::SystemClock};

/// Ticks per second in /proc/<pid>/stat; Linux shows 100 on every platform it has.
const TICKS: f64 = 100.0;
/// A process rests that uses no more than this share of one processor for so long: longer than a
/// server with the usual settings puts anything off.
const REST_WINDOW: Duration = Duration::from_secs(6);
const REST_SHARE: f64 = 0.05;

/// What a process had used up to some moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// Processor seconds, all threads that ever were.
    pub(crate) cpu: f64,
    /// Processor seconds of each living thread, by thread.
    threads: BTreeMap<u32, (String, f64)>,
}

/// What a process used between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    /// Processor seconds.
    pub(crate) cpu: f64,
    /// Processor seconds by thread name, numbers at the end of names left out.
    pub(crate) threads: BTreeMap<String, f64>,
}

impl Usage {
    /// Up to now.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(process.join("stat")).context("reading /proc/<pid>/stat")?;
        let cpu = cpu_ticks(&stat).context("in /proc/<pid>/stat")? / TICKS;
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(process.join("task"))? {
            let task = entry?.path();
            let id = task
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            // A thread may end meanwhile.
            let name = fs::read_to_string(task.join("comm"));
            let schedstat = fs::read_to_string(task.join("schedstat"));
            if let (Some(id), Ok(name), Ok(schedstat)) = (id, name, schedstat) {
                let nanos = schedstat
                    .split(' ')
                    .next()
                    .and_then(|first| first.parse::<f64>().ok());
                threads.insert(id, (name.trim_end().to_owned(), nanos.unwrap_or(0.0) / 1e9));
            }
        }
        Ok(Self { cpu, threads })
    }

    /// From `earlier` to this.
    pub(crate) fn since(&self, earlier: &Self) -> Spent {
        let mut threads: BTreeMap<String, f64> = BTreeMap::new();
        for (id, (name, cpu)) in &self.threads {
            let before = earlier.threads.get(id).map_or(0.0, |(_, cpu)| *cpu);
            *threads.entry(family(name).to_owned()).or_default() += cpu - before;
        }
        Spent {
            cpu: self.cpu - earlier.cpu,
            threads,
        }
    }
}

/// Waits until a process uses next to none of the processor.
///
/// # Errors
/// When it does not in that time.
pub(crate) fn wait_for_rest(pid: u32, most: Duration) -> Result<()> {
    let begin = SystemClock.monotonic();
    let mut before = Usage::of(pid)?.cpu;
    while SystemClock.monotonic() - begin < most {
        thread::sleep(REST_WINDOW);
        let now = Usage::of(pid)?.cpu;
        if now - before <= REST_WINDOW.as_secs_f64() * REST_SHARE {
            return Ok(());
        }
        before = now;
    }
    anyhow::bail!(
        "the server does not rest within {} s: its log says what it is at",
        most.as_secs()
    )
}

/// Bytes of a process that are in memory.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// Most bytes of a process that ever were in memory at once.
pub(crate) fn most_resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, name: &'static str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{name} in /proc/<pid>/status"))? * 1_024)
}

/// Bytes of all files below a folder.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        // A file may be gone by now.
        let Ok(about) = entry.metadata() else {
            continue;
        };
        bytes += if about.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}

/// Version of the kernel.
pub(crate) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim_end().to_owned()
}

/// User and system time; the name before them may hold anything, so fields count from its end.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A thread's name without the number at its end.
fn family(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | ' ' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0";
        assert_eq!(cpu_ticks(stat), Some(200.0));
        assert_eq!(cpu_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn threads_of_a_kind_are_one() {
        assert_eq!(family("admit-11"), "admit");
        assert_eq!(family("tokio-rt-worker"), "tokio-rt-worker");
    }

    #[test]
    fn sees_this_process() {
        let pid = std::process::id();
        let before = Usage::of(pid).unwrap();
        let sum = (0..20_000_000_u64).fold(0, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n));
        let spent = Usage::of(pid).unwrap().since(&before);
        let threads: f64 = spent.threads.values().sum();
        assert!(threads > 0.0, "computed {sum}");
        assert!(resident_bytes(pid).unwrap() > 1 << 20);
    }
}
