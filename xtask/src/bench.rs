//! `cargo xtask bench`: builds the release programs and runs a bench with the rest of the line.

mod peers;

use anyhow::Result;

use crate::{shell, steps};

/// Builds in release and runs the bench; `--json` and all other flags are the bench's own.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package=mainstem",
        "--package=mainstem-bench",
    ];
    let mut build = shell::command("cargo", &build);
    let is_cluster = args.first().is_some_and(|bench| bench == "cluster");
    if is_cluster {
        build.arg(steps::CLUSTER);
    }
    let peers = peers::arguments(args);
    // What the bench prints on stdout may be read by a machine.
    eprintln!("building the release programs");
    let status = build.status()?;
    anyhow::ensure!(status.success(), "the release build failed");
    let target = target_folder()?;
    let program = format!("{target}/release/mainstem-bench");
    let mut bench = shell::command(&program, &[]);
    bench
        .args(args)
        .args(peers)
        .arg("--mainstem")
        .arg(format!("{target}/release/mainstem"));
    if is_cluster {
        bench.arg("--cluster").arg(std::env::current_exe()?);
    }
    let status = bench.status()?;
    anyhow::ensure!(status.success(), "the bench failed ({status})");
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<String> {
    let args = ["metadata", "--format-version=1", "--no-deps", "--offline"];
    let text = shell::output(&mut shell::command("cargo", &args))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    Ok(metadata["target_directory"]
        .as_str()
        .unwrap_or("target")
        .to_owned())
}
