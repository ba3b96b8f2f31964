//! Pages that the program writes itself: the reference of functions, of settings and of routes.
//!
//! The tests compare each page with what the program says; this lets them write it instead.

use anyhow::Result;

use crate::shell;

/// Writes the pages anew.
pub(crate) fn run() -> Result<()> {
    let args = [
        "test",
        "--locked",
        "--quiet",
        "-pmainstem-sql",
        "-pmainstem-node",
        "-pmainstem-gateway",
        "page_is_current",
    ];
    shell::run(shell::command("cargo", &args).env("UPDATE_EXPECT", "1"))
}
