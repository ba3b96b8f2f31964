//! Power cuts and failing calls at every point of a script with rolls, trims and carries.

use std::time::Duration;

use mainstem_disk::{Cut, Disk, Failure, FailureKind};

use super::{
    world::{Model, Random, World, config, put, put_numbers, trim},
    *,
};
use crate::contract::numbers;

const STEPS: u64 = 110;

/// Whether the script goes on after a failed append.
#[derive(Clone, Copy, PartialEq)]
enum OnError {
    Stop,
    GoOn,
}

/// What a run of the script met.
#[derive(Debug, Default)]
struct Met {
    generations: u64,
    carried: bool,
    errors: usize,
    poisoned: bool,
}

/// Appends, lets time pass by heartbeats, trims all but a slow stream, and reopens now and then.
fn run(world: &World, seed: u64, on_error: OnError) -> (Model, Met) {
    let (mut random, mut model, mut met) = (Random(seed), Model::default(), Met::default());
    let Ok((mut journal, _)) = world.try_open() else {
        met.errors = 1;
        return (model, met);
    };
    for step in 0..STEPS {
        world.clock.advance(Duration::from_millis(random.below(3)));
        let drafts = model.draft(&mut random);
        let rows: Vec<_> = drafts.iter().map(|d| (d.stream, rows_of(d))).collect();
        let runs: Vec<_> = drafts.iter().map(|d| d.entries.clone()).collect();
        match put(&mut journal, drafts) {
            Ok(appended) => model.note(rows, &runs, &appended),
            Err(error) => {
                met.errors += 1;
                met.poisoned |= matches!(error, AppendError::Poisoned { .. });
                let is_known = !matches!(error, AppendError::Poisoned { .. });
                if !is_known || on_error == OnError::Stop {
                    model.unknown.push(rows);
                }
                if on_error == OnError::Stop {
                    break;
                }
            }
        }
        if step % 7 == 3 && !met.poisoned {
            match journal.heartbeat() {
                Ok(()) => model.beat = journal.frontier(),
                Err(error) => {
                    met.errors += 1;
                    met.poisoned |= matches!(error, AppendError::Poisoned { .. });
                    if on_error == OnError::Stop {
                        break;
                    }
                }
            }
        }
        met.generations = met
            .generations
            .max(journal.files.back().map_or(0, |f| f.generation()));
        met.carried |= is_carried(&journal);
        // Stream 19 is slow: it is never trimmed, so the journal has to carry it.
        if step % 5 == 4 {
            for stream in [16, 17, 18].map(StreamId) {
                let last = model.acked.get(&stream).and_then(|kept| kept.last());
                if let Some(last) = last {
                    trim(&journal, stream, last.seq);
                    model.trimmed.insert(stream, last.seq);
                }
            }
        }
        let is_restart = met.poisoned || step % 23 == 22;
        if is_restart {
            met.poisoned = false;
            drop(journal);
            let Ok((opened, damages)) = world.try_open() else {
                met.errors += 1;
                return (model, met);
            };
            assert!(damages.is_empty());
            journal = opened;
            for (stream, through) in &model.trimmed {
                trim(&journal, *stream, *through);
            }
            model.check(&journal);
        }
    }
    (model, met)
}

fn rows_of(draft: &crate::Draft) -> Vec<i64> {
    let column = draft.batch.column(0).as_any();
    column
        .downcast_ref::<arrow::array::Int64Array>()
        .unwrap()
        .values()
        .to_vec()
}

/// Whether a frame stands in a file that was begun after it was appended.
fn is_carried(journal: &Journal) -> bool {
    let index = journal.index();
    let found = index
        .read()
        .find(StreamId(19), crate::contract::all(Seq::ZERO));
    found.is_ok_and(|found| {
        found
            .frames
            .windows(2)
            .any(|pair| pair[0].file.generation() > pair[1].file.generation())
            || found
                .frames
                .first()
                .is_some_and(|first| first.file.generation() > 6)
    })
}

/// After whatever happened: opens, holds what it must, takes more, and holds that too.
fn check_after(world: &World, mut model: Model) -> Model {
    let mut journal = world.open();
    for (stream, through) in &model.trimmed {
        trim(&journal, *stream, *through);
    }
    model.check(&journal);
    let mut random = Random(99);
    for _ in 0..3 {
        let drafts = model.draft(&mut random);
        let rows: Vec<_> = drafts.iter().map(|d| (d.stream, rows_of(d))).collect();
        let runs: Vec<_> = drafts.iter().map(|d| d.entries.clone()).collect();
        let appended = put(&mut journal, drafts).unwrap();
        model.note(rows, &runs, &appended);
    }
    model.check(&journal);
    drop(journal);
    let journal = world.open();
    for (stream, through) in &model.trimmed {
        trim(&journal, *stream, *through);
    }
    model.check(&journal);
    model
}

#[test]
fn the_script_exercises_what_it_should() {
    let world = World::new(config());
    let (model, met) = run(&world, 1, OnError::Stop);
    assert_eq!(met.errors, 0, "the script itself runs through");
    assert!(met.generations > 8, "files are used again: {met:?}");
    assert!(met.carried, "live frames were carried: {met:?}");
    let size: u64 = world
        .disk
        .list(world.files()[0].parent().unwrap())
        .unwrap()
        .iter()
        .map(|entry| entry.len)
        .sum();
    assert!(
        size <= world.config.journal_size_max.0,
        "the limit holds: {size}"
    );
    check_after(&world, model);
}

