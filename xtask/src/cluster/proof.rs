//! `cargo xtask cluster prove`: builds the program and the harness, starts the engines if need be,
//! and lets the harness kill and compare.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{
    down,
    form::{Form, Kind},
    place::Place,
    process, up,
};
use crate::{bench::target_folder, shell, steps::CLUSTER};

/// Longer than every proof takes.
const LARGE_MAX: Duration = Duration::from_secs(7_200);

/// What is struck in the large form, each in turn; the harness knows the small one by itself.
const LARGE: &[&str] = &[
    "--gateways=2",
    "--workers=2",
    "--writers=2",
    "--clients=16",
    "--redeemers=10000",
    "--away=8",
    // Whoever of the two workers leads, the first pause hands over to the other, or the second does.
    "--strikes=kill:gateway-1,kill:gateway-2,cut:gateway-1,kill:worker-1,kill:worker-2,\
     pause:worker-1,pause:worker-2,kill:writer-1,kill:writer-2,kill:kafka-1,kill:kafka-2,\
     kill:kafka-3,pause:kafka-1,kill:cassandra-1,kill:cassandra-2,kill:cassandra-3,kill:spark,\
     pause:spark",
];

/// Runs the harness; flags of the form are read here, all others are the harness's own.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (form, rest) = split(args)?;
    build()?;
    let target = target_folder()?;
    prove(form, &target, (&rest, LARGE_MAX))
}

/// The same with a program that is built already.
fn prove(form: Form, target: &str, (rest, max): (&[String], Duration)) -> Result<()> {
    let place = Place::new(form)?;
    let was_up = !process::running(&place.root)?.is_empty();
    up(form)?;
    let outcome = strike(form, target, (rest, max));
    if was_up {
        // What was killed on the way comes back.
        up(form)?;
    } else {
        down()?;
    }
    outcome
}

/// Lets the harness strike what runs.
pub(super) fn strike(form: Form, target: &str, (rest, max): (&[String], Duration)) -> Result<()> {
    let itself = std::env::current_exe().context("where this program is")?;
    let (brokers, cassandras) = (form.brokers, form.cassandras);
    let cluster = format!(
        "{} --brokers {brokers} --cassandras {cassandras}",
        itself.display()
    );
    let mut harness = shell::command(&format!("{target}/debug/mainstem-bench"), &["prove"]);
    harness
        .args(["--mainstem", &format!("{target}/debug/mainstem")])
        .args(["--cluster", &cluster])
        .args(["--ways", &ways(form)])
        .args(["--folder", &format!("{target}/cluster/prove")]);
    if form != Form::default() {
        let is_given = |flag: &str| rest.iter().any(|word| word.starts_with(flag));
        let defaults = LARGE
            .iter()
            .filter(|word| !is_given(word.split('=').next().unwrap_or(word)));
        harness.args(defaults);
    }
    harness.args(rest);
    shell::run_within(&mut harness, max)
}

/// Where ways to the brokers begin and end.
fn ways(form: Form) -> String {
    let brokers = form.of_kind(Kind::Kafka);
    let ways = brokers.filter_map(|broker| broker.way());
    let ways: Vec<String> = ways.map(|(from, to)| format!("{from}={to}")).collect();
    ways.join(",")
}

/// Builds the program and the harness as the tests do: building them alone would choose other features of its
/// libraries, and compile DataFusion again.
fn build() -> Result<()> {
    let args = ["test", "--workspace", "--locked", CLUSTER, "--no-run"];
    shell::run(&mut shell::command("cargo", &args))
}

/// The form, and the words that are not of it.
fn split(args: &[String]) -> Result<(Form, Vec<String>)> {
    let (mut of_form, mut rest) = (Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(word) = args.next() {
        if ["--brokers", "--cassandras"].contains(&word.as_str()) {
            of_form.push(word.clone());
            of_form.extend(args.next().cloned());
        } else {
            rest.push(word.clone());
        }
    }
    let form = Form::parse(&of_form)?;
    ensure!(
        (form.brokers == 1) == (form.cassandras == 1),
        "the proof wants one of each, or three of each"
    );
    Ok((form, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_words_of_the_form_from_the_harness_own() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (form, rest) =
            split(&words("--clients 4 --brokers 3 --cassandras 3 --away=1")).unwrap();
        assert_eq!((form.brokers, form.cassandras), (3, 3));
        assert_eq!(rest, words("--clients 4 --away=1"));
        assert!(split(&words("--brokers 3")).is_err());
        assert!(ways(form).starts_with("127.0.0.1:19392=127.0.0.1:19292,"));
    }
}
