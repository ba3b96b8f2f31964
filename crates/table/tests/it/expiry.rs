//! Expiry: a row goes exactly when the frontier passes its time, wherever it is.

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::Seq;
use mainstem_table::{Step, Tables};

use crate::world::{
    Key, Model, Random, Row, TABLE, World, changed, check, random_checkpoint, random_key,
    random_row, schema,
};

const TTL: Duration = Duration::from_millis(50);

fn world() -> World {
    let mut world = World::new();
    world.schemas[0].ttl = Some(TTL);
    world
}

/// The rows of a model that have outlived their time.
fn due(model: &Model, through: Seq) -> Vec<Key> {
    let is_due = |row: &Row| row.2.millis() + 50 <= through.millis();
    let rows = model.iter().filter(|(_, row)| is_due(row));
    rows.map(|(key, _)| key.clone()).collect()
}

/// A step through `through` that begins with what expires, as whoever drives steps takes it.
fn step(
    (world, tables, model): (&World, &Tables, &mut Model),
    through: Seq,
    writes: BTreeMap<Key, Row>,
) -> usize {
    let mut changes: BTreeMap<Key, Option<Row>> = BTreeMap::new();
    let mut expired = 0;
    for found in tables.expire(through, 1_000).unwrap() {
        assert!(found.is_all && found.table == TABLE);
        let written = vec![Seq::ZERO; found.rows.num_rows()];
        for (key, _) in crate::world::rows_of(&found.rows, &written) {
            assert!(model.remove(&key).is_some(), "it is there: {key:?}");
            changes.insert(key, None);
            expired += 1;
        }
    }
    for (key, row) in writes {
        changes.insert(key.clone(), Some(row.clone()));
        model.insert(key, row);
    }
    let changed = changed(&world.schemas[0], &changes, through);
    tables
        .advance(Step {
            through,
            changed: vec![changed],
            emitted: Vec::new(),
        })
        .unwrap();
    expired
}

fn live(seed: u64) -> usize {
    let mut random = Random(seed);
    let mut world = world();
    let (mut tables, mut applier, _) = world.open();
    let mut model = Model::new();
    let mut committed = model.clone();
    let mut expired = 0;
    for _ in 0..200 {
        world.seq = Seq::from_millis(world.seq.millis() + u64::try_from(random.below(9)).unwrap());
        let through = world.tick();
        assert_eq!(
            due(&model, through).len(),
            tables
                .expire(through, 1_000)
                .unwrap()
                .iter()
                .map(|found| found.rows.num_rows())
                .sum::<usize>(),
            "asking changes nothing"
        );
        let writes = (0..random.below(6))
            .map(|_| (random_key(&mut random), random_row(&mut random, through)));
        let writes = writes.collect();
        expired += step((&world, &tables, &mut model), through, writes);
        assert_eq!(due(&model, through), Vec::<Key>::new());
        match random.below(8) {
            0..=1 => {
                let checkpoint = random_checkpoint(&mut BTreeMap::new(), &mut random);
                tables.checkpoint(checkpoint).unwrap();
                committed = model.clone();
            }
            2..=4 => {
                applier.work().unwrap();
                assert_next(&tables, through);
            }
            5 if random.below(4) == 0 => {
                world.store = world.crashed_store(&mut random);
                (tables, applier, _) = world.open();
                model = committed.clone();
            }
            _ => {}
        }
        check(&tables.pointer(), &model, &mut random);
    }
    expired
}

/// Behind the frontier, whenever it is asked.
fn assert_next(tables: &Tables, through: Seq) {
    if let Some(next) = tables.next_expiry().unwrap() {
        assert!(next > through, "{next:?} at {through:?}");
    }
}

