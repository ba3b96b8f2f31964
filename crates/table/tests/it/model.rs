//! Answers against a model: layers merged or not, applied or not, restarted or not, the same.

use mainstem_kernel::Seq;
use mainstem_table::Room;

use crate::world::{
    Model, Random, StateModel, TABLE, World, check, check_state, random_checkpoint, random_step,
    second_version,
};

/// One random life: steps, checkpoints, the applier, crashes, new columns.
fn live(seed: u64) {
    let mut random = Random(seed);
    let mut world = World::new();
    let (mut tables, mut applier, start) = world.open();
    assert_eq!((start.frontier, start.checkpoint), (Seq::ZERO, 0));
    let (mut model, mut state) = (Model::new(), StateModel::new());
    let mut committed = (model.clone(), state.clone(), start);
    let mut held = Vec::new();
    let pace = 1 + random.below(30);
    for _ in 0..150 {
        match random.below(20 + pace) {
            0..=2 => {
                let checkpoint = random_checkpoint(&mut state, &mut random);
                let note = checkpoint.note.clone();
                let done = tables.checkpoint(checkpoint).unwrap();
                assert_eq!(done.through, tables.frontier());
                let mut start = committed.2;
                (start.frontier, start.checkpoint) = (done.through, done.number);
                start.note = note;
                committed = (model.clone(), state.clone(), start);
            }
            3..=4 => drop(applier.work().unwrap()),
            5 => {
                // What was not committed is gone, all else is there.
                world.store = world.crashed_store(&mut random);
                let start;
                (tables, applier, start) = world.open();
                assert_eq!(start, committed.2);
                (model, state) = (committed.0.clone(), committed.1.clone());
            }
            6 if random.below(4) == 0 => {
                world.schemas = vec![second_version(TABLE)];
                tables.define(world.schemas[0].clone()).unwrap();
            }
            7 => held.push((tables.pointer(), model.clone())),
            _ => random_step(&mut world, (&tables, &mut model), &mut random),
        }
        let pointer = tables.pointer();
        check(&pointer, &model, &mut random);
        check_state(&pointer, &state);
    }
    for (pointer, model) in held {
        check(&pointer, &model, &mut random);
    }
}

#[test]
fn reads_equal_a_model() {
    for seed in 0..60 {
        live(seed);
    }
}

#[test]
fn the_limit_of_changes_is_told_and_the_applier_makes_room() {
    let mut random = Random(1);
    let mut world = World::new();
    world.config.overlay_size_max = mainstem_kernel::ByteSize::kib(64);
    let (tables, mut applier, _) = world.open();
    let mut model = Model::new();
    let mut steps = 0;
    while tables.overlay_size() < world.config.overlay_size_max {
        random_step(&mut world, (&tables, &mut model), &mut random);
        steps += 1;
        assert!(steps < 10_000);
    }
    let step = mainstem_table::Step {
        through: world.tick(),
        ..Default::default()
    };
    assert_eq!(tables.advance(step).unwrap(), Room::Full);
    tables.checkpoint(Default::default()).unwrap();
    while applier.work().unwrap() {}
    assert!(tables.wait_for_room(std::time::Duration::ZERO));
    assert_eq!(tables.overlay_size().0, 0);
    check(&tables.pointer(), &model, &mut random);
}

#[test]
fn a_step_back_is_refused() {
    let mut world = World::new();
    let (tables, ..) = world.open();
    let (first, second) = (world.tick(), world.tick());
    let step = |through| mainstem_table::Step {
        through,
        ..Default::default()
    };
    tables.advance(step(second)).unwrap();
    assert!(matches!(
        tables.advance(step(first)),
        Err(mainstem_table::TableError::Order { .. })
    ));
    assert_eq!(tables.frontier(), second);
}
