//! Full journals, full disks, pins, wrong clocks and settings.

use std::time::Duration;

use mainstem_kernel::Fault;

use super::{
    world::{World, config, put_numbers, read, trim},
    *,
};
use crate::contract::numbers;

const A: StreamId = StreamId(16);

/// Appends until it is refused; the refusal and the last seq.
fn fill(journal: &mut Journal) -> (AppendError, Seq) {
    let mut last = Seq::ZERO;
    for n in 0..10_000 {
        match put_numbers(journal, 16, n, 1) {
            Ok(appended) => last = appended.last(),
            Err(error) => return (error, last),
        }
    }
    panic!("the journal has no limit");
}

#[test]
fn a_full_journal_refuses_and_recovers() {
    let world = World::new(config());
    let mut journal = world.open();
    for _ in 0..3 {
        let (error, last) = fill(&mut journal);
        assert!(matches!(error, AppendError::JournalFull { .. }), "{error}");
        assert!(matches!(
            error.answer().retry,
            mainstem_kernel::Retry::After(_)
        ));
        assert!(journal.size() <= world.config.journal_size_max);
        let rows = read(&journal, A, journal.index().read().extent(A).unwrap().first).unwrap();
        assert_eq!(rows.last().unwrap().seq, last, "reads go on");
        put_numbers(&mut journal, 17, 0, 1).unwrap_err();
        trim(&journal, A, last);
        put_numbers(&mut journal, 16, 0, 1).unwrap();
    }
    // Full, and restarted while full: rows can be read, and trimming makes room.
    let (_, last) = fill(&mut journal);
    drop(journal);
    let mut journal = world.open();
    let first = journal.index().read().extent(A).unwrap().first;
    assert_eq!(read(&journal, A, first).unwrap().last().unwrap().seq, last);
    trim(&journal, A, last);
    put_numbers(&mut journal, 16, 0, 1).unwrap();
}

#[test]
fn a_half_live_file_is_not_carried_for_ever() {
    let world = World::new(config());
    let mut journal = world.open();
    // Stream 17 is in every file and never trimmed: carrying goes on until it does not pay.
    let mut kept = Vec::new();
    for n in 0..10_000 {
        let slow = put_numbers(&mut journal, 17, n, 100).map(|_| kept.push(n));
        let fast = put_numbers(&mut journal, 16, n, 100).map(|a| trim(&journal, A, a.last()));
        if slow.and(fast).is_err() {
            break;
        }
    }
    assert!(
        kept.len() > 20,
        "slow rows fill the journal: {}",
        kept.len()
    );
    let frames = read(&journal, StreamId(17), Seq::ZERO).unwrap();
    assert_eq!(frames.len(), kept.len(), "none was given up");
    assert!(journal.size() <= world.config.journal_size_max);
    drop(journal);
    let mut journal = world.open();
    assert_eq!(
        read(&journal, StreamId(17), Seq::ZERO).unwrap().len(),
        kept.len()
    );
    trim(&journal, A, Seq::MAX);
    trim(&journal, StreamId(17), Seq::MAX);
    put_numbers(&mut journal, 16, 0, 1).unwrap();
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let world = World::new(config());
    let mut journal = world.open();
    put_numbers(&mut journal, 16, 0, 1).unwrap();
    world.disk.set_free_space(30_000);
    let (error, last) = fill(&mut journal);
    assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
    assert!(error.hint().is_some());
    let count = read(&journal, A, Seq::ZERO).unwrap().len();
    drop(journal);
    // Opening and reading need no room.
    let mut journal = world.open();
    let frames = read(&journal, A, Seq::ZERO).unwrap();
    assert_eq!((frames.len(), frames.last().unwrap().seq), (count, last));
    world.disk.set_free_space(10_000_000);
    put_numbers(&mut journal, 16, 7, 1).unwrap();
    assert_eq!(numbers(&read(&journal, A, last).unwrap()), [7]);
}

