//! How much is built: the number of crates, and the time of a cold release build.

use std::{collections::BTreeSet, time::Instant};

use anyhow::Result;

use crate::shell;

/// Prints the number of crates; with `--cold` also builds in an empty folder and prints the time.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let tree = [
        "tree",
        "--package=mainstem",
        "--edges=normal,build",
        "--prefix=none",
        "--locked",
    ];
    let tree = shell::output(&mut shell::command("cargo", &tree))?;
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(" (").next())
        .map(str::trim)
        .collect();
    let ours = crates
        .iter()
        .filter(|name| name.starts_with("mainstem"))
        .count();
    println!(
        "crates in `mainstem`: {} ({ours} of them ours)",
        crates.len()
    );
    if !args.iter().any(|arg| arg == "--cold") {
        return Ok(());
    }
    let folder = shell::root().join("target/cold");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let start = Instant::now();
    let build = ["build", "--release", "--locked", "--package=mainstem"];
    shell::run(shell::command("cargo", &build).env("CARGO_TARGET_DIR", &folder))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    println!("cold release build: {minutes:.1} min on {cores} cores");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
