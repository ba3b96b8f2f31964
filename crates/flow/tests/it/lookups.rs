//! Tables that are looked up have a limit: beyond it an application stands still by name, and goes on
//! where it was once the limit is raised.

use mainstem_kernel::StreamId;
use mainstem_sql::view::Progress;
use serde_json::{Value, json};

use crate::world::{Pace, START, USUAL, World, at};

const BASE: &str = "
CREATE STREAM readings (device TEXT NOT NULL, value BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
CREATE TABLE devices (device TEXT PRIMARY KEY, model TEXT);
CREATE TABLE sites (device TEXT PRIMARY KEY, town TEXT);
";
const MODELS: &str = "
CREATE MATERIALIZED VIEW models AS
SELECT d.model, count(*) AS n, sum(r.value) AS total FROM readings r
JOIN devices FOR SYSTEM_TIME AS OF PROCTIME() d ON d.device = r.device
GROUP BY d.model EMIT ON UPDATE;
";
const TOWNS: &str = "
CREATE MATERIALIZED VIEW towns AS
SELECT s.town, count(*) AS n FROM readings r
LEFT JOIN sites FOR SYSTEM_TIME AS OF PROCTIME() s ON s.device = r.device
GROUP BY s.town EMIT ON UPDATE;
";
const SMALL: Pace = Pace {
    lookups: 256 << 10,
    ..USUAL
};

/// Writes devices, and a reading of each.
fn devices(world: &World, table: &str, numbers: std::ops::Range<usize>) {
    let column = if table == "devices" { "model" } else { "town" };
    for number in numbers {
        let name = format!("device-{number:06}");
        let row = json!({"device": name, column: format!("m{}", number % 7), "_deleted": false});
        world.push(table, &[row]);
        let row: Value = json!({"device": name, "value": number, "at": at(START)});
        world.push("readings", &[row]);
    }
}

fn problem_of(world: &World, view: StreamId) -> Option<String> {
    let status = world.status(view)?;
    match status.progress {
        Progress::Paused(problem) => Some(problem.code.as_str().to_owned()),
        _ => None,
    }
}

/// Works until it stands still; gives what it says then.
fn until_still(world: &mut World) -> mainstem_kernel::Problem {
    while let Ok(true) = world.work() {}
    let problem = world.application().health().problem;
    problem.unwrap_or_else(|| panic!("it goes on: {:?}", world.application().health()))
}

#[test]
fn an_application_whose_lookups_do_not_fit_stands_still_by_name_and_goes_on_with_more() {
    let mut whole = World::new(&format!("{BASE}{MODELS}"));
    let mut world = World::paced(&format!("{BASE}{MODELS}"), SMALL);
    for world in [&mut whole, &mut world] {
        devices(world, "devices", 0..200);
        world.finish();
        assert!(world.application().health().problem.is_none());
        world.swap();
        world.settle();
    }
    let before = world.rows("models");
    assert_eq!(before, whole.rows("models"));
    for world in [&whole, &world] {
        devices(world, "devices", 200..6_000);
    }
    let problem = until_still(&mut world);
    assert_eq!(problem.code.as_str(), "FLOW-008", "{problem}");
    assert!(problem.message.contains("\"devices\""), "{problem}");
    assert!(problem.hint.unwrap().contains("lookup_size_max"));
    // A start with the same limit says the same; whoever asks has what was there.
    world.die();
    world.open();
    assert_eq!(world.rows("models"), before);
    assert_eq!(until_still(&mut world).code.as_str(), "FLOW-008");
    world.die();
    world.pace = USUAL;
    world.open();
    world.finish();
    whole.finish();
    assert_eq!(world.rows("models"), whole.rows("models"));
    let health = world.application().health();
    let bytes = u64::try_from(health.lookup_bytes).unwrap();
    assert!(bytes > SMALL.lookups, "{health:?}");
    // Nor is it opened again with less than it has by now.
    world.die();
    world.pace = SMALL;
    world.open();
    assert_eq!(until_still(&mut world).code.as_str(), "FLOW-008");
}

#[test]
fn a_view_that_is_built_and_looks_up_too_much_stands_still_alone() {
    let mut world = World::paced(&format!("{BASE}{MODELS}"), SMALL);
    devices(&world, "devices", 0..200);
    devices(&world, "sites", 0..6_000);
    world.finish();
    world.swap();
    world.declare(TOWNS);
    world.finish();
    let towns = world.id("towns");
    assert_eq!(problem_of(&world, towns).as_deref(), Some("FLOW-008"));
    assert!(world.application().health().problem.is_none());
    assert!(!world.swap().contains(&towns));
    devices(&world, "devices", 200..210);
    world.finish();
    let read: u64 = world.rows("models").iter().map(|row| n_of(row)).sum();
    assert_eq!(read, 410, "the others go on");
    world.die();
    world.pace = USUAL;
    world.open();
    world.finish();
    assert!(world.swap().contains(&towns));
    world.settle();
    let read: u64 = world.rows("towns").iter().map(|row| n_of(row)).sum();
    assert_eq!(read, 6_210);
}

fn n_of(row: &str) -> u64 {
    row.split('|').nth(1).unwrap().parse().unwrap()
}
