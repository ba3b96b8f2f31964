//! Power cuts at every call, calls that fail, stores that lose batches: what comes back is exactly
//! the last committed checkpoint, or the one whose commit was under way.

use std::collections::BTreeMap;

use mainstem_disk::{Cut, Disk, Failure, FailureKind};
use mainstem_kernel::Seq;
use mainstem_table::{Applier, Sealed, Step, TableError, Tables};

use crate::world::{
    FOLDER, Model, Random, StateModel, World, changed, check, check_state, random_checkpoint,
    random_step,
};

/// Rows and state at a checkpoint, with its number, frontier and note.
type Saved = (Model, StateModel, (u64, Seq, String));

/// What a crash may leave.
#[derive(Clone, Debug, Default)]
struct Ledger {
    committed: Saved,
    /// Whose commit was called and has not returned.
    attempted: Option<Saved>,
}

impl Ledger {
    /// Which of the two came back; anything else fails.
    fn check(
        &self,
        world: &World,
        random: &mut Random,
    ) -> (Saved, std::sync::Arc<Tables>, Applier) {
        let (tables, applier, start) = world.open();
        let note = String::from_utf8(start.note.to_vec()).unwrap();
        let found = (start.checkpoint, start.frontier, note);
        let saved = if found == self.committed.2 {
            &self.committed
        } else {
            self.attempted.as_ref().unwrap_or(&self.committed)
        };
        assert_eq!(found, saved.2, "committed {:?}", self.committed.2);
        assert_eq!(tables.frontier(), found.1);
        check(&tables.pointer(), &saved.0, random);
        check_state(&tables.pointer(), &saved.1);
        (saved.clone(), tables, applier)
    }
}

/// Steps, checkpoints and the applier, until something fails. Commits that left nothing are tried
/// again, once.
fn script(world: &mut World, ledger: &mut Ledger, rounds: u64) -> Result<(), TableError> {
    let mut random = Random(3);
    let opened = world.try_open()?;
    let (tables, mut applier) = (opened.tables, opened.applier);
    let (mut model, mut state) = (ledger.committed.0.clone(), ledger.committed.1.clone());
    for round in 0..rounds {
        for _ in 0..3 {
            random_step(world, (&tables, &mut model), &mut random);
        }
        let checkpoint = random_checkpoint(&mut state, &mut random);
        let note = String::from_utf8(checkpoint.note.to_vec()).unwrap();
        let sealed = tables.seal(checkpoint)?;
        // A step beside the commit belongs to the next checkpoint.
        let at = (sealed.number(), sealed.through(), note);
        ledger.attempted = Some((model.clone(), state.clone(), at));
        random_step(world, (&tables, &mut model), &mut random);
        commit(&tables, &sealed)?;
        ledger.committed = ledger.attempted.take().unwrap();
        if round % 3 != 1 {
            applier.work()?;
        }
    }
    while applier.work()? {}
    Ok(())
}

fn commit(tables: &Tables, sealed: &Sealed) -> Result<(), TableError> {
    match tables.commit(sealed) {
        Ok(_) => Ok(()),
        Err(TableError::Disk { .. }) => tables.commit(sealed).map(drop),
        Err(error) => Err(error),
    }
}

/// Calls of the disk that the script makes.
fn calls() -> u64 {
    let mut world = World::new();
    script(&mut world, &mut Ledger::default(), 8).unwrap();
    world.disk.calls()
}

#[test]
fn a_power_cut_at_any_call_leaves_the_last_checkpoint() {
    let calls = calls();
    assert!(calls > 40, "the script does little: {calls}");
    let mut both = [0, 0];
    for call in 0..calls {
        let mut world = World::new();
        world.disk.fail(Failure {
            call,
            kind: FailureKind::PowerLoss,
        });
        let mut ledger = Ledger::default();
        drop(script(&mut world, &mut ledger, 8));
        for seed in 0..4 {
            let cut = if seed == 0 {
                Cut::DropAll
            } else {
                Cut::Random(seed)
            };
            let mut random = Random(call * 10 + seed);
            let mut next = World::new();
            next.disk = world.disk.cut_power(cut);
            next.store = world.crashed_store(&mut random);
            next.seq = world.seq;
            let (saved, tables, applier) = ledger.check(&next, &mut random);
            both[usize::from(ledger.attempted.is_some() && saved.2 != ledger.committed.2)] += 1;
            // And it goes on from there.
            drop((tables, applier));
            let mut after = Ledger {
                committed: saved,
                attempted: None,
            };
            script(&mut next, &mut after, 2).unwrap();
            after.check(&next, &mut random);
        }
    }
    assert!(
        both[0] > 0 && both[1] > 0,
        "one side was never seen: {both:?}"
    );
}

#[test]
fn a_call_that_fails_takes_nothing_that_was_committed() {
    let calls = calls();
    let (mut in_doubt, mut survived) = (0, 0);
    for call in 0..calls {
        for kind in [FailureKind::Io, FailureKind::Full, FailureKind::ShortWrite] {
            let mut world = World::new();
            world.disk.fail(Failure { call, kind });
            let mut ledger = Ledger::default();
            match script(&mut world, &mut ledger, 8) {
                Ok(()) => survived += 1,
                Err(TableError::InDoubt { .. }) => in_doubt += 1,
                Err(TableError::Disk { .. }) => {}
                Err(error) => panic!("call {call}, {kind:?}: {error}"),
            }
            let mut random = Random(call);
            let mut next = World::new();
            next.disk = world.disk.cut_power(Cut::Random(call));
            next.store = world.crashed_store(&mut random);
            ledger.check(&next, &mut random);
        }
    }
    assert!(in_doubt > 0, "no sync of a name failed");
    assert!(
        survived > in_doubt,
        "most failures are mended by trying again"
    );
}

