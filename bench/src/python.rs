//! Programs of others in Python: each in a virtual environment of its own, never in the machine's.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use mainstem_disk::{Disk, RealDisk};
use serde::{Serialize, de::DeserializeOwned};

/// Runs a script with a job as JSON on its standard input; what it printed, as JSON.
pub(crate) fn run<T: DeserializeOwned>(
    python: &Path,
    script: &str,
    job: &impl Serialize,
) -> Result<T> {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", python.display()))?;
    let mut input = child.stdin.take().context("a pipe to Python")?;
    input.write_all(&serde_json::to_vec(job)?)?;
    drop(input);
    let output = child.wait_with_output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "Python failed: {words}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A Python that has these packages: made in `folder/NAME-venv` at the first call.
pub(crate) fn with(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let environment = folder.join(format!("{name}-venv"));
    let python = environment.join("bin/python");
    if RealDisk.stat(&python)?.is_none() {
        RealDisk.create_dirs(folder)?;
        let mut make = Command::new("python3");
        done(make.args(["-m", "venv"]).arg(&environment))?;
    }
    let mut install = Command::new(&python);
    done(
        install
            .args(["-m", "pip", "install", "--quiet"])
            .args(packages),
    )?;
    Ok(python)
}

fn done(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {words}");
    Ok(())
}
