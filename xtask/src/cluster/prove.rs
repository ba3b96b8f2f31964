//! `cargo xtask cluster test`: the promises that are tried on real engines. It starts them if they
//! do not run, and then stops them again.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};

use super::{
    addresses, disk, down,
    form::{Form, Kind},
    java,
    place::Place,
    process, proof, ready, up,
};
use crate::{
    bench::target_folder,
    shell,
    steps::{self, CLUSTER},
};

/// Longer than all contracts take on two busy cores; whoever waits for ever is stopped.
const CONTRACT_MAX: Duration = Duration::from_secs(1_200);
const PROOF_MAX: Duration = Duration::from_secs(1_200);

/// What the small form has beside its strikes: few clients, and patience for a machine that
/// has other things to do.
const SMALL: [&str; 5] = [
    "--clients=4",
    "--redeemers=1000",
    "--away=3",
    "--refusal-max=60",
    "--catch-up-max=300",
];
/// What is struck where the engines are nobody else's.
const STRIKES: &str = "--strikes=kill:gateway-1,kill:worker-1,kill:spark,cut:gateway-2";
/// What is struck where others may use the engines, too.
const STRIKES_OF_NODES: &str = "--strikes=kill:gateway-1,kill:worker-1,pause:worker-1";
/// What is struck beside it where there is more time: rights, and the broker's disk if it has its own.
const NO_RIGHTS: &str = ",forbid:kafka";
const NO_ROOM: &str = ",fill:kafka-1";
/// The size of such a disk.
const DISK_MIB: u32 = 512;
/// The contracts that are quick: those of Spark and of control take minutes,
/// and the proof stands on both.
const QUICK: [&str; 5] = [
    "kafka::contract",
    "cassandra::contract",
    "tables::contract",
    "rows::contract",
    "worker::contract",
];

/// Who has started the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// They were started for this, and are stopped afterwards.
    Ours,
    /// They were there.
    Others,
}

/// Runs the contract of `crates/cluster` against the form, and then the smallest proof; with three
/// brokers one of them is killed on the way.
pub(crate) fn run(form: Form) -> Result<()> {
    let whose = match needed().and_then(|()| whose(form)) {
        Ok(whose) => whose,
        Err(why) => return skip(&why),
    };
    let place = Place::new(form)?;
    let is_small = form == Form::default();
    let has_disk = is_small && whose == Whose::Ours && gives_disk(&place);
    up(form)?;
    let outcome = contracts_of(form, &["contract"]).and_then(|()| match (is_small, whose) {
        (false, _) => death(form),
        (true, Whose::Others) => prove(form, STRIKES_OF_NODES.to_owned()),
        (true, Whose::Ours) => {
            let room = if has_disk { NO_ROOM } else { "" };
            prove(form, format!("{STRIKES}{NO_RIGHTS}{room}"))
        }
    });
    leave(form, whose)?;
    if has_disk {
        disk::take_back(&place.root)?;
    }
    outcome
}

/// Whether the broker has a disk of its own from now on, that can be full.
fn gives_disk(place: &Place) -> bool {
    let given = match disk::can_be_given() {
        true => disk::give(place, DISK_MIB),
        false => Err(anyhow::anyhow!("only root may mount one, on Linux")),
    };
    match given {
        Ok(()) => true,
        Err(why) => {
            println!("\nSKIPPED: no broker has a disk that can be full: {why:#}");
            false
        }
    }
}

/// The quick contracts and the smallest proof, on the small form. It is started for this, unless
/// one answers already. What cannot be started is named as skipped, and why.
pub(crate) fn run_quickly() -> Result<()> {
    let form = Form::default();
    let whose = match needed().and_then(|()| started(form)) {
        Ok(whose) => whose,
        Err(why) => return skip(&why),
    };
    let strikes = match whose {
        Whose::Ours => STRIKES,
        Whose::Others => STRIKES_OF_NODES,
    };
    let outcome = contracts_of(form, &QUICK).and_then(|()| prove(form, strikes.to_owned()));
    leave(form, whose)?;
    outcome
}

fn skip(why: &anyhow::Error) -> Result<()> {
    println!("\nSKIPPED: no engine was started, so nothing was tried beyond one machine: {why:#}");
    Ok(())
}

/// What the engines and the feature need.
///
/// # Errors
/// What of it is not there.
fn needed() -> Result<()> {
    java::find()?;
    steps::protoc()
}

/// Whether somebody has started engines here.
fn whose(form: Form) -> Result<Whose> {
    let running = process::running(&Place::new(form)?.root)?;
    Ok(if running.is_empty() {
        Whose::Ours
    } else {
        Whose::Others
    })
}

