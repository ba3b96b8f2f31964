//! When the applier goes to work: changes wait for more, but not for long, and not for memory.

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::ByteSize;
use mainstem_store::KeyRange;
use mainstem_table::{Checkpoint, Tables};

use crate::world::{Key, Row, World, step};

const INTERVAL: Duration = Duration::from_secs(5);

fn key() -> Key {
    ("a".to_owned(), 1)
}

/// One checkpoint that changes the same row.
fn change(world: &mut World, tables: &Tables) {
    let seq = world.tick();
    let row: Row = (Some("x".repeat(400)), None, seq);
    step(world, (tables, seq), &BTreeMap::from([(key(), Some(row))]));
    tables.checkpoint(Checkpoint::default()).unwrap();
}

#[test]
fn changes_wait_for_more_but_not_for_long() {
    let mut world = World::new();
    world.config.apply_interval = INTERVAL;
    let (tables, mut applier, _) = world.open();
    while applier.work_due().unwrap() {}
    let before = world.store.calls();
    for _ in 0..4 {
        change(&mut world, &tables);
        assert!(!applier.work_due().unwrap(), "nothing is due");
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.store.calls(), before);
    world.clock.advance(Duration::from_secs(1));
    assert!(applier.work_due().unwrap(), "five seconds have passed");
    // One batch and its sync for all of them.
    assert_eq!(world.store.calls(), before + 2);
    assert_eq!(tables.overlay_size(), ByteSize(0));
    change(&mut world, &tables);
    assert!(!applier.work_due().unwrap(), "the next wait anew");
}

#[test]
fn changes_do_not_wait_where_memory_is_short() {
    let mut world = World::new();
    world.config.apply_interval = INTERVAL;
    world.config.overlay_size_max = ByteSize::kib(1);
    let (tables, mut applier, _) = world.open();
    while applier.work_due().unwrap() {}
    change(&mut world, &tables);
    assert!(applier.work_due().unwrap());
    assert_eq!(tables.overlay_size(), ByteSize(0));
}

/// A shutdown does not wait for a large backlog; the next start has all of it.
#[test]
fn an_applier_of_closed_tables_stops_between_chunks() {
    let mut world = World::new();
    let (tables, mut applier, _) = world.open();
    while applier.work().unwrap() {}
    let seq = world.tick();
    let row = |n: i64| -> (Key, Option<Row>) {
        let row: Row = (Some(format!("{n}")), None, seq);
        (("a".to_owned(), n), Some(row))
    };
    let changes: BTreeMap<Key, Option<Row>> = (0..10_000).map(row).collect();
    step(&world, (&tables, seq), &changes);
    tables.checkpoint(Checkpoint::default()).unwrap();
    let before = world.store.calls();
    tables.close();
    assert!(!applier.work().unwrap());
    assert_eq!(world.store.calls(), before + 1, "one chunk");
    drop((tables, applier));
    let (tables, mut applier, _) = world.open();
    while applier.work().unwrap() {}
    assert_eq!(tables.overlay_size(), ByteSize(0));
    let scan = tables
        .pointer()
        .scan(world.schemas[0].id, &KeyRange::all(), 1_000);
    let rows: usize = scan.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 10_000);
}
