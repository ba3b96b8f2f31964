//! Power cuts and failing calls at every index of a scripted workload that archives, merges,
//! expires, adds a column and writes a checkpoint: no row is lost, none is there twice.

use std::{sync::Arc, time::Duration};

use mainstem_disk::{Cut, Failure, FailureKind, TwinDisk};

use crate::world::{DAY, HOUR, START, STREAM, World, config, open};

/// Version of the table before the workload, so that its checkpoint comes in it.
const VERSION_BEFORE: u64 = 92;

/// A disk with an archived table, and the number of its rows.
fn base() -> (TwinDisk, i64) {
    let disk = TwinDisk::new();
    let mut world = open(Arc::new(disk.clone()), START, config());
    world.define(None).unwrap();
    while world.pin().version < VERSION_BEFORE {
        world.append(3);
        world.history.flush(STREAM).unwrap();
        world.clock.advance(Duration::from_secs(6));
        world.work();
    }
    (disk.cut_power(Cut::DropAll), world.next)
}

fn begin(disk: &TwinDisk, rows: i64) -> World {
    let start = START.plus(HOUR);
    let mut world = open(Arc::new(disk.clone()), start, config());
    world.next = rows;
    world
}

/// The script. Errors are what a node would see: it goes on.
fn work(world: &mut World) {
    let mut failed = world.define(None).is_err();
    for _ in 0..4 {
        world.append(6);
        failed |= world.history.flush(STREAM).is_err();
    }
    world.history.work();
    world.version = 2;
    failed |= world.define(None).is_err();
    world.append(6);
    for _ in 0..20 {
        world.history.work();
    }
    world.clock.advance(DAY + HOUR);
    world.append(6);
    failed |= world.define(Some(DAY / 2)).is_err();
    for _ in 0..20 {
        world.history.work();
    }
    world.clock.advance(7 * HOUR);
    world.append(6);
    for _ in 0..20 {
        world.history.work();
    }
    // Whatever failed rests a minute and is tried again.
    world.clock.advance(Duration::from_secs(61));
    let _seen: bool = failed;
}

/// How many calls the script makes when nothing fails.
fn calls(base: &TwinDisk, rows: i64) -> u64 {
    let disk = base.cut_power(Cut::DropAll);
    let mut world = begin(&disk, rows);
    work(&mut world);
    world.check_from(rows + 30);
    assert!(
        world.rows().keys().all(|n| *n >= rows + 30),
        "the first day has expired"
    );
    let metrics = world.metrics.encode();
    for done in ["archived_files", "compacted_files", "expired_files"] {
        assert!(
            !metrics.contains(&format!("mainstem_{done}_total 0")),
            "nothing {done}"
        );
    }
    disk.calls()
}

#[test]
fn a_power_cut_at_any_call_loses_and_doubles_nothing() {
    let (base, rows) = base();
    for call in 0..calls(&base, rows) {
        for cut in [Cut::DropAll, Cut::Random(call)] {
            let disk = base.cut_power(Cut::DropAll);
            let mut world = begin(&disk, rows);
            disk.fail(Failure {
                call,
                kind: FailureKind::PowerLoss,
            });
            work(&mut world);
            check_after_cut(&mut world, &disk, cut, rows);
        }
    }
}

#[test]
fn a_failing_call_at_any_index_loses_and_doubles_nothing() {
    let (base, rows) = base();
    for call in 0..calls(&base, rows) {
        let other = if call % 2 == 0 {
            FailureKind::Full
        } else {
            FailureKind::ShortWrite
        };
        for kind in [FailureKind::Io, other] {
            let disk = base.cut_power(Cut::DropAll);
            let mut world = begin(&disk, rows);
            disk.fail(Failure { call, kind });
            work(&mut world);
            if world.history.pin(STREAM).is_none() || world.define(None).is_err() {
                let same = Arc::clone(&world.disk);
                world.restart_on(same);
                world.define(None).unwrap();
            }
            world.history.flush(STREAM).unwrap();
            world.check_from(rows + 30);
            // What was reported as archived is archived.
            check_after_cut(&mut world, &disk, Cut::DropAll, rows);
        }
    }
}

fn check_after_cut(world: &mut World, disk: &TwinDisk, cut: Cut, rows: i64) {
    world.restart_on(Arc::new(disk.cut_power(cut)));
    world.define(None).unwrap();
    world.check_from(rows + 30);
    world.history.flush(STREAM).unwrap();
    world.check_from(rows + 30);
    world.clock.advance(DAY);
    world.work();
    world.check_from(rows + 30);
}
