//! `cargo xtask cluster`: real Kafka, Cassandra and Spark Connect on this machine, from their
//! published packages, for tests and for trying Mainstem at scale. No containers: three kinds of
//! Java processes, which are found again by their command lines.
//!
//! Everything lies under `target/cluster`: `packages/`, and a folder per form (`1-1`, `3-3`) with
//! one per engine in it: settings, data, log. What a node has to know of it is written to
//! `deploy/local-cluster.toml`.

mod addresses;
mod cassandra;
#[cfg(test)]
mod compose;
mod disk;
mod form;
pub(crate) mod java;
mod kafka;
mod machine;
pub(crate) mod packages;
pub(crate) mod place;
mod process;
mod proof;
mod prove;
mod ready;
mod rights;
mod spark;
mod start;
mod trouble;

use std::fs;

use anyhow::{Context, Result, bail};

use form::{Engine, Form, Kind};
use place::{Place, Tools};
use process::Process;
pub(crate) use prove::run_quickly;
use trouble::hinted;

const HELP: &str = "\
cargo xtask cluster up [--brokers 1|3] [--cassandras 1|3] [--kafka-disk-mib N]
                    start Kafka, Cassandra and Spark, wait until each answers; again is harmless
cargo xtask cluster test [--brokers 1|3] [--cassandras 1|3]
                    try what is promised at scale on them; starts and stops them if need be
cargo xtask cluster test --quick
                    the part of it that takes minutes, on the small form
cargo xtask cluster prove [--brokers 1|3] [--cassandras 1|3] [...]
                    clients write while gateways, workers and engines are killed and paused; what
                    they were told is compared with what is there (--help for its options)
cargo xtask cluster forbid PREFIX RIGHT... | allow PREFIX
                    take rights on topics, groups and transactional ids of a prefix away, and give
                    them back; topic:write is one
cargo xtask cluster fill NAME | empty NAME
                    leave no room on the disk of a broker that has its own, and take that back
cargo xtask cluster status
                    what runs, where, and how much memory it holds
cargo xtask cluster down [--purge]
                    stop all of them; with --purge delete their data too
";

/// Runs one of the verbs.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up", ..] => up_as_told(args.get(1..).unwrap_or_default()),
        ["test", "--quick"] => run_quickly(),
        ["test", ..] => prove::run(Form::parse(args.get(1..).unwrap_or_default())?),
        ["prove", ..] => proof::run(args.get(1..).unwrap_or_default()),
        ["forbid", prefix, rights @ ..] => rights::forbid(prefix, rights),
        ["allow", prefix] => rights::allow(prefix),
        ["fill", name] => disk::fill(&place::root()?, name),
        ["empty", name] => disk::empty(&places()?, name),
        ["status"] => status(),
        ["pids"] => pids(),
        ["down"] => down(),
        ["down", "--purge"] => {
            down()?;
            purge()
        }
        _ => bail!("expected up, test, prove, forbid, allow, fill, empty, status or down\n{HELP}"),
    }
}

/// `up` with its flags.
fn up_as_told(args: &[String]) -> Result<()> {
    const DISK: &str = "--kafka-disk-mib";
    let mut of_form = args.to_vec();
    let Some(at) = args.iter().position(|word| word == DISK) else {
        return up(Form::parse(&of_form)?);
    };
    let told: Vec<String> = of_form.drain(at..(at + 2).min(args.len())).collect();
    let mib = told.get(1).and_then(|text| text.parse().ok());
    let mib = mib.with_context(|| format!("{DISK} wants a number of MiB"))?;
    let form = Form::parse(&of_form)?;
    disk::give(&Place::new(form)?, mib)?;
    up(form)
}

/// Starts what does not run yet, and waits until all of it answers.
fn up(form: Form) -> Result<()> {
    let place = Place::new(form)?;
    let running = process::running(&place.root)?;
    refuse_other_form(&place, &running)?;
    let is_down = |engine: &Engine| {
        let folder = place.folder(engine);
        running.iter().all(|process| process.folder != folder)
    };
    let missing: Vec<Engine> = form.engines().into_iter().filter(is_down).collect();
    if !missing.is_empty() {
        machine::check_memory(&missing)?;
        machine::check_addresses(&missing)?;
        let tools = Tools::find(&place.root)?;
        start::all(&missing, &place, &tools)?;
    }
    start::wait(&form.engines(), &place)?;
    let file = addresses::write(&place)?;
    print_status(&place)?;
    println!("\nthe addresses, as settings: {file}");
    Ok(())
}

