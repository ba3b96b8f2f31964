//! `cargo xtask cluster test`: the promises that are tried on real engines. It starts them if they
//! do not run, and then stops them again.

use anyhow::Result;

use super::{
    down,
    form::{Form, Kind},
    java,
    place::Place,
    process, up,
};
use crate::shell;

/// Runs the contract of `crates/cluster` against the form; with three brokers one of them is
/// killed on the way.
pub(crate) fn run(form: Form) -> Result<()> {
    if let Err(why) = java::find() {
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

fn tests(place: &Place) -> Result<()> {
    let brokers: Vec<_> = place.form.of_kind(Kind::Kafka).collect();
    let addresses: Vec<String> = brokers
        .iter()
        .map(|broker| broker.address.to_string())
        .collect();
    let mut tests = shell::command(
        "cargo",
        &[
            "test",
            "--package=mainstem-cluster",
            "--features=engines",
            "--locked",
            "--",
            "--nocapture",
            "contract",
        ],
    );
    tests.env("MAINSTEM_KAFKA", addresses.join(","));
    let nodes: Vec<String> = place
        .form
        .of_kind(Kind::Cassandra)
        .map(|node| node.address.to_string())
        .collect();
    tests.env("MAINSTEM_CASSANDRA", nodes.join(","));
    if let [_, second, ..] = brokers.as_slice() {
        let folder = place.folder(second);
        let running = process::running(&place.root)?;
        let victim = running.iter().find(|process| process.folder == folder);
        if let Some(victim) = victim {
            tests.env("MAINSTEM_KAFKA_KILL", victim.pid.to_string());
        }
    }
    shell::run(&mut tests)
}