/// Starts the engines, unless some answer at their addresses, wherever they were started.
fn started(form: Form) -> Result<Whose> {
    let answers = |engine| ready::ask(&engine, form).is_ok();
    if form.engines().into_iter().all(answers) {
        addresses::write(&Place::new(form)?)?;
        return Ok(Whose::Others);
    }
    let whose = whose(form)?;
    up(form)?;
    Ok(whose)
}

/// Leaves things as they were.
fn leave(form: Form, whose: Whose) -> Result<()> {
    let is_here = !process::running(&Place::new(form)?.root)?.is_empty();
    match whose {
        Whose::Ours => down(),
        // What was killed on the way comes back.
        Whose::Others if is_here => up(form),
        Whose::Others => addresses::remove(),
    }
}

fn prove(form: Form, strikes: String) -> Result<()> {
    let mut rest: Vec<String> = SMALL.iter().map(|word| (*word).to_owned()).collect();
    rest.push(strikes);
    proof::strike(form, &target_folder()?, (&rest, PROOF_MAX))
}

fn contracts_of(form: Form, filters: &[&str]) -> Result<()> {
    let program = contracts()?;
    shell::run_within(&mut contract(form, (&program, filters)), CONTRACT_MAX)
}

/// A broker dies. By itself: topics cannot be made with three replicas while one is dead.
fn death(form: Form) -> Result<()> {
    let Some(second) = form.of_kind(Kind::Kafka).nth(1) else {
        return Ok(());
    };
    let program = contracts()?;
    let place = Place::new(form)?;
    let folder = place.folder(&second);
    let running = process::running(&place.root)?;
    let victim = running
        .iter()
        .find(|process| process.folder == folder)
        .with_context(|| format!("{} has ended by itself", second.name()))?;
    let mut death = contract(form, (&program, &["contract::death"]));
    shell::run_within(
        death.env("MAINSTEM_KAFKA_KILL", victim.pid.to_string()),
        CONTRACT_MAX,
    )
}

/// The tests of `crates/cluster`, built together with all others: alone they would choose other
/// features of their libraries, and DataFusion would be compiled again.
fn contracts() -> Result<PathBuf> {
    let args = [
        "test",
        "--workspace",
        "--locked",
        CLUSTER,
        "--no-run",
        "--message-format=json-render-diagnostics",
    ];
    let text = shell::answer(&mut shell::command("cargo", &args))?;
    let program = text.lines().find_map(tests_of_cluster);
    program.context("cargo built no tests of mainstem-cluster")
}

/// The program, if this line of cargo tells of it.
fn tests_of_cluster(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_it = message["target"]["name"] == "mainstem_cluster"
        && message["target"]["kind"][0] == "lib"
        && message["profile"]["test"] == true;
    is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
}

/// The tests whose names hold one of `filters`, told where the engines are.
fn contract(form: Form, (program, filters): (&PathBuf, &[&str])) -> Command {
    let addresses = |kind| -> String {
        let all = form.of_kind(kind);
        let all = all.map(|engine| engine.address.to_string());
        all.collect::<Vec<_>>().join(",")
    };
    // Two at a time: two cores have all the engines to carry, too.
    let args = ["--nocapture", "--test-threads=2"];
    let mut tests = shell::command(&program.to_string_lossy(), &args);
    tests.args(filters);
    tests
        .current_dir(shell::root().join("crates/cluster"))
        .env("MAINSTEM_KAFKA", addresses(Kind::Kafka))
        .env("MAINSTEM_CASSANDRA", addresses(Kind::Cassandra))
        .env("MAINSTEM_SPARK", format!("sc://{}", addresses(Kind::Spark)));
    // Whoever tries missing rights asks this program to take them away.
    if let Ok(itself) = std::env::current_exe() {
        tests.env("MAINSTEM_CLUSTER", itself);
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_tests_of_the_cluster_among_what_cargo_says() {
        let line = |name: &str, test: bool| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"{name}\",\
                 \"kind\":[\"lib\"]}},\"profile\":{{\"test\":{test}}},\"executable\":\"/t/x\"}}"
            )
        };
        assert_eq!(
            tests_of_cluster(&line("mainstem_cluster", true)),
            Some(PathBuf::from("/t/x"))
        );
        assert_eq!(tests_of_cluster(&line("mainstem_cluster", false)), None);
        assert_eq!(tests_of_cluster(&line("mainstem_sql", true)), None);
        assert_eq!(tests_of_cluster("   Compiling x"), None);
    }
}