fn refuse_other_form(place: &Place, running: &[Process]) -> Result<()> {
    match running
        .iter()
        .find(|process| !process.folder.starts_with(&place.base))
    {
        None => Ok(()),
        Some(other) => Err(hinted(
            format!(
                "a cluster of another form runs: {} (pid {})",
                other.folder.display(),
                other.pid
            ),
            "cargo xtask cluster down; its data stays until --purge",
        )),
    }
}

/// Prints what runs of whichever form.
fn status() -> Result<()> {
    let running = process::running(&place::root()?)?;
    for place in places()? {
        if running
            .iter()
            .any(|process| process.folder.starts_with(&place.base))
        {
            return print_status(&place);
        }
    }
    println!("nothing runs: cargo xtask cluster up");
    Ok(())
}

/// The folders of all forms.
fn places() -> Result<Vec<Place>> {
    let forms = [(1, 1), (1, 3), (3, 1), (3, 3)];
    let forms = forms.map(|(brokers, cassandras)| Form {
        brokers,
        cassandras,
    });
    forms.into_iter().map(Place::new).collect()
}

/// Prints the name and process of each that runs: for programs.
fn pids() -> Result<()> {
    for process in process::running(&place::root()?)? {
        let name = process.folder.file_name().unwrap_or_default();
        println!("{} {}", name.to_string_lossy(), process.pid);
    }
    Ok(())
}

fn print_status(place: &Place) -> Result<()> {
    let running = process::running(&place.root)?;
    println!(
        "\n{:<12} {:>7} {:<18} {:>12}  state",
        "engine", "pid", "address", "resident"
    );
    let mut sum = 0;
    for engine in place.form.engines() {
        let folder = place.folder(&engine);
        let process = running.iter().find(|process| process.folder == folder);
        let (pid, resident) = process.map_or_else(
            || ("-".to_owned(), 0),
            |process| (process.pid.to_string(), process.resident_mib),
        );
        sum += resident;
        let state = match (process, ready::ask(&engine, place.form)) {
            (None, _) => format!("does not run; its log: {}", place.log(&engine).display()),
            (Some(_), Ok(())) => "answers".to_owned(),
            (Some(_), Err(why)) => format!("does not answer: {why}"),
        };
        let (name, address) = (engine.name(), engine.address.to_string());
        println!("{name:<12} {pid:>7} {address:<18} {resident:>8} MiB  {state}");
    }
    let limit = place.form.resident_mib_max();
    println!("{:<39} {sum:>8} MiB  of at most {limit} MiB", "sum");
    Ok(())
}

fn down() -> Result<()> {
    let stopped = process::stop(&place::root()?)?;
    if stopped.is_empty() {
        println!("nothing ran");
    } else {
        println!("stopped {} processes; their data stays", stopped.len());
    }
    addresses::remove()
}

/// Deletes the data of all forms; packages stay.
fn purge() -> Result<()> {
    let root = place::root()?;
    disk::take_back(&root)?;
    for entry in fs::read_dir(&root).into_iter().flatten() {
        let entry = entry?;
        if entry.file_name() != "packages" {
            fs::remove_dir_all(entry.path())?;
            println!("deleted {}", entry.path().display());
        }
    }
    Ok(())
}

/// The line that starts an engine, after its settings were written.
fn prepared(engine: &Engine, place: &Place, tools: &Tools) -> Result<std::process::Command> {
    match engine.kind {
        Kind::Kafka => {
            kafka::prepare(engine, place, tools)?;
            Ok(kafka::command(engine, place, tools))
        }
        Kind::Cassandra => {
            cassandra::prepare(engine, place)?;
            cassandra::command(engine, place, tools)
        }
        Kind::Spark => {
            spark::prepare(engine, place, tools)?;
            Ok(spark::command(engine, place, tools))
        }
    }
}
