//! What a bench with `--peers` needs: a Java, and Flink's jars by Maven in `target/cluster/packages`.
//! Without them the bench goes on, says so, and has no peer.

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
    let jars = packages::flink(&place::root()?.join("packages"))?;
    let class_path = std::env::join_paths(jars)?;
    let class_path = class_path.to_str().context("Flink's class path")?;
    let java = java.to_str().context("the path of Java")?;
    Ok(["--java", java, "--flink", class_path]
        .map(str::to_owned)
        .into())
}
