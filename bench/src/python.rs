//! Programs of others in Python: each in a virtual environment of its own, never in the machine's.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use mainstem_disk::{Disk, RealDisk};
use serde::{Serialize, de::DeserializeOwned};

use crate::script;

/// Runs a script with a job as JSON on its standard input; what it printed, as JSON.
pub(crate) fn run<T: DeserializeOwned>(
    python: &Path,
    code: &str,
    job: &impl Serialize,
) -> Result<T> {
    script::exchange(Command::new(python).args(["-c", code]), job)
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
