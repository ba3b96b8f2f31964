//! Change feeds: whoever follows from any kept position ends with the same rows as the table.

use mainstem_kernel::{ByteSize, Seq};
use mainstem_table::{Changes, TableError, Tables};

use crate::world::{
    Key, Model, Random, StateModel, TABLE, World, random_checkpoint, random_step, rows_of,
};

/// Puts changes into a copy of the table.
fn follow(copy: &mut Model, changes: &Changes) {
    for entry in &changes.entries {
        let written = vec![Seq::ZERO; entry.upserts.num_rows()];
        for (key, row) in rows_of(&entry.upserts, &written) {
            copy.insert(key, row);
        }
        for key in keys_of(&entry.deletes) {
            copy.remove(&key);
        }
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

fn without_seqs(model: &Model) -> Model {
    let rows = model.iter();
    rows.map(|(key, row)| (key.clone(), (row.0.clone(), row.1, Seq::ZERO)))
        .collect()
}

/// Follows from a position to the end, in portions.
fn follow_all(tables: &Tables, copy: &mut Model, mut after: Seq) -> Result<Seq, TableError> {
    loop {
        let changes = tables.changes(TABLE, after, 1)?;
        assert!(changes.entries.len() <= 1, "a portion is small");
        assert!(changes.entries.iter().all(|entry| entry.at > after));
        follow(copy, &changes);
        if changes.through == after {
            return Ok(after);
        }
        after = changes.through;
    }
}

#[test]
fn a_feed_goes_on_from_any_position_that_is_kept() {
    let mut gone = 0;
    let mut followed = 0;
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut world = World::new();
        // Sometimes everything is read from files, sometimes nothing.
        world.config.feed_size_max = ByteSize(u64::try_from(random.below(3)).unwrap() * 4_000);
        let (mut tables, mut applier, _) = world.open();
        let (mut model, mut state) = (Model::new(), StateModel::new());
        let mut copies = vec![(Seq::ZERO, Model::new())];
        let mut committed = model.clone();
        for _ in 0..60 {
            match random.below(6) {
                0 => {
                    let checkpoint = random_checkpoint(&mut state, &mut random);
                    tables.checkpoint(checkpoint).unwrap();
                    committed = model.clone();
                }
                1 => drop(applier.work().unwrap()),
                2 if random.below(3) == 0 => {
                    world.store = world.crashed_store(&mut random);
                    (tables, applier, _) = world.open();
                    model = committed.clone();
                }
                _ => random_step(&mut world, (&tables, &mut model), &mut random),
            }
            // A reader that was away for a while, or reads again.
            let pick = random.below(copies.len());
            let (after, copy) = &mut copies[pick];
            match follow_all(&tables, copy, *after) {
                Ok(through) => {
                    assert_eq!(through, tables.pointer().committed());
                    assert_eq!(*copy, without_seqs(&committed));
                    *after = through;
                    followed += 1;
                }
                Err(TableError::Gone { first }) => {
                    assert!(first > *after && first <= tables.pointer().committed());
                    *copy = without_seqs(&committed);
                    *after = tables.pointer().committed();
                    gone += 1;
                }
                Err(error) => panic!("{error}"),
            }
            if copies.len() < 8 {
                let position = tables.pointer().committed();
                copies.push((position, without_seqs(&committed)));
            }
        }
    }
    assert!(
        gone > 10 && followed > 500,
        "{gone} gone, {followed} followed"
    );
}

#[test]
fn a_change_leaves_only_when_it_is_committed() {
    let mut random = Random(2);
    let mut world = World::new();
    let (tables, ..) = world.open();
    let watch = tables.watch_committed();
    let mut model = Model::new();
    for _ in 0..5 {
        random_step(&mut world, (&tables, &mut model), &mut random);
    }
    let sealed = tables.seal(Default::default()).unwrap();
    let before = tables.changes(TABLE, Seq::ZERO, 1_000).unwrap();
    assert!(before.entries.is_empty() && before.through == Seq::ZERO);
    assert!(!watch.has_changed().unwrap());
    tables.commit(&sealed).unwrap();
    assert_eq!(*watch.borrow(), tables.frontier());
    let after = tables.changes(TABLE, Seq::ZERO, 1_000).unwrap();
    assert_eq!((after.entries.len(), after.through), (1, tables.frontier()));
}
