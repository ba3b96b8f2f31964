//! Running other programs, with what is run printed first.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// How often it is looked whether a command has ended.
const POLL: Duration = Duration::from_millis(100);

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A command that runs in the repository's folder.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a command with its output shown; fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    println!("\n==> {line}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("could not start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    println!("    took {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command with its output shown; fails when it does, and when it takes too long.
pub(crate) fn run_within(command: &mut Command, max: Duration) -> Result<()> {
    let line = shown(command);
    println!("\n==> {line}");
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("could not start `{line}`"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > max {
            child.kill()?;
            child.wait()?;
            bail!("`{line}` was stopped: it took longer than {max:?}");
        }
        thread::sleep(POLL);
    };
    ensure!(status.success(), "`{line}` failed ({status})");
    println!("    took {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command and takes what it answers, with all else that it says shown; fails when it does.
pub(crate) fn answer(command: &mut Command) -> Result<String> {
    command.stderr(Stdio::inherit());
    output(command)
}

/// Runs a command and takes what it prints; fails when it does.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .output()
        .with_context(|| format!("could not start `{line}`"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{line}` failed ({}): {errors}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy();
    let args = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned());
    [program.into_owned()]
        .into_iter()
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}
