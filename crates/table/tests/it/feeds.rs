//! Change feeds: whoever follows from any kept position ends with the same rows as the table, also
//! if that position is one of a step that a crash took back.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{ByteSize, Seq};
use mainstem_table::{Applier, Changes, TableError, Tables};
use tokio::sync::watch;

use crate::world::{
    Key, Model, Random, Row, StateModel, TABLE, World, random_checkpoint, random_key, random_row,
    rows_of, step,
};

/// Puts changes into a copy of the table.
fn follow(copy: &mut Model, changes: &Changes) {
    let written = vec![Seq::ZERO; changes.upserts.num_rows()];
    for (key, row) in rows_of(&changes.upserts, &written) {
        copy.insert(key, row);
    }
    for key in keys_of(&changes.deletes) {
        copy.remove(&key);
    }
}

fn keys_of(batch: &arrow::array::RecordBatch) -> Vec<Key> {
    use arrow::{array::AsArray, datatypes::Int64Type};
    assert_eq!(batch.num_columns(), 2, "the key's columns in its order");
    let regions = batch.column(0).as_string::<i32>();
    let numbers = batch.column(1).as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .map(|at| (regions.value(at).to_owned(), numbers.value(at)))
        .collect()
}

/// Follows from a position to the end, in portions of one step or checkpoint.
fn follow_all(tables: &Tables, copy: &mut Model, mut after: Seq) -> Result<Seq, TableError> {
    loop {
        let changes = tables.changes(TABLE, after, 1)?;
        assert!(changes.through >= after);
        if changes.through == after {
            assert_eq!(changes.rows(), 0);
            return Ok(after);
        }
        follow(copy, &changes);
        after = changes.through;
    }
}

/// What the log of a life says, which the next life goes through again.
#[derive(Default)]
struct Log {
    entries: Vec<(Seq, BTreeMap<Key, Option<Row>>)>,
}

impl Log {
    fn write(&mut self, seq: Seq, random: &mut Random) {
        let mut changes = BTreeMap::new();
        for _ in 0..random.below(12) {
            let row = (random.below(3) > 0).then(|| random_row(random, seq));
            changes.insert(random_key(random), row);
        }
        self.entries.push((seq, changes));
    }

    /// What comes behind a frontier in so many entries at most, and where that ends.
    fn behind(&self, frontier: Seq, most: usize) -> Option<(Seq, BTreeMap<Key, Option<Row>>)> {
        let ahead = self.entries.iter().filter(|(seq, _)| *seq > frontier);
        let taken: Vec<_> = ahead.take(most).cloned().collect();
        let through = taken.last()?.0;
        let changes = taken.into_iter().flat_map(|(_, changes)| changes);
        Some((through, changes.collect()))
    }

    /// The rows at a frontier, without their seqs.
    fn rows_at(&self, frontier: Seq) -> Model {
        let mut model = Model::new();
        let seen = self.entries.iter().filter(|(seq, _)| *seq <= frontier);
        for (key, row) in seen.flat_map(|(_, changes)| changes) {
            match row {
                Some(row) => drop(model.insert(key.clone(), (row.0.clone(), row.1, Seq::ZERO))),
                None => drop(model.remove(key)),
            }
        }
        model
    }
}

/// A table of a life, and perhaps somebody who follows it all the time.
struct Life {
    tables: Arc<Tables>,
    applier: Applier,
    follower: Option<watch::Receiver<Seq>>,
}

impl Life {
    fn begin(world: &World, is_followed: bool) -> Self {
        let (tables, applier, _) = world.open();
        Self {
            follower: is_followed.then(|| tables.follow()),
            tables,
            applier,
        }
    }
}

/// What readers met.
#[derive(Debug, Default)]
struct Met {
    gone: usize,
    followed: usize,
    /// Went on beyond the last checkpoint.
    live: usize,
    /// Were ahead of the table for a while.
    ahead: usize,
}

