//! Tables: what views see of their changes, and lookups as of each row.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::world::{Pace, Random, START, USUAL, World, at};

const FLEET: &str = "
CREATE STREAM readings (vehicle TEXT NOT NULL, value BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
CREATE TABLE vehicles (vehicle TEXT PRIMARY KEY, model TEXT, owner TEXT) WITH (ttl = '60 seconds');
CREATE MATERIALIZED VIEW known AS
SELECT r.vehicle, r.value, v.model FROM readings r
JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle = r.vehicle;
CREATE MATERIALIZED VIEW models AS
SELECT model, count(*) AS n FROM vehicles GROUP BY model EMIT ON UPDATE;
CREATE MATERIALIZED VIEW owners AS
SELECT vehicle, owner FROM vehicles WHERE owner IS NOT NULL EMIT ON UPDATE;
";

fn vehicle(name: &str, model: Option<&str>, owner: Option<&str>) -> serde_json::Value {
    json!({"vehicle": name, "model": model, "owner": owner, "_deleted": false})
}

#[test]
fn views_of_a_table_follow_its_changes_and_its_time_to_live() {
    let mut world = World::new(FLEET);
    world.push(
        "vehicles",
        &[
            vehicle("v1", Some("van"), Some("ada")),
            vehicle("v2", Some("van"), None),
        ],
    );
    world.settle();
    assert_eq!(world.rows("vehicles"), ["v1|van|ada", "v2|van|NULL"]);
    assert_eq!(world.rows("models"), ["van|2"]);
    assert_eq!(world.rows("owners"), ["v1|ada"]);
    world.advance(Duration::from_secs(40));
    world.push(
        "vehicles",
        &[
            vehicle("v2", Some("car"), Some("bob")),
            json!({"vehicle": "v3", "_deleted": true}),
        ],
    );
    world.push("vehicles", &[vehicle("v1", Some("car"), None)]);
    world.settle();
    assert_eq!(world.rows("models"), ["car|2"]);
    assert_eq!(world.rows("owners"), ["v2|bob"]);
    world.push("vehicles", &[json!({"vehicle": "v2", "_deleted": true})]);
    world.settle();
    assert_eq!(world.rows("models"), ["car|1"]);
    assert!(world.rows("owners").is_empty());
    // Its time is over; the next row of any stream moves the frontier.
    world.advance(Duration::from_secs(61));
    world.push(
        "readings",
        &[json!({"vehicle": "v1", "value": 1, "at": at(START)})],
    );
    world.settle();
    assert!(world.rows("vehicles").is_empty() && world.rows("models").is_empty());
}

#[test]
fn rows_outlive_their_time_while_nothing_comes() {
    let mut world = World::new(FLEET);
    let put = |world: &World, name: &str| {
        world.push("vehicles", &[vehicle(name, Some("van"), Some("ada"))]);
    };
    put(&world, "v1");
    world.finish();
    world.advance(Duration::from_secs(20));
    put(&world, "v2");
    world.finish();
    // Some seconds have passed meanwhile.
    world.advance(Duration::from_secs(27));
    world.settle();
    assert_eq!(world.rows("vehicles").len(), 2);
    for _ in 0..2 {
        world.advance(Duration::from_secs(3));
        world.settle();
    }
    assert_eq!(world.rows("owners"), ["v2|ada"]);
    world.die();
    world.open();
    world.advance(Duration::from_secs(27));
    world.settle();
    assert_eq!(world.rows("vehicles"), [""; 0]);
    assert!(world.rows("owners").is_empty() && world.rows("models").is_empty());
    // The log rests again.
    world.finish();
    let before = world.log.frontier();
    for _ in 0..20 {
        world.advance(Duration::from_secs(30));
        world.settle();
    }
    assert_eq!(world.log.frontier(), before);
}

/// What each reading should have found, by a model in plain maps.
#[test]
fn a_lookup_sees_the_table_as_of_each_row_however_steps_are_cut() {
    for (seed, pace) in (1..7_u64).zip([
        USUAL,
        Pace { step: 1, ..USUAL },
        Pace {
            step: 2_000,
            threads: 2,
            ..USUAL
        },
        Pace {
            threads: 8,
            state: 0,
            ..USUAL
        },
        Pace { step: 500, ..USUAL },
        USUAL,
    ]) {
        let mut random = Random(seed);
        let mut world = World::paced(FLEET, pace);
        let mut rows: BTreeMap<String, (Option<&str>, i64)> = BTreeMap::new();
        let mut expected = Vec::new();
        let mut now = START / 1_000;
        for number in 0..300 {
            let pause = random.between(0, 4_000);
            world.advance(Duration::from_millis(pause.unsigned_abs()));
            now += pause;
            let name = format!("v{}", random.below(6));
            match random.below(4) {
                0 => {
                    let model = ["car", "van", "bus"][random.below(3)];
                    world.push("vehicles", &[vehicle(&name, Some(model), None)]);
                    rows.insert(name, (Some(model), now));
                }
                1 if random.below(3) == 0 => {
                    world.push("vehicles", &[json!({"vehicle": name, "_deleted": true})]);
                    rows.remove(&name);
                }
                _ => {
                    world.push(
                        "readings",
                        &[json!({"vehicle": name, "value": number, "at": at(START)})],
                    );
                    if let Some((model, written)) = rows.get(&name)
                        && written + 60_000 > now
                    {
                        expected.push(format!("{name}|{number}|{}", model.unwrap()));
                    }
                }
            }
            if random.below(20) == 0 {
                world.settle();
            }
        }
        world.finish();
        assert!(expected.len() > 50);
        assert_eq!(world.logged("known"), expected, "seed {seed}, {pace:?}");
        assert_eq!(world.seen("known"), expected);
    }
}
