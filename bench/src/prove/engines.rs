//! The engines, which another program starts: it says their processes and brings them back.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::usage::Usage;

/// The words that start and name them.
#[derive(Clone, Debug)]
pub(crate) struct Engines {
    /// The program, and what is said behind `up`.
    program: String,
    form: Vec<String>,
}

impl Engines {
    /// `xtask --brokers 3 --cassandras 3`: a program and its form.
    pub(crate) fn new(command: &str) -> Result<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = words.next().context("--cluster names no program")?;
        Ok(Self {
            program,
            form: words.collect(),
        })
    }

    /// Lines of their names and processes.
    fn processes(&self) -> Result<String> {
        let output = Command::new(&self.program)
            .args(["cluster", "pids"])
            .output()
            .with_context(|| format!("starting {}", self.program))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Processor seconds of each kind of them, up to now.
    pub(crate) fn used(&self) -> Result<BTreeMap<String, f64>> {
        let mut used = BTreeMap::new();
        let text = self.processes()?;
        for (name, pid) in text.lines().filter_map(|line| line.split_once(' ')) {
            let kind = name.split('-').next().unwrap_or(name);
            *used.entry(kind.to_owned()).or_default() += Usage::of(pid.trim().parse()?)?.cpu;
        }
        Ok(used)
    }

    /// Sends a signal to one of them.
    pub(crate) fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let text = self.processes()?;
        let pid = find(&text, name).with_context(|| format!("{name} does not run: {text}"))?;
        let pid = Pid::from_raw(pid).context("a process has a number")?;
        kill_process(pid, signal).with_context(|| format!("could not signal {name}"))
    }

    /// Has something done to them.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<()> {
        let output = Command::new(&self.program)
            .arg("cluster")
            .args(words)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", words.join(" "));
        Ok(())
    }

    /// Starts those that do not run, and waits until all answer.
    pub(crate) fn up(&self) -> Result<()> {
        let output = Command::new(&self.program)
            .args(["cluster", "up"])
            .args(&self.form)
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "the engines did not come back: {words}"
        );
        Ok(())
    }
}

/// The process of a name among lines of `name pid`.
fn find(text: &str, name: &str) -> Option<i32> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(found, _)| *found == name)?
        .1
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_process_by_its_name() {
        let text = "kafka-1 815\nkafka-10 99\nspark 7\n";
        assert_eq!(find(text, "kafka-1"), Some(815));
        assert_eq!(find(text, "spark"), Some(7));
        assert_eq!(find(text, "kafka"), None);
    }
}
