//! The house rules that a machine can check; each finding names the file and the rule.

mod edges;
mod pages;
mod sources;

use std::{fs, path::Path};

use anyhow::{Result, bail};

use crate::shell;

/// A broken rule.
pub(crate) struct Finding {
    file: String,
    rule: String,
}

impl Finding {
    fn new(file: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            rule: rule.into(),
        }
    }
}

/// Checks everything and prints all findings.
pub(crate) fn run() -> Result<()> {
    let findings = findings()?;
    for finding in &findings {
        println!("tidy: {}: {}", finding.file, finding.rule);
    }
    if !findings.is_empty() {
        bail!("{} of the house rules are broken", findings.len());
    }
    println!("tidy: nothing to say");
    Ok(())
}

fn findings() -> Result<Vec<Finding>> {
    let files = tracked_files()?;
    let mut findings = edges::check()?;
    findings.extend(sources::check(&files));
    findings.extend(pages::check(&files));
    Ok(findings)
}

/// A file of the repository: its path from the root, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files that git tracks or would track.
fn tracked_files() -> Result<Vec<File>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let list = shell::output(&mut shell::command("git", &list))?;
    let root = shell::root();
    let read = |path: &str| -> Option<File> {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(File {
            path: path.to_owned(),
            text,
        })
    };
    Ok(list.lines().filter_map(read).collect())
}

/// Whether a path names something that exists, seen from the repository's root.
fn exists(path: &str) -> bool {
    Path::new(&shell::root()).join(path).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let findings = findings().expect("tidy could not run");
        let text: Vec<_> = findings
            .iter()
            .map(|f| format!("{}: {}", f.file, f.rule))
            .collect();
        assert!(text.is_empty(), "{}", text.join("\n"));
    }
}
