//! A program of others that is told a job as JSON on its standard input and answers in JSON.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::{Serialize, de::DeserializeOwned};

/// Runs it to its end; what it printed.
///
/// # Errors
/// When it fails, with all that it said about it.
pub(crate) fn exchange<T: DeserializeOwned>(
    command: &mut Command,
    job: &impl Serialize,
) -> Result<T> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let mut input = child.stdin.take().context("a pipe to a program")?;
    input.write_all(&serde_json::to_vec(job)?)?;
    drop(input);
    let output = child.wait_with_output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {words}");
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {program} answered"))
}