#[test]
fn what_somebody_holds_is_not_written_over() {
    let world = World::new(LogConfig {
        tail_bytes_max: ByteSize(0),
        ..config()
    });
    let mut journal = world.open();
    let seq = put_numbers(&mut journal, 16, 5, 3).unwrap().last();
    let found = journal
        .index()
        .read()
        .find(A, crate::contract::all(Seq::ZERO))
        .unwrap();
    trim(&journal, A, seq);
    let mut refused = false;
    for n in 0..200 {
        match put_numbers(&mut journal, 16, n, 100) {
            Ok(appended) => trim(&journal, A, appended.last()),
            Err(error) => {
                assert!(matches!(error, AppendError::JournalFull { .. }), "{error}");
                refused = true;
            }
        }
    }
    assert!(refused, "the reader's file stood in the way");
    let frame = read_frame(A, &found.frames[0]).unwrap();
    assert_eq!(
        numbers(&[frame]),
        [5, 6, 7],
        "a slow reader gets what it asked for"
    );
    drop(found);
    put_numbers(&mut journal, 16, 0, 1).unwrap();
}

#[test]
fn a_clock_that_is_far_behind_is_refused() {
    let world = World::new(config());
    let mut journal = world.open();
    world.clock.advance(Duration::from_secs(1_000));
    let last = put_numbers(&mut journal, 16, 0, 1).unwrap().last();
    drop(journal);
    let earlier = |seconds: u64| {
        let clock = mainstem_kernel::clock::ManualClock::at(
            last.arrival().minus(Duration::from_secs(seconds)),
        );
        World {
            clock: Arc::new(clock),
            ..world.on(world.disk.clone())
        }
    };
    let behind = earlier(301);
    let mut journal = behind.open();
    let error = put_numbers(&mut journal, 16, 1, 1).unwrap_err();
    assert!(matches!(error, AppendError::ClockBehind { .. }), "{error}");
    behind.clock.advance(Duration::from_secs(2));
    let next = put_numbers(&mut journal, 16, 1, 1).unwrap().last();
    assert!(next > last, "seqs never go back");
}

#[test]
fn the_tail_is_bounded_and_files_give_the_same() {
    let world = World::new(LogConfig {
        tail_bytes_max: ByteSize::kib(8),
        ..config()
    });
    let mut journal = world.open();
    let mut seqs = Vec::new();
    for n in 0..30 {
        seqs.push(put_numbers(&mut journal, 16, n * 100, 100).unwrap().last());
        put_numbers(&mut journal, 17, n, 1).unwrap();
        assert!(journal.index().read().tail_bytes() <= 8_192);
    }
    let found = journal
        .index()
        .read()
        .find(A, crate::contract::all(Seq::ZERO))
        .unwrap();
    let cached = found
        .frames
        .iter()
        .filter(|frame| frame.cached.is_some())
        .count();
    assert!(
        0 < cached && cached < 15,
        "recent frames alone are in memory: {cached}"
    );
    let frames = read(&journal, A, Seq::ZERO).unwrap();
    assert_eq!(numbers(&frames), (0..3_000).collect::<Vec<_>>());
    for seq in seqs {
        trim(&journal, A, seq);
    }
    trim(&journal, StreamId(17), Seq::MAX);
    assert_eq!(journal.index().read().tail_bytes(), 0);
}

#[test]
fn settings_that_do_not_fit_are_named() {
    for (config, name) in [
        (
            LogConfig {
                journal_file_size: ByteSize::kib(31),
                ..config()
            },
            "journal.file_size",
        ),
        (
            LogConfig {
                journal_size_max: ByteSize::kib(100),
                ..config()
            },
            "journal.size_max",
        ),
    ] {
        match World::new(config).try_open().unwrap_err() {
            OpenError::Config { setting, .. } => assert_eq!(setting, name),
            other => panic!("{other}"),
        }
    }
}