#[test]
fn after_a_checkpoint_in_doubt_nothing_is_committed() {
    let mut world = World::new();
    let (tables, ..) = world.open();
    let mut model = Model::new();
    random_step(&mut world, (&tables, &mut model), &mut Random(1));
    let sealed = tables.seal(Default::default()).unwrap();
    // Create, write, sync, rename, sync the name.
    let call = world.disk.calls() + 4;
    let kind = FailureKind::Io;
    world.disk.fail(Failure { call, kind });
    let is_in_doubt = |error: TableError| {
        assert!(
            matches!(error, TableError::InDoubt { number: 1 }),
            "{error}"
        )
    };
    is_in_doubt(tables.commit(&sealed).unwrap_err());
    is_in_doubt(tables.commit(&sealed).unwrap_err());
    is_in_doubt(tables.seal(Default::default()).unwrap_err());
    random_step(&mut world, (&tables, &mut model), &mut Random(2));
    check(&tables.pointer(), &model, &mut Random(3));
}

#[test]
fn the_next_checkpoint_waits_for_the_one_before() {
    let mut world = World::new();
    let (tables, ..) = world.open();
    let first = tables.seal(Default::default()).unwrap();
    assert!(matches!(
        tables.seal(Default::default()),
        Err(TableError::Order { .. })
    ));
    tables.commit(&first).unwrap();
    let through = world.tick();
    let step = Step {
        through,
        ..Default::default()
    };
    tables.advance(step).unwrap();
    let second = tables.seal(Default::default()).unwrap();
    assert_eq!((second.number(), second.through()), (2, through));
}

/// The applier is cut at each call of the store, in the middle of thousands of rows.
#[test]
fn a_store_that_fails_at_any_call_is_filled_again() {
    let fill = |world: &mut World| -> Result<Model, TableError> {
        let (tables, mut applier, _) = world.open();
        let mut model = Model::new();
        for round in 0..3_i64 {
            let seq = world.tick();
            let rows = 0..4_000_i64;
            let changes: BTreeMap<_, _> = rows
                .map(|n| {
                    let key = ("many".to_owned(), n);
                    let goes = round > 0 && n % 7 == round;
                    let row = (Some(format!("{round}")), None, seq);
                    (key, (!goes).then_some(row))
                })
                .collect();
            let changed = changed(&world.schemas[0], &changes, seq);
            tables.advance(Step {
                through: seq,
                changed: vec![changed],
                emitted: Vec::new(),
            })?;
            for (key, row) in changes {
                match row {
                    Some(row) => drop(model.insert(key, row)),
                    None => drop(model.remove(&key)),
                }
            }
            tables.checkpoint(Default::default())?;
            if round != 1 {
                drop(applier.work());
            }
        }
        Ok(model)
    };
    let mut world = World::new();
    fill(&mut world).unwrap();
    let calls = world.store.calls();
    // Of two applied checkpoints: at least two chunks and a persist each.
    assert!(calls >= 6, "not in chunks: {calls}");
    for call in 0..calls {
        let mut world = World::new();
        world.store.fail(call);
        let model = fill(&mut world).unwrap();
        for seed in 0..2 {
            let mut random = Random(call * 2 + seed);
            let mut next = World::new();
            next.disk = world.disk.cut_power(Cut::Random(seed));
            next.store = world.crashed_store(&mut random);
            let (tables, mut applier, _) = next.open();
            check(&tables.pointer(), &model, &mut random);
            while applier.work().unwrap() {}
            check(&tables.pointer(), &model, &mut random);
            assert_eq!(tables.overlay_size().0, 0);
        }
    }
}

#[test]
fn damage_behind_the_store_is_named_and_before_it_is_harmless() {
    let mut world = World::new();
    world.config.redo_files_max = 100;
    let mut ledger = Ledger::default();
    script(&mut world, &mut ledger, 4).unwrap();
    let files = world.disk.list(std::path::Path::new(FOLDER)).unwrap();
    assert_eq!(files.len(), 4);
    let path = |n: usize| std::path::Path::new(FOLDER).join(&files[n].name);
    // The store has all of them: a damaged one only shortens what feeds can go back to.
    let survivor = world.disk.cut_power(Cut::DropAll);
    survivor.flip_bit(&path(1), 40, 3).unwrap();
    let mut next = World::new();
    next.disk = survivor.clone();
    next.store = world.store.clone();
    ledger.check(&next, &mut Random(1));

    // An empty store needs them all.
    let mut random = Random(5);
    for (file, found) in files.iter().enumerate().take(4) {
        for byte in 0..found.len {
            if byte % 17 != 0 && byte > 200 {
                continue;
            }
            let disk = world.disk.cut_power(Cut::DropAll);
            let bit = u8::try_from(random.below(8)).unwrap();
            disk.flip_bit(&path(file), byte, bit).unwrap();
            let mut next = World::new();
            next.disk = disk;
            match next.try_open() {
                Err(TableError::Damaged { .. } | TableError::Newer { .. }) => {}
                Err(error) => panic!("byte {byte}: {error}"),
                // Padding between sections means nothing.
                Ok(opened) => {
                    check(&opened.tables.pointer(), &ledger.committed.0, &mut random);
                }
            }
        }
    }
    world.disk = world.disk.cut_power(Cut::DropAll);
    world.disk.remove_file(&path(1)).unwrap();
    let mut next = World::new();
    next.disk = world.disk;
    let error = next.try_open().unwrap_err();
    assert!(matches!(error, TableError::Gap { first: 3, .. }), "{error}");
}
