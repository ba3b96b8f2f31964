//! The process dies at every kind of moment: rows, streams and state are those of a run without.

use std::{sync::atomic::Ordering, time::Duration};

use mainstem_disk::{Failure, FailureKind};
use mainstem_flow::FlowError;
use mainstem_kernel::Seq;
use serde_json::json;

use crate::{
    bank::{BANK, check_zero, happen, left, shown},
    world::{Pace, Random, START, USUAL, World, at},
};

/// Rows that are kept by key, and rows that leave.
const READINGS: &str = "
CREATE STREAM readings (device TEXT, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE MATERIALIZED VIEW totals AS SELECT device, count(*) AS n FROM readings GROUP BY device EMIT ON UPDATE;
CREATE MATERIALIZED VIEW passed AS SELECT device FROM readings;
";

/// The same things happen to a world, at its pace, with or without deaths.
fn live(seed: u64, pace: Pace, with_deaths: bool) -> World {
    let mut world = World::paced(BANK, pace);
    let mut random = Random(seed);
    let mut chance = Random(seed ^ 0xDEAD);
    let mut now = START;
    for _ in 0..250 {
        happen(&world, &mut random, &mut now);
        for _ in 0..chance.below(4) {
            if world.work().is_err() {
                // It stands still until it is started again.
                assert!(with_deaths && !world.work().unwrap());
                world.die();
                world.open();
            }
            check_zero(&world);
        }
        if chance.below(3) == 0 {
            world.apply_checkpoints();
        }
        if with_deaths && chance.below(12) == 0 {
            if chance.below(3) == 0 {
                // The redo file is written in part, or its name is not synced.
                let call = world.disk.calls() + chance.below(6) as u64;
                world.disk.fail(Failure {
                    call,
                    kind: FailureKind::Io,
                });
                world.advance(Duration::from_secs(2));
                match world.work() {
                    Ok(_) | Err(_) => {}
                }
            }
            world.die();
            world.open();
        }
    }
    world.finish();
    check_zero(&world);
    world
}

#[test]
fn deaths_change_nothing() {
    for seed in 1..9 {
        let whole = live(seed, USUAL, false);
        assert!(left(&whole).iter().all(|rows| !rows.is_empty()));
        for pace in [
            USUAL,
            Pace {
                step: 1,
                state: 0,
                ..USUAL
            },
        ] {
            let killed = live(seed, pace, true);
            assert_eq!(shown(&killed), shown(&whole), "seed {seed} {pace:?}");
            assert_eq!(left(&killed), left(&whole), "seed {seed} {pace:?}");
        }
    }
}

#[test]
fn rows_do_not_depend_on_threads_or_the_size_of_steps() {
    for seed in 20..24 {
        let whole = live(seed, USUAL, false);
        for (threads, step, state) in [(1, 1, 64 << 20), (2, 3_000, 0), (8, 100_000, 1 << 16)] {
            let pace = Pace {
                threads,
                step,
                state,
                ..USUAL
            };
            let other = live(seed, pace, false);
            assert_eq!(shown(&other), shown(&whole), "seed {seed} {pace:?}");
            assert_eq!(left(&other), left(&whole), "seed {seed} {pace:?}");
        }
    }
}

#[test]
fn a_deleted_store_comes_back_from_log_and_history() {
    for seed in 30..33 {
        let mut world = live(seed, USUAL, false);
        let (before, had_left) = (shown(&world), left(&world));
        world.flush("entries");
        world.flush("accounts");
        world.lose_store();
        world.open();
        world.finish();
        assert_eq!(shown(&world), before, "seed {seed}");
        assert_eq!(left(&world), had_left, "seed {seed}");
    }
}

#[test]
fn committed_rows_that_have_not_left_are_seen_right_after_a_start() {
    let mut world = World::new(BANK);
    let account = |account: i64| json!({"account": account, "branch": "north", "_deleted": false});
    world.push("accounts", &[account(1), account(2), account(3)]);
    let entry = |account: i64| json!({"account": account, "amount": 0, "at": at(START)});
    world.push("entries", &[entry(1)]);
    world.finish();
    // The first row has left; the second is committed, but the log has no room for it.
    world.trap.is_full.store(true, Ordering::SeqCst);
    world.push("entries", &[entry(2)]);
    world.settle();
    world.advance(Duration::from_secs(2));
    world.settle();
    let rows = ["1|0|north", "2|0|north"];
    assert_eq!(world.logged("branches"), rows[..1]);
    for _ in 0..2 {
        assert_eq!(world.seen("branches"), rows);
        assert_eq!(world.rows("balances"), ["1|0|1", "2|0|1"]);
        world.die();
        world.open();
    }
    assert_eq!(world.seen("branches"), rows);
    // Each is seen once, also while it leaves.
    world.push("entries", &[entry(3)]);
    world.settle();
    let rows = ["1|0|north", "2|0|north", "3|0|north"];
    assert_eq!(world.seen("branches"), rows);
    world.trap.is_full.store(false, Ordering::SeqCst);
    for _ in 0..4 {
        world.advance(Duration::from_secs(1));
        world.settle();
        assert_eq!(world.seen("branches"), rows);
    }
    assert_eq!(world.logged("branches"), rows);
    // All have left, and no later checkpoint says so.
    world.die();
    world.open();
    assert_eq!(world.seen("branches"), rows);
    world.finish();
    assert_eq!(world.logged("branches"), rows);
}

#[test]
fn steps_wait_while_state_that_was_let_go_cannot_be_kept() {
    let no_memory = Pace { state: 0, ..USUAL };
    let mut world = World::paced(READINGS, no_memory);
    let reading = |device: &str| json!({"device": device, "at": at(START)});
    world.push("readings", &[reading("a")]);
    world.finish();
    // A checkpoint is taken, but what it has for the log does not leave.
    world.trap.is_full.store(true, Ordering::SeqCst);
    let seq = world.push("readings", &[reading("a")]);
    world.settle();
    world.advance(Duration::from_secs(2));
    world.settle();
    assert_eq!(world.tables().frontier(), seq);
    let mut last = seq;
    for _ in 0..20 {
        last = world.push("readings", &[reading("a"), reading("b")]);
        world.settle();
        world.advance(Duration::from_millis(100));
    }
    // One step's changes wait in memory, and no more of them.
    assert!(world.tables().frontier() < last);
    world.trap.is_full.store(false, Ordering::SeqCst);
    world.finish();
    assert!(world.tables().frontier() >= last);
    assert_eq!(world.rows("totals"), ["a|22", "b|20"]);
    assert_eq!(world.logged("passed").len(), 42);
}

#[test]
fn steps_wait_while_the_store_or_the_log_does_not_take_what_there_is() {
    let overlay = 64 << 10;
    for is_full in [false, true] {
        let mut world = World::paced(READINGS, Pace { overlay, ..USUAL });
        // The store takes nothing: nobody applies.
        world.trap.is_full.store(is_full, Ordering::SeqCst);
        let mut last = Seq(0);
        for block in 0..60 {
            let device = |row: i32| format!("device-{}", block * 100 + row);
            let rows = (0..100).map(|row| json!({"device": device(row), "at": at(START)}));
            last = world.push("readings", &rows.collect::<Vec<_>>());
            world.settle();
            world.advance(Duration::from_secs(1));
        }
        assert!(world.tables().frontier() < last, "{is_full}");
        let size = world.tables().overlay_size().0;
        assert!((overlay..overlay * 2).contains(&size), "{is_full}: {size}");
        world.trap.is_full.store(false, Ordering::SeqCst);
        while world.tables().frontier() < last {
            world.finish();
        }
        assert_eq!(world.rows("totals").len(), 6_000);
        assert_eq!(world.logged("passed").len(), 6_000);
    }
}

#[test]
fn a_panic_stands_still_by_name_and_a_start_goes_on() {
    let whole = live(40, USUAL, false);
    let mut world = World::new(BANK);
    let (mut random, mut now) = (Random(40), START);
    for _ in 0..125 {
        happen(&world, &mut random, &mut now);
    }
    world.settle();
    let frontier = world.tables().frontier();
    let before = shown(&world);
    world.trap.is_armed.store(true, Ordering::SeqCst);
    happen(&world, &mut random, &mut now);
    let error = world.work().unwrap_err();
    assert!(matches!(error, FlowError::Panicked { .. }), "{error:?}");
    let health = world.application().health();
    assert_eq!(health.problem.unwrap().code.as_str(), "FLOW-006");
    // Readers stay where they were, and nothing is tried again.
    for _ in 1..125 {
        happen(&world, &mut random, &mut now);
        assert!(!world.work().unwrap());
    }
    assert_eq!(world.tables().frontier(), frontier);
    assert_eq!(shown(&world), before);
    world.trap.is_armed.store(false, Ordering::SeqCst);
    world.die();
    world.open();
    world.finish();
    assert_eq!(shown(&world), shown(&whole));
    assert_eq!(left(&world), left(&whole));
}

#[test]
fn a_panic_in_one_application_leaves_the_others_alone() {
    let mut world = World::new(BANK);
    let mut other = world.beside(
        "other",
        "CREATE STREAM visits (visitor BIGINT NOT NULL);
         CREATE MATERIALIZED VIEW visitors AS SELECT count(*) AS n FROM visits EMIT ON UPDATE;",
    );
    let visit = [json!({"visitor": 1})];
    let (mut random, mut now) = (Random(41), START);
    world.trap.is_armed.store(true, Ordering::SeqCst);
    let mut failed = 0;
    for _ in 0..20 {
        happen(&world, &mut random, &mut now);
        failed += usize::from(world.work().is_err());
        let seq = other.push("visits", &visit);
        other.settle();
        assert_eq!(other.tables().frontier(), seq);
    }
    assert_eq!(failed, 1, "it is told once, and stands still");
    let health = world.application().health();
    assert_eq!(health.problem.unwrap().code.as_str(), "FLOW-006");
    assert!(other.application().health().problem.is_none());
    assert_eq!(other.rows("visitors"), ["20|0"]);
    // What it gave is behind: after a start it is where the others are.
    world.trap.is_armed.store(false, Ordering::SeqCst);
    world.die();
    world.open();
    world.finish();
    check_zero(&world);
    assert!(!world.rows("balances").is_empty() && !world.seen("branches").is_empty());
}
