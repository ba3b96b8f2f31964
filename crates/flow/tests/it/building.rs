//! Views that come later are built beside the live ones, survive deaths, and are swapped in.

use std::time::Duration;

use mainstem_catalog::Change;
use mainstem_kernel::{Column, ColumnName, ColumnType, TenantId};
use mainstem_sql::view::Progress;
use serde_json::json;

use crate::world::{Pace, Random, SECOND, START, USUAL, World, at};

const BASE: &str = "
CREATE STREAM readings (
  device TEXT NOT NULL, value BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE devices (device TEXT PRIMARY KEY, model TEXT);
";

const MINUTES: &str = "
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start AS minute, device, count(*) AS n, sum(value) AS total
FROM TUMBLE(readings, at, INTERVAL '1 minute') r
GROUP BY window_start, window_end, device EMIT ON WINDOW CLOSE;
";

const REST: &str = "
CREATE MATERIALIZED VIEW totals AS
SELECT device, count(*) AS n, max(value) AS most FROM readings GROUP BY device EMIT ON UPDATE;
CREATE MATERIALIZED VIEW hours AS
SELECT window_start AS hour, device, sum(total) AS total
FROM TUMBLE(minutes, minute, INTERVAL '1 hour') m
GROUP BY window_start, window_end, device EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW models AS
SELECT d.model, count(*) AS n, sum(r.value) AS total FROM readings r
LEFT JOIN devices FOR SYSTEM_TIME AS OF PROCTIME() d ON d.device = r.device
GROUP BY d.model EMIT ON UPDATE;
CREATE MATERIALIZED VIEW counts AS
SELECT n, count(*) AS devices FROM totals GROUP BY n EMIT ON UPDATE;
";

fn happen(world: &World, random: &mut Random, now: &mut i64, rounds: usize) {
    for _ in 0..rounds {
        let pause = random.between(0, 120_000);
        world.advance(Duration::from_millis(pause.unsigned_abs()));
        *now += pause * 1_000;
        if random.below(6) == 0 {
            let device = format!("d{}", random.below(4));
            let model = format!("m{}", random.below(2));
            let deleted = random.below(5) == 0;
            world.push(
                "devices",
                &[json!({"device": device, "model": model, "_deleted": deleted})],
            );
            continue;
        }
        let mut row = || {
            let time = at(*now - random.between(0, 15 * SECOND));
            json!({"device": format!("d{}", random.below(4)), "value": random.between(-9, 99), "at": time})
        };
        let rows = [row(), row(), row()];
        world.push("readings", &rows);
    }
}

fn shown(world: &World) -> Vec<Vec<String>> {
    let keyed = ["totals", "models", "counts"].map(|name| world.rows(name));
    let streams = ["minutes", "hours"].map(|name| world.seen(name));
    keyed.into_iter().chain(streams).collect()
}

#[test]
fn a_view_that_comes_later_is_what_it_would_have_been() {
    for seed in 1..7 {
        let mut random = Random(seed);
        let mut now = START;
        let mut whole = World::new(&format!("{BASE}{MINUTES}{REST}"));
        happen(&whole, &mut random.clone(), &mut now.clone(), 200);
        whole.finish();

        let pace = Pace {
            step: [600, 1 << 20][random.clone().below(2)],
            ..USUAL
        };
        let mut world = World::paced(&format!("{BASE}{MINUTES}"), pace);
        happen(&world, &mut random, &mut now, 100);
        world.finish();
        // History has the first half.
        if seed % 2 == 0 {
            world.flush("readings");
            world.flush("devices");
        }
        world.declare(REST);
        let mut chance = Random(seed ^ 0xB1D);
        let mut was_building = false;
        for _ in 0..100 {
            happen(&world, &mut random, &mut now, 1);
            for _ in 0..chance.below(3) {
                world.work().unwrap();
            }
            was_building |= world.is_building(world.id("totals"));
            if chance.below(10) == 0 {
                world.advance(Duration::from_secs(2));
                world.work().unwrap();
            }
            if chance.below(10) == 0 {
                world.die();
                world.open();
            }
        }
        world.finish();
        assert!(was_building || pace.step > 600, "seed {seed}");
        assert_eq!(shown(&world), shown(&whole), "seed {seed}");
        let swapped = world.swap();
        assert!(
            swapped.contains(&world.id("hours")),
            "seed {seed}: {swapped:?}"
        );
        world.settle();
        for name in ["totals", "hours", "models", "counts"] {
            let status = world.status(world.id(name)).unwrap();
            assert_eq!(status.progress, Progress::Live, "{name}");
        }
    }
}

/// The worst mistake: readers are shown a view, and after a restart it is empty.
#[test]
fn a_view_that_was_swapped_in_has_its_rows_after_a_death() {
    let slow = Pace {
        step: 2_000,
        ..USUAL
    };
    let mut world = World::paced(&format!("{BASE}{MINUTES}{REST}"), slow);
    let (mut random, mut now) = (Random(11), START);
    happen(&world, &mut random, &mut now, 150);
    while world.swap().is_empty() {
        assert!(
            world.work().unwrap(),
            "it becomes ready without time passing"
        );
    }
    let shown = world.rows("totals");
    assert!(!shown.is_empty());
    world.die();
    world.open();
    // As of the last checkpoint; who waits for a position waits for the rest.
    assert_eq!(world.rows("totals").len(), shown.len());
    world.finish();
    assert_eq!(world.rows("totals"), shown);
}

#[test]
fn a_changed_view_is_built_beside_the_live_one_and_swapped_in() {
    let mut world = World::paced(
        &format!("{BASE}{MINUTES}{REST}"),
        Pace {
            step: 2_000,
            ..USUAL
        },
    );
    let (mut random, mut now) = (Random(5), START);
    happen(&world, &mut random, &mut now, 150);
    world.finish();
    assert_eq!(world.swap().len(), 5);
    let old = world.id("totals");
    let before = world.rows("totals");
    world.declare(
        "CREATE MATERIALIZED VIEW totals AS
         SELECT device, count(*) AS n, max(value) AS most, min(value) AS least
         FROM readings GROUP BY device EMIT ON UPDATE;",
    );
    let new = world.defs().views.keys().copied().max().unwrap();
    world.work().unwrap();
    assert!(world.is_building(new));
    let Some(Progress::Building { rows_total, .. }) = world.status(new).map(|s| s.progress) else {
        panic!("it is built");
    };
    assert!(rows_total > 300, "{rows_total}");
    assert_eq!(world.id("totals"), old, "the live one answers");
    assert_eq!(world.rows("totals"), before);
    world.finish();
    // What reads the old one has to follow first.
    assert!(world.swap().is_empty());
    world.declare(
        "CREATE MATERIALIZED VIEW counts AS
         SELECT n, count(*) AS devices, min(least) AS least FROM totals GROUP BY n EMIT ON UPDATE;",
    );
    world.finish();
    let swapped = world.swap();
    assert_eq!(swapped.len(), 2, "{swapped:?}");
    assert_eq!(world.id("totals"), new);
    happen(&world, &mut random, &mut now, 20);
    world.finish();
    assert!(world.status(old).is_none(), "it stands still");
    assert_eq!(world.rows("totals").len(), 4);
    // Back again: what it missed is computed.
    let version = |name: &str, world: &World| {
        let defs = world.defs();
        let views = defs
            .views
            .values()
            .filter(|def| def.spec.name.as_str() == name);
        views.map(|def| def.id).min().unwrap()
    };
    let counts = version("counts", &world);
    world.apply(vec![
        Change::RestoreView { id: old },
        Change::RestoreView { id: counts },
    ]);
    world.finish();
    assert_eq!(world.swap().len(), 2);
    world.finish();
    let newest: Vec<String> = world.rows_of(new);
    assert!(newest.len() == 4 && world.rows("totals").len() == 4);
    let mut fresh = World::new(&format!("{BASE}{MINUTES}{REST}"));
    let (mut random, mut now) = (Random(5), START);
    happen(&fresh, &mut random, &mut now, 170);
    fresh.finish();
    assert_eq!(world.rows("totals"), fresh.rows("totals"));
    assert_eq!(world.rows("counts"), fresh.rows("counts"));
}

#[test]
fn a_view_that_is_forgotten_leaves_nothing() {
    let mut world = World::new(&format!("{BASE}{MINUTES}{REST}"));
    let (mut random, mut now) = (Random(6), START);
    happen(&world, &mut random, &mut now, 50);
    world.finish();
    world.swap();
    world.settle();
    let (totals, counts) = (world.id("totals"), world.id("counts"));
    world.apply(vec![
        Change::DropView { id: counts },
        Change::DropView { id: totals },
    ]);
    world.finish();
    assert!(world.status(totals).is_none());
    assert!(!world.rows_of(totals).is_empty(), "it can be brought back");
    world.apply(vec![
        Change::ForgetView { id: counts },
        Change::ForgetView { id: totals },
    ]);
    world.finish();
    assert!(world.tables().pointer().codec(totals).is_err());
    world.die();
    world.open();
    world.settle();
    let prefix = totals.0.to_be_bytes();
    let mut left = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        left += 1;
        std::ops::ControlFlow::Continue(())
    };
    let range = mainstem_store::KeyRange::prefix(&prefix);
    world
        .tables()
        .pointer()
        .scan_state(&range, &mut visit)
        .unwrap();
    assert_eq!(left, 0);
    // The others go on.
    happen(&world, &mut random, &mut now, 50);
    world.finish();
    let mut whole = World::new(&format!("{BASE}{MINUTES}{REST}"));
    let (mut random, mut now) = (Random(6), START);
    happen(&whole, &mut random, &mut now, 100);
    whole.finish();
    assert_eq!(world.seen("hours"), whole.seen("hours"));
}