#[test]
fn a_feed_goes_on_from_any_position_that_is_kept() {
    let mut met = Met::default();
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut world = World::new();
        // Sometimes everything is read from files, sometimes nothing.
        world.config.feed_size_max = ByteSize(u64::try_from(random.below(3)).unwrap() * 8_000);
        let mut life = Life::begin(&world, true);
        let (mut log, mut state) = (Log::default(), StateModel::new());
        let mut copies = vec![(Seq::ZERO, Model::new())];
        for _ in 0..60 {
            match random.below(7) {
                0 => {
                    let checkpoint = random_checkpoint(&mut state, &mut random);
                    drop(life.tables.checkpoint(checkpoint).unwrap());
                }
                1 => drop(life.applier.work().unwrap()),
                2 if random.below(3) == 0 => {
                    world.store = world.crashed_store(&mut random);
                    life = Life::begin(&world, random.below(2) == 0);
                }
                _ => {
                    let most = 1 + random.below(3);
                    let frontier = life.tables.frontier();
                    if log.behind(frontier, most).is_none() {
                        log.write(world.tick(), &mut random);
                    }
                    let (through, changes) = log.behind(frontier, most).unwrap();
                    step(&world, (&life.tables, through), &changes);
                }
            }
            // A reader that was away for a while, or reads again.
            let pick = random.below(copies.len());
            read(&life, &log, &mut copies[pick], &mut met);
            if copies.len() < 8 {
                let position = life.tables.frontier();
                copies.push((position, log.rows_at(position)));
            }
        }
    }
    let is_varied = met.gone > 10 && met.followed > 1_000 && met.live > 500 && met.ahead > 20;
    assert!(is_varied, "{met:?}");
}

fn read(life: &Life, log: &Log, (after, copy): &mut (Seq, Model), met: &mut Met) {
    let tables = &life.tables;
    let committed = tables.pointer().committed();
    met.ahead += usize::from(*after > tables.frontier());
    match follow_all(tables, copy, *after) {
        Ok(through) => {
            assert!(through >= committed.max(*after));
            assert_eq!(*copy, log.rows_at(through));
            *after = through;
            met.followed += 1;
            met.live += usize::from(through > committed && through == tables.frontier());
        }
        Err(TableError::Gone { first }) => {
            assert!(first > *after && first <= committed);
            (*after, *copy) = (committed, log.rows_at(committed));
            met.gone += 1;
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_follower_has_a_step_before_its_checkpoint_and_others_have_the_checkpoint() {
    let mut random = Random(2);
    let mut world = World::new();
    let mut life = Life::begin(&world, false);
    let mut log = Log::default();
    let mut take = |tables: &Tables, world: &mut World| {
        let seq = world.tick();
        log.write(seq, &mut random);
        let (through, changes) = log.behind(tables.frontier(), 1).unwrap();
        step(world, (tables, through), &changes);
        seq
    };
    let first = take(&life.tables, &mut world);
    let before = life.tables.changes(TABLE, Seq::ZERO, 1_000).unwrap();
    assert_eq!((before.rows(), before.through), (0, Seq::ZERO));

    let mut moved = life.tables.follow();
    assert_eq!(*moved.borrow_and_update(), first, "it begins here");
    let second = take(&life.tables, &mut world);
    assert!(moved.has_changed().unwrap());
    let step = life.tables.changes(TABLE, first, 1_000).unwrap();
    assert!(step.rows() > 0);
    assert_eq!(step.through, second);
    // Who comes from before the first step that was kept waits for the checkpoint.
    let early = life.tables.changes(TABLE, Seq::ZERO, 1_000).unwrap();
    assert_eq!((early.rows(), early.through), (0, Seq::ZERO));
    moved.mark_unchanged();
    drop(life.tables.checkpoint(Default::default()).unwrap());
    assert!(moved.has_changed().unwrap(), "some may wait for it");
    let early = life.tables.changes(TABLE, Seq::ZERO, 1_000).unwrap();
    assert_eq!(early.through, second);
    // Nobody follows: nothing is kept for it.
    drop(moved);
    life.follower = None;
    let third = take(&life.tables, &mut world);
    let missed = life.tables.changes(TABLE, second, 1_000).unwrap();
    assert_eq!((missed.rows(), missed.through), (0, second));
    assert!(third > second);
}
