//! Views that were replaced and are brought back go on where they stopped, and are then what they
//! would have been, whatever dies meanwhile.

use std::{collections::BTreeSet, ops::ControlFlow};

use mainstem_catalog::{Change, Stage};
use mainstem_kernel::StreamId;
use mainstem_sql::view::Progress;
use mainstem_store::KeyRange;

use crate::{
    bank::{BANK, check_zero, happen, shown},
    world::{Pace, Random, START, USUAL, World},
};

/// Every view of the bank with a column more.
const CHANGED: &str = "
CREATE MATERIALIZED VIEW balances AS
SELECT account, sum(amount) AS balance, count(*) AS n, max(amount) AS most FROM entries
GROUP BY account EMIT ON UPDATE;
CREATE MATERIALIZED VIEW total AS
SELECT sum(balance) AS balance, sum(n) AS n, max(most) AS most FROM balances EMIT ON UPDATE;
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, window_end, account, sum(amount) AS amount, count(*) AS n, max(amount) AS most
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end, account EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW corrected AS
SELECT window_start, window_end, count(*) AS n, min(amount) AS least, max(amount) AS most
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '5 minutes';
CREATE MATERIALIZED VIEW branches AS
SELECT e.account, e.amount, e.at, a.branch FROM entries e
JOIN accounts FOR SYSTEM_TIME AS OF PROCTIME() a ON a.account = e.account;
";

/// What happens between a view's stop and the next checkpoint.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    /// The process dies before it has heard of the stop.
    DiesBefore,
    /// It dies behind the stop, before a checkpoint has it.
    DiesBehind,
    /// It dies when a checkpoint has it.
    DiesKept,
    /// It is brought back before a checkpoint has it.
    Back,
    /// Time passes.
    Nothing,
}

fn replaced(world: &World) -> BTreeSet<StreamId> {
    let defs = world.defs();
    let views = defs.views.values();
    let replaced = views.filter(|def| matches!(def.stage, Stage::Replaced { .. }));
    replaced.map(|def| def.id).collect()
}

fn restore(world: &mut World, views: &BTreeSet<StreamId>) {
    let changes = views.iter().map(|id| Change::RestoreView { id: *id });
    world.apply(changes.collect());
}

/// Late rows and dead letters: all versions of a view tell them.
fn aside(world: &World) -> Vec<BTreeSet<String>> {
    let streams = ["minutes_late", "minutes_dead_letters"];
    let rows = streams.map(|name| world.logged(name));
    rows.map(|rows| rows.into_iter().collect()).to_vec()
}

/// A life in which all views are replaced, and brought back.
fn life(meanwhile: Meanwhile, seed: u64) -> World {
    let pace = Pace {
        step: 1_500,
        state: 1 << 12,
        ..USUAL
    };
    let mut world = World::paced(BANK, pace);
    let (mut random, mut now, mut chance) = (Random(seed), START, Random(seed ^ 0xBAC));
    for _ in 0..40 {
        happen(&world, &mut random, &mut now);
        world.work().unwrap();
    }
    world.finish();
    assert_eq!(world.swap().len(), 5);
    world.declare(CHANGED);
    for _ in 0..20 {
        happen(&world, &mut random, &mut now);
        world.work().unwrap();
    }
    world.finish();
    let rows_before = world.logged("entries").len();
    happen(&world, &mut random, &mut now);
    world.settle();
    assert_eq!(world.swap().len(), 5, "{meanwhile:?}");
    let old = replaced(&world);
    match meanwhile {
        Meanwhile::DiesBefore => {}
        Meanwhile::DiesBehind | Meanwhile::Back => drop(world.work().unwrap()),
        Meanwhile::DiesKept | Meanwhile::Nothing => world.finish(),
    }
    if !matches!(meanwhile, Meanwhile::Back | Meanwhile::Nothing) {
        world.die();
        world.open();
    }
    if !matches!(meanwhile, Meanwhile::Back) {
        for _ in 0..10 {
            happen(&world, &mut random, &mut now);
            world.work().unwrap();
        }
    }
    restore(&mut world, &old);
    let mut resumed = 0;
    for round in 0..20 {
        world.work().unwrap();
        resumed += check_resumed(&world, &old, rows_before);
        happen(&world, &mut random, &mut now);
        if chance.below(6) == 0 {
            world.die();
            world.open();
        }
        if round == 10 {
            world.flush("entries");
        }
    }
    assert!(resumed > 3, "{meanwhile:?}: {resumed}");
    world.finish();
    assert_eq!(world.swap(), old, "{meanwhile:?}");
    if matches!(meanwhile, Meanwhile::Back) {
        for _ in 0..10 {
            happen(&world, &mut random, &mut now);
        }
    }
    world.finish();
    check_zero(&world);
    world
}

/// Nothing that a view has had is read for it again; how many are on their way.
fn check_resumed(world: &World, views: &BTreeSet<StreamId>, rows_before: usize) -> usize {
    let mut resumed = 0;
    for id in views {
        let progress = world.status(*id).map(|status| status.progress);
        if let Some(Progress::Building { rows_total, .. }) = progress {
            let before = u64::try_from(rows_before).unwrap();
            assert!(rows_total < before, "{id}: {rows_total} of {before}");
            resumed += 1;
        }
    }
    resumed
}

#[test]
fn a_view_that_is_brought_back_goes_on_where_it_stopped() {
    for seed in 1..4 {
        let mut whole = World::new(BANK);
        let (mut random, mut now) = (Random(seed), START);
        for _ in 0..91 {
            happen(&whole, &mut random, &mut now);
        }
        whole.finish();
        for meanwhile in [
            Meanwhile::DiesBefore,
            Meanwhile::DiesBehind,
            Meanwhile::DiesKept,
            Meanwhile::Back,
            Meanwhile::Nothing,
        ] {
            let world = life(meanwhile, seed);
            assert_eq!(shown(&world), shown(&whole), "{meanwhile:?}, seed {seed}");
            let late = aside(&whole);
            assert!(!late[0].is_empty());
            assert_eq!(aside(&world), late, "{meanwhile:?}, seed {seed}");
        }
    }
}

/// The worst mistake: what is left of it is written behind the call that removes it.
#[test]
fn a_view_that_is_forgotten_as_it_stops_leaves_nothing() {
    let mut world = World::new(BANK);
    let (mut random, mut now) = (Random(6), START);
    for _ in 0..20 {
        happen(&world, &mut random, &mut now);
    }
    world.finish();
    world.swap();
    world.settle();
    let view = world.id("corrected");
    happen(&world, &mut random, &mut now);
    world.settle();
    world.apply(vec![Change::DropView { id: view }]);
    world.work().unwrap();
    world.apply(vec![Change::ForgetView { id: view }]);
    world.finish();
    world.die();
    world.open();
    world.finish();
    let mut left = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        left += 1;
        ControlFlow::Continue(())
    };
    let range = KeyRange::prefix(&view.0.to_be_bytes());
    let pointer = world.tables().pointer();
    pointer.scan_state(&range, &mut visit).unwrap();
    assert_eq!(left, 0);
}
