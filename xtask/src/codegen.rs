//! Pages that are written by the program itself: the reference of functions and of settings.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Each page, and the example that prints it.
const PAGES: &[(&str, &str, &str)] = &[
    (
        "docs/reference/functions.md",
        "mainstem-sql",
        "functions_page",
    ),
    (
        "docs/reference/settings.md",
        "mainstem-node",
        "settings_page",
    ),
];

/// Writes the pages, or with `--check` says which are out of date.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let is_check = args.iter().any(|arg| arg == "--check");
    let mut stale = Vec::new();
    for (page, package, example) in PAGES {
        let args = [
            "run",
            "--quiet",
            "--locked",
            "--package",
            package,
            "--example",
            example,
        ];
        let wanted = shell::output(&mut shell::command("cargo", &args))?;
        let path = shell::root().join(page);
        if fs::read_to_string(&path).unwrap_or_default() == wanted {
            continue;
        }
        if is_check {
            stale.push(*page);
            continue;
        }
        let folder = path.parent().context("a page has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, wanted)?;
        println!("wrote {page}");
    }
    if !stale.is_empty() {
        bail!(
            "out of date, run `cargo xtask codegen`: {}",
            stale.join(", ")
        );
    }
    Ok(())
}