#[test]
fn a_power_cut_after_any_call_loses_nothing_acknowledged() {
    let calls = {
        let world = World::new(config());
        run(&world, 1, OnError::Stop);
        world.disk.calls()
    };
    assert!(calls > 150, "there is something to cut: {calls}");
    for call in World::new(config()).disk.calls()..calls {
        let world = World::new(config());
        world.disk.fail(Failure {
            call,
            kind: FailureKind::PowerLoss,
        });
        let (model, met) = run(&world, 1, OnError::Stop);
        assert_eq!(met.errors, 1, "call {call} was reached");
        for cut in [Cut::DropAll, Cut::Random(call)] {
            check_after(&world.on(world.disk.cut_power(cut)), model.clone());
        }
    }
}

#[test]
fn any_failing_call_loses_nothing_acknowledged() {
    let calls = {
        let world = World::new(config());
        run(&world, 2, OnError::GoOn);
        world.disk.calls()
    };
    let mut refused = 0;
    for call in World::new(config()).disk.calls()..calls {
        for kind in [FailureKind::Io, FailureKind::Full, FailureKind::ShortWrite] {
            let world = World::new(config());
            world.disk.fail(Failure { call, kind });
            let (model, met) = run(&world, 2, OnError::GoOn);
            refused += met.errors;
            assert!(
                met.errors <= 2,
                "call {call} {kind:?}: one failure is not many: {met:?}"
            );
            let model = check_after(&world, model);
            // And what is durable by now is enough.
            if kind == FailureKind::Io {
                check_after(&world.on(world.disk.cut_power(Cut::Random(call))), model);
            }
        }
    }
    assert!(refused > 100, "failures reached the appends: {refused}");
}

#[test]
fn a_failed_sync_poisons_until_recovery() {
    let world = World::new(config());
    let mut journal = world.open();
    put_numbers(&mut journal, 16, 0, 5).unwrap();
    // An append is a write and a sync.
    world.disk.fail(Failure {
        call: world.disk.calls() + 1,
        kind: FailureKind::Io,
    });
    for _ in 0..3 {
        let error = put_numbers(&mut journal, 16, 5, 5).unwrap_err();
        assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
    }
    let read = world::read(&journal, StreamId(16), Seq::ZERO).unwrap();
    assert_eq!(numbers(&read), [0, 1, 2, 3, 4], "reads go on");
    drop(journal);
    let mut journal = world.open();
    put_numbers(&mut journal, 16, 10, 1).unwrap();
}

#[test]
fn a_failed_write_leaves_nothing_even_if_all_of_it_arrived() {
    let world = World::new(config());
    let mut journal = world.open();
    put_numbers(&mut journal, 16, 0, 5).unwrap();
    world.disk.fail(Failure {
        call: world.disk.calls(),
        kind: FailureKind::ShortWrite,
    });
    let error = put_numbers(&mut journal, 16, 5, 5).unwrap_err();
    assert!(matches!(error, AppendError::Write { .. }), "{error}");
    put_numbers(&mut journal, 17, 20, 1).unwrap();
    let frames = world::read(&journal, StreamId(16), Seq::ZERO).unwrap();
    assert_eq!(numbers(&frames), [0, 1, 2, 3, 4]);

    world.disk.fail(Failure {
        call: world.disk.calls(),
        kind: FailureKind::ShortWrite,
    });
    put_numbers(&mut journal, 16, 5, 5).unwrap_err();
    for cut in (0..50).map(Cut::Random) {
        let after = world.on(world.disk.cut_power(cut)).open();
        let frames = world::read(&after, StreamId(16), Seq::ZERO).unwrap();
        assert_eq!(numbers(&frames), [0, 1, 2, 3, 4]);
        assert_eq!(
            world::read(&after, StreamId(17), Seq::ZERO).unwrap().len(),
            1
        );
    }
}

#[test]
fn a_file_that_failed_to_begin_is_not_found_behind_later_groups() {
    let world = World::new(config());
    let mut journal = world.open();
    let pages = |journal: &Journal| (journal.files[0].length() - journal.at) / 4_096;
    while pages(&journal) > 3 {
        put_numbers(&mut journal, 16, 0, 1).unwrap();
    }
    // Too large for what is left: a roll, whose preallocated file gets no header.
    let before = world.disk.calls();
    let made = 4;
    world.disk.fail(Failure {
        call: before + made,
        kind: FailureKind::ShortWrite,
    });
    put_numbers(&mut journal, 16, 0, 2_000).unwrap_err();
    assert_eq!(journal.files.len(), 1, "the roll failed");
    assert!(world.disk.calls() > before + made, "at the header");
    put_numbers(&mut journal, 17, 5, 1).unwrap();
    let held = journal.files[0].generation();
    for cut in (0..20).map(Cut::Random) {
        let mut after = world.on(world.disk.cut_power(cut)).open();
        let frames = world::read(&after, StreamId(17), Seq::ZERO).unwrap();
        assert_eq!(numbers(&frames), [5]);
        put_numbers(&mut after, 16, 0, 2_000).unwrap();
        assert_eq!(after.files.back().unwrap().generation(), held + 1);
    }
}