#[test]
fn a_view_whose_rows_are_missing_stands_still_alone() {
    let mut world = World::new(&format!("{BASE}{MINUTES}"));
    let (mut random, mut now) = (Random(8), START);
    happen(&world, &mut random, &mut now, 50);
    world.finish();
    // The log has let go of rows that history never got.
    world.log.trim(world.id("readings"), world.log.frontier());
    world.declare(REST);
    happen(&world, &mut random, &mut now, 50);
    world.finish();
    let status = world.status(world.id("totals")).unwrap();
    let Progress::Paused(problem) = status.progress else {
        panic!("{status:?}");
    };
    assert_eq!(problem.code.as_str(), "FLOW-005");
    assert!(world.application().health().problem.is_none());
    // What was there goes on, and nothing is shown that is not whole.
    let mut whole = World::new(&format!("{BASE}{MINUTES}"));
    let (mut random, mut now) = (Random(8), START);
    happen(&whole, &mut random, &mut now, 100);
    whole.finish();
    let seen = |world: &World| world.seen("minutes");
    assert!(seen(&world).len() > 3 && seen(&world) == seen(&whole));
    assert!(!world.swap().contains(&world.id("totals")));
}

#[test]
fn columns_that_come_while_views_are_built_change_nothing() {
    let mut whole = World::new(&format!("{BASE}{MINUTES}{REST}"));
    happen(&whole, &mut Random(9), &mut START.clone(), 120);
    whole.finish();
    let pace = Pace { step: 400, ..USUAL };
    let mut world = World::paced(&format!("{BASE}{MINUTES}"), pace);
    let (mut random, mut now) = (Random(9), START);
    happen(&world, &mut random, &mut now, 80);
    world.finish();
    world.declare(REST);
    for _ in 0..4 {
        world.work().unwrap();
    }
    assert!(world.is_building(world.id("hours")));
    let defs = world.defs();
    let column = |name: &str| Column {
        id: 0,
        name: ColumnName::new(name).unwrap(),
        ty: ColumnType::Text,
        nullable: true,
    };
    let readings = defs.stream(TenantId::ONLY, "readings").unwrap();
    let mut spec = readings.spec.clone();
    spec.columns.0.push(column("note"));
    let devices = defs.table(TenantId::ONLY, "devices").unwrap();
    let mut table = devices.spec.clone();
    table.columns.0.insert(0, column("owner"));
    world.apply(vec![
        Change::AlterStream {
            id: readings.id,
            spec,
        },
        Change::AlterTable {
            id: devices.id,
            spec: table,
        },
    ]);
    happen(&world, &mut random, &mut now, 20);
    for _ in 0..3 {
        world.work().unwrap();
    }
    world.die();
    world.open();
    happen(&world, &mut random, &mut now, 20);
    world.finish();
    assert_eq!(shown(&world), shown(&whole));
}
