//! What a bench with `--peers` needs: a Java, and Flink's and Kafka's jars by Maven in
//! `target/cluster/packages`.
//! Without them the bench goes on, says so, and has no peer.

use std::ffi::OsStr;

use anyhow::{Context, Result};

use crate::cluster::{java, packages, place};

/// Where Flink is, or why it is not, as arguments of the bench, if it does not say so itself.
pub(super) fn arguments(args: &[String]) -> Vec<String> {
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if !has("--peers") || has("--flink") || has("--help") {
        return Vec::new();
    }
    find().unwrap_or_else(|error| {
        eprintln!("FLINK IS SKIPPED: {error:#}");
        vec!["--flink-missing".to_owned(), format!("{error:#}")]
    })
}

fn find() -> Result<Vec<String>> {
    let java = java::find_for_flink()?;
    let packages = place::root()?.join("packages");
    let flink = std::env::join_paths(packages::flink(&packages)?)?;
    let kafka = std::env::join_paths(packages::kafka(&packages)?)?;
    let text = |path: &OsStr| path.to_str().map(str::to_owned);
    let arguments = [
        Some("--java".to_owned()),
        text(java.as_os_str()),
        Some("--flink".to_owned()),
        text(&flink),
        Some("--kafka".to_owned()),
        text(&kafka),
    ];
    let arguments: Option<Vec<String>> = arguments.into_iter().collect();
    arguments.context("the paths of Java and of its classes are no text")
}
