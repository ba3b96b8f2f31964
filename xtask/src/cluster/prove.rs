//! `cargo xtask cluster test`: the promises that are tried on real engines. It starts them if they
//! do not run, and then stops them again.

use std::process::Command;

use anyhow::{Context, Result};

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
    shell::run(&mut contract(place, "contract"))?;
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
    let mut death = contract(place, "contract::death");
    shell::run(death.env("MAINSTEM_KAFKA_KILL", victim.pid.to_string()))
}

/// The tests whose names hold `filter`, told where the engines are.
fn contract(place: &Place, filter: &str) -> Command {
    let addresses = |kind| -> String {
        let all = place.form.of_kind(kind);
        let all = all.map(|engine| engine.address.to_string());
        all.collect::<Vec<_>>().join(",")
    };
    let args = [
        "test",
        "--package=mainstem-cluster",
        "--features=engines",
        "--locked",
        "--",
        "--nocapture",
        filter,
    ];
    let mut tests = shell::command("cargo", &args);
    tests
        .env("MAINSTEM_KAFKA", addresses(Kind::Kafka))
        .env("MAINSTEM_CASSANDRA", addresses(Kind::Cassandra));
    tests
}
