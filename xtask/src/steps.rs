//! What `test`, `ci`, `sim`, `crash` and `fuzz` run, in order.

use anyhow::{Context, Result, bail};

use crate::{cluster, python, shell, tidy};

/// What the program is built with to run beyond one machine.
pub(crate) const CLUSTER: &str = "--features=mainstem/cluster";

/// Where the checks run: a server has every optional tool, a laptop may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A missing optional tool is named as skipped.
    Laptop,
    /// A missing optional tool is a failure.
    Server,
}

/// Everything that must pass.
pub(crate) fn test(place: Place) -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    clippy(&[])?;
    if protoc().is_ok() {
        clippy(&[CLUSTER])?;
    }
    cargo(&["test", "--workspace", "--locked", "--quiet"])?;
    deny(place)?;
    python::proofs(place)?;
    match place {
        Place::Server => cluster::run_quickly()?,
        Place::Laptop => println!(
            "\nSKIPPED: what is promised beyond one machine: cargo xtask cluster test [--quick]"
        ),
    }
    println!("\nall checks passed");
    Ok(())
}

fn clippy(features: &[&str]) -> Result<()> {
    let mut args = vec!["clippy", "--workspace", "--all-targets", "--locked"];
    args.extend(features);
    args.extend(["--", "--deny=warnings"]);
    cargo(&args)
}

/// Whether the messages of Spark Connect can be generated.
///
/// # Errors
/// When there is no protoc: with how to get it.
pub(crate) fn protoc() -> Result<()> {
    let program = std::env::var_os("PROTOC").unwrap_or_else(|| "protoc".into());
    let program = program.to_string_lossy();
    shell::output(&mut shell::command(&program, &["--version"]))
        .map(drop)
        .context("install protoc (Debian: apt-get install protobuf-compiler), or set PROTOC")
}

/// Seeded simulations: their sections, the package of each and its tests.
const SIMS: [(&str, &str, &str); 4] = [
    ("log", "--package=mainstem-sim", "sim_power"),
    ("views", "--package=mainstem-flow", "sim_views"),
    ("crashes", "--package=mainstem-flow", "sim_crash"),
    ("zero-sum", "--package=mainstem-flow", "sim_zero_sum"),
];

/// Seeded simulation, longer than the tests run it; of one section, or all of them.
pub(crate) fn sim(args: &[String]) -> Result<()> {
    let wanted = args.first().filter(|arg| !arg.starts_with("--"));
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let sections: Vec<_> = SIMS.iter().filter(|(name, ..)| is_wanted(name)).collect();
    if sections.is_empty() {
        let names: Vec<&str> = SIMS.iter().map(|(name, ..)| *name).collect();
        bail!("expected a section of: {}", names.join(", "));
    }
    for (name, package, tests) in sections {
        println!("\nsimulation: {name}");
        let command = [
            "test",
            "--release",
            package,
            "--locked",
            "--",
            "--nocapture",
            tests,
        ];
        shell::run(
            shell::command("cargo", &command)
                .env("MAINSTEM_SIM_SEED", number(args, "--seed", 1)?.to_string())
                .env(
                    "MAINSTEM_SIM_ROUNDS",
                    number(args, "--rounds", 1_000)?.to_string(),
                )
                .env(
                    "MAINSTEM_SIM_STRIDE",
                    number(args, "--stride", 1)?.to_string(),
                )
                .env(
                    "MAINSTEM_SIM_TRANSFERS",
                    number(args, "--transfers", 10_000_000)?.to_string(),
                ),
        )?;
    }
    Ok(())
}

/// The acknowledgement ledger and the vouchers from outside, longer than the tests run them.
pub(crate) fn crash(args: &[String]) -> Result<()> {
    let kills = number(args, "--kills", 100)?;
    let clients = number(args, "--clients", 10_000)?;
    let args = [
        "test",
        "--package=mainstem",
        "--locked",
        "--",
        "--nocapture",
        "crash",
    ];
    shell::run(
        shell::command("cargo", &args)
            .env("MAINSTEM_KILLS", kills.to_string())
            .env("MAINSTEM_CLIENTS", clients.to_string()),
    )
}

/// Seeded mutation of everything that is parsed, longer than the tests run it.
pub(crate) fn fuzz(args: &[String]) -> Result<()> {
    let rounds = number(args, "--rounds", 1_000_000)?;
    let args = [
        "test",
        "--release",
        "--workspace",
        "--locked",
        "--",
        "--nocapture",
        "mutat",
    ];
    shell::run(shell::command("cargo", &args).env("MAINSTEM_FUZZ_ROUNDS", rounds.to_string()))
}

/// Licences, sources and banned crates.
fn deny(place: Place) -> Result<()> {
    let is_there = shell::output(&mut shell::command("cargo", &["deny", "--version"])).is_ok();
    match (is_there, place) {
        (true, _) => {
            // It reads the crates of every platform; a build has fetched those of this one.
            cargo(&["fetch", "--locked"])?;
            cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"])
        }
        (false, Place::Laptop) => {
            println!("\nSKIPPED: cargo-deny is not installed: cargo install --locked cargo-deny");
            Ok(())
        }
        (false, Place::Server) => {
            bail!("cargo-deny is not installed: cargo install --locked cargo-deny")
        }
    }
}

fn cargo(args: &[&str]) -> Result<()> {
    shell::run(&mut shell::command("cargo", args))
}

/// The number behind a flag, or what it is by default.
fn number(args: &[String], flag: &str, default: u64) -> Result<u64> {
    let Some(at) = args.iter().position(|arg| arg == flag) else {
        return Ok(default);
    };
    let text = args
        .get(at + 1)
        .with_context(|| format!("{flag} wants a number"))?;
    text.parse()
        .with_context(|| format!("{flag} wants a number, found \"{text}\""))
}
