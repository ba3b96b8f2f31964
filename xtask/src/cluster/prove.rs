//! `cargo xtask cluster test`: the promises that are tried on real engines. It starts them if they
//! do not run, and then stops them again.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};

use super::{
    down,
    form::{Form, Kind},
    java,
    place::Place,
    process, proof, up,
};
use crate::{
    bench::target_folder,
    shell,
    steps::{self, CLUSTER},
};

/// Longer than all contracts take on two busy cores; whoever waits for ever is stopped.
const CONTRACT_MAX: Duration = Duration::from_secs(900);
const PROOF_MAX: Duration = Duration::from_secs(600);

/// What kills and pauses the small form has: three of them, and few clients.
const SMALL: [&str; 3] = ["--clients=4", "--redeemers=500", "--away=3"];

/// Runs the contract of `crates/cluster` against the form, and then the smallest proof; with three
/// brokers one of them is killed on the way.
pub(crate) fn run(form: Form) -> Result<()> {
    if let Err(why) = needed() {
        println!("\nSKIPPED: no engine was started, so nothing was tried at scale: {why}");
        return Ok(());
    }
    let place = Place::new(form)?;
    let was_up = !process::running(&place.root)?.is_empty();
    up(form)?;
    let outcome = tests(&place);
    if was_up {
        // What was killed on the way comes back.
        up(form)?;
    } else {
        down()?;
    }
    outcome
}

/// What the engines and the feature need.
///
/// # Errors
/// What of it is not there.
fn needed() -> Result<()> {
    java::find()?;
    steps::protoc()
}

fn tests(place: &Place) -> Result<()> {
    let program = contracts()?;
    shell::run_within(&mut contract(place, (&program, "contract")), CONTRACT_MAX)?;
    if place.form == Form::default() {
        let rest = SMALL.map(str::to_owned);
        return proof::prove(place.form, &target_folder()?, (&rest, PROOF_MAX));
    }
    let Some(second) = place.form.of_kind(Kind::Kafka).nth(1) else {
        return Ok(());
    };
    // By itself: topics cannot be made with three replicas while a broker is dead.
    let folder = place.folder(&second);
    let running = process::running(&place.root)?;
    let victim = running
        .iter()
        .find(|process| process.folder == folder)
        .with_context(|| format!("{} has ended by itself", second.name()))?;
    let mut death = contract(place, (&program, "contract::death"));
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

/// The tests whose names hold `filter`, told where the engines are.
fn contract(place: &Place, (program, filter): (&PathBuf, &str)) -> Command {
    let addresses = |kind| -> String {
        let all = place.form.of_kind(kind);
        let all = all.map(|engine| engine.address.to_string());
        all.collect::<Vec<_>>().join(",")
    };
    // One at a time: two cores have all the engines to carry, too.
    let args = ["--nocapture", "--test-threads=2", filter];
    let mut tests = shell::command(&program.to_string_lossy(), &args);
    tests
        .current_dir(shell::root().join("crates/cluster"))
        .env("MAINSTEM_KAFKA", addresses(Kind::Kafka))
        .env("MAINSTEM_CASSANDRA", addresses(Kind::Cassandra))
        .env("MAINSTEM_SPARK", format!("sc://{}", addresses(Kind::Spark)));
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