#[test]
fn the_next_time_is_that_of_the_oldest_row_that_is_left() {
    let world = world();
    let (tables, mut applier, _) = world.open();
    let mut model = Model::new();
    let at = |millis: u64| Seq::from_millis(1_000_000 + millis);
    let mut keep = |through: Seq, rows: &[i64]| {
        let rows = rows
            .iter()
            .map(|n| (("r".to_owned(), *n), (None, None, through)));
        step((&world, &tables, &mut model), through, rows.collect());
        let before = tables.next_expiry().unwrap();
        tables.checkpoint(Default::default()).unwrap();
        while applier.work().unwrap() {}
        (before, tables.next_expiry().unwrap())
    };
    assert_eq!(keep(at(0), &[]), (None, None), "there is no row");
    assert_eq!(keep(at(3), &[1]), (None, Some(at(53))), "not in the store");
    let both = (Some(at(53)), Some(at(53)));
    assert_eq!(keep(at(7), &[2, 3]), both);
    // The first one is written anew; it is asked for again at its time.
    assert_eq!(keep(at(20), &[1]), both);
    assert_eq!(keep(at(53), &[]), (Some(at(57)), Some(at(57))));
    assert_eq!(keep(at(57), &[]), (Some(at(70)), Some(at(70))));
    assert_eq!(keep(at(90), &[]).1, None, "all are gone");
}

#[test]
fn rows_go_when_the_frontier_passes_their_time() {
    let expired: usize = (0..20).map(live).sum();
    assert!(expired > 1_000, "only {expired} rows expired");
}

#[test]
fn many_rows_expire_in_portions() {
    let mut world = world();
    let (tables, mut applier, _) = world.open();
    let mut model = Model::new();
    let seq = world.tick();
    let rows = (0..500).map(|n| (("r".to_owned(), n), (None, None, seq)));
    step((&world, &tables, &mut model), seq, rows.collect());
    for is_applied in [false, true] {
        if is_applied {
            tables.checkpoint(Default::default()).unwrap();
            while applier.work().unwrap() {}
        }
        let before = Seq::from_millis(seq.millis() + 49);
        assert!(tables.expire(before, 100).unwrap().is_empty());
        let after = Seq::from_millis(seq.millis() + 50);
        let found = tables.expire(after, 100).unwrap();
        assert_eq!((found.len(), found[0].is_all), (1, false));
        assert_eq!(found[0].rows.num_rows(), 100);
    }
    let mut left = 500;
    let mut through = Seq::from_millis(seq.millis() + 60);
    while left > 0 {
        let found = tables.expire(through, 100).unwrap().remove(0);
        left -= found.rows.num_rows();
        assert_eq!(found.is_all, left == 0);
        through = Seq(through.0 + 1);
        tables
            .advance(Step {
                through,
                changed: vec![found.into_changed(through)],
                emitted: Vec::new(),
            })
            .unwrap();
    }
    assert!(tables.expire(through, 100).unwrap().is_empty());
    check(&tables.pointer(), &Model::new(), &mut Random(1));
}

#[test]
fn a_time_to_live_that_comes_later_finds_the_rows_that_were_there() {
    let mut world = World::new();
    let (tables, mut applier, _) = world.open();
    let mut model = Model::new();
    let first = world.tick();
    let rows = (0..5_000).map(|n| (("r".to_owned(), n), (None, None, first)));
    step((&world, &tables, &mut model), first, rows.collect());
    tables.checkpoint(Default::default()).unwrap();
    while applier.work().unwrap() {}
    let through = Seq::from_millis(first.millis() + 1_000);
    let mut with_ttl = schema(TABLE);
    with_ttl.ttl = Some(TTL);
    // On, off, and on again: what changed while it was off must not be missed.
    let expired = |tables: &Tables| {
        let found = tables.expire(through, 100_000).unwrap();
        found
            .iter()
            .map(|found| found.rows.num_rows())
            .sum::<usize>()
    };
    tables.define(with_ttl.clone()).unwrap();
    while applier.work().unwrap() {}
    assert_eq!(expired(&tables), 5_000);
    tables.define(schema(TABLE)).unwrap();
    assert_eq!(expired(&tables), 0);
    let second = world.tick();
    let rows = (4_000..6_000).map(|n| (("r".to_owned(), n), (None, None, second)));
    step((&world, &tables, &mut model), second, rows.collect());
    tables.checkpoint(Default::default()).unwrap();
    while applier.work().unwrap() {}
    tables.define(with_ttl).unwrap();
    while applier.work().unwrap() {}
    assert_eq!(expired(&tables), 6_000);
}
