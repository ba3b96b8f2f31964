//! What a reopened journal knows.

use mainstem_disk::{Disk, TwinDisk};
use mainstem_kernel::{Epoch, ProducerId};

use super::{
    world::{FOLDER, Random, World, config, put, put_numbers, read, trim},
    *,
};
use crate::{
    Repeated, Stamp,
    contract::{draft, entry, numbers},
};

const A: StreamId = StreamId(16);
const B: StreamId = StreamId(17);

fn stamped(journal: &mut Journal, stamp: Stamp, rows: u32) -> Result<Seq, AppendError> {
    let draft = draft(B, 0, &[entry(0, rows, Some(stamp))]);
    put(journal, vec![draft]).map(|appended| appended.last())
}

/// Appends and trims until the first file has been used again.
fn recycle(journal: &mut Journal) {
    let first = journal.files.back().unwrap().generation();
    while journal.files.front().unwrap().generation() <= first {
        let last = put_numbers(journal, 16, 0, 300).unwrap().last();
        trim(journal, A, last);
    }
}

#[test]
fn senders_are_recognised_after_their_rows_are_gone() {
    let world = World::new(config());
    let mut journal = world.open();
    let request = Stamp::Request {
        producer: ProducerId(1),
        check: 7,
        rejected: 2,
    };
    let load = Stamp::Load {
        producer: ProducerId(2),
        first: 0,
        span: 9,
        rejected: 0,
    };
    let run = |first_sequence| Stamp::Producer {
        producer: ProducerId(3),
        epoch: Epoch(4),
        first_sequence,
    };
    let seq = stamped(&mut journal, request, 5).unwrap();
    stamped(&mut journal, load, 9).unwrap();
    stamped(&mut journal, run(10), 3).unwrap();
    let last = stamped(&mut journal, run(13), 3).unwrap();
    trim(&journal, B, last);
    recycle(&mut journal);
    drop(journal);

    let mut journal = world.open();
    assert!(journal.files.front().unwrap().generation() > 1);
    match read(&journal, B, Seq::ZERO).unwrap_err() {
        crate::ReadError::Trimmed { trimmed, .. } => assert_eq!(trimmed, last),
        other => panic!("{other}"),
    }
    match stamped(&mut journal, request, 5).unwrap_err() {
        AppendError::Repeated(list) => {
            assert_eq!(
                list,
                [Repeated {
                    frame: 0,
                    entry: 0,
                    seq,
                    rows: 5,
                    rejected: 2
                }]
            );
        }
        other => panic!("{other}"),
    }
    assert_eq!(journal.next_row(B, ProducerId(2)), Some(9));
    for first in [10, 13] {
        let error = stamped(&mut journal, run(first), 3).unwrap_err();
        assert!(matches!(error, AppendError::Repeated(_)), "{error}");
    }
    stamped(&mut journal, run(16), 1).unwrap();
    let next = put(&mut journal, vec![draft(B, 0, &[entry(0, 1, None)])]).unwrap();
    assert_eq!(
        next.first_offsets[0][0].0,
        5 + 9 + 3 + 3 + 1,
        "offsets go on"
    );
}

#[test]
fn senders_are_forgotten_by_age_and_by_number() {
    let world = World::new(LogConfig {
        producers_max: 3,
        ..config()
    });
    let mut journal = world.open();
    let request = |n| Stamp::Request {
        producer: ProducerId(n),
        check: 0,
        rejected: 0,
    };
    let load = |n| Stamp::Load {
        producer: ProducerId(n),
        first: 0,
        span: 1,
        rejected: 0,
    };
    for n in 0..5 {
        stamped(&mut journal, request(n), 1).unwrap();
        stamped(&mut journal, load(n), 1).unwrap();
    }
    drop(journal);
    let mut journal = world.open();
    let known: Vec<_> = (0..5).map(|n| journal.next_row(B, ProducerId(n))).collect();
    assert_eq!(known, [None, None, Some(1), Some(1), Some(1)]);
    stamped(&mut journal, request(0), 1).unwrap();
    stamped(&mut journal, request(4), 1).unwrap_err();
    world.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    stamped(&mut journal, request(4), 1).unwrap();
    assert_eq!(
        journal.next_row(B, ProducerId(4)),
        Some(1),
        "loaders do not age"
    );
}

#[test]
fn slow_streams_are_carried_byte_for_byte() {
    let world = World::new(LogConfig {
        tail_bytes_max: ByteSize(0),
        ..config()
    });
    let mut journal = world.open();
    let seq = put_numbers(&mut journal, 17, 5, 20).unwrap().last();
    let before = read(&journal, B, Seq::ZERO).unwrap();
    for _ in 0..3 {
        recycle(&mut journal);
    }
    let carried = read(&journal, B, Seq::ZERO).unwrap();
    assert_eq!(
        (carried.len(), carried[0].seq, &carried[0].batch),
        (1, seq, &before[0].batch)
    );
    assert_eq!(carried[0].entries, before[0].entries);
    let last = put_numbers(&mut journal, 17, 100, 1).unwrap().last();
    drop(journal);
    let journal = world.open();
    assert!(journal.files.front().unwrap().generation() > 1);
    let numbers = numbers(&read(&journal, B, Seq::ZERO).unwrap());
    assert_eq!(numbers, (5..25).chain([100]).collect::<Vec<_>>());
    let extent = journal.index().read().extent(B).unwrap();
    assert_eq!((extent.first, extent.last, extent.rows), (seq, last, 21));
}

#[test]
fn rows_do_not_depend_on_sizes() {
    let sizes = [
        (48, 240, 16, 0),
        (64, 4_096, 32, 1_000),
        (1_024, 8_192, 16, 4),
        (96, 960, 48, 0),
    ];
    let mut all: Vec<Vec<crate::Frame>> = Vec::new();
    for (file, journal, group, tail) in sizes {
        let world = World::new(LogConfig {
            journal_file_size: ByteSize::kib(file),
            journal_size_max: ByteSize::kib(journal),
            group_size_max: ByteSize::kib(group),
            tail_bytes_max: ByteSize::kib(tail),
            ..config()
        });
        let mut random = Random(5);
        let mut journal = world.open();
        let mut frames = Vec::new();
        for n in 0..100 {
            let rows = u32::try_from(random.below(400)).unwrap();
            let entries = [entry(0, rows / 2, None), entry(1, rows - rows / 2, None)];
            put(&mut journal, vec![draft(A, n * 1_000, &entries)]).unwrap();
            if n % 10 == 9 {
                let after = frames
                    .last()
                    .map_or(Seq::ZERO, |frame: &crate::Frame| frame.seq);
                frames.extend(read(&journal, A, after).unwrap());
                trim(&journal, A, frames.last().unwrap().seq);
            }
        }
        all.push(frames);
    }
    for frames in &all[1..] {
        assert_eq!(frames.len(), 100);
        for (frame, first) in frames.iter().zip(&all[0]) {
            assert_eq!((frame.seq, &frame.entries), (first.seq, &first.entries));
            assert_eq!(frame.batch, first.batch);
        }
    }
}

#[test]
fn holds_ten_thousand_streams() {
    let world = World::new(LogConfig {
        journal_file_size: ByteSize::mib(4),
        journal_size_max: ByteSize::mib(64),
        group_size_max: ByteSize::mib(2),
        ..config()
    });
    let mut journal = world.open();
    let one = draft(A, 0, &[entry(0, 1, None)]);
    let frames = |from: u32| {
        let frame = |stream| crate::Draft {
            stream: StreamId(stream),
            schema: one.schema,
            key: one.key,
            entries: one.entries.clone(),
            batch: one.batch.clone(),
            body: one.body.clone(),
            body_crc: one.body_crc,
        };
        (from..from + 1_000).map(frame).collect::<Vec<_>>()
    };
    for round in 0..3 {
        for from in (16..10_016).step_by(1_000) {
            let appended = put(&mut journal, frames(from)).unwrap();
            assert!(
                appended
                    .first_offsets
                    .iter()
                    .all(|offsets| offsets[0].0 == round)
            );
        }
    }
    assert!(journal.files.len() > 2);
    for reopened in 0..2 {
        let extents = journal.index().read().extents();
        assert_eq!(extents.len(), 10_000, "opened {reopened} times");
        assert!(extents.iter().all(|(_, extent)| extent.rows == 3));
        let frames = read(&journal, StreamId(7_777), Seq::ZERO).unwrap();
        assert_eq!(numbers(&frames), [0, 0, 0]);
        drop(journal);
        journal = world.open();
    }
    for stream in 16..10_016 {
        trim(&journal, StreamId(stream), Seq::MAX);
    }
    assert_eq!(
        (journal.live(), journal.index().read().extents().len()),
        (ByteSize(0), 0)
    );
}

#[test]
fn a_copy_of_pinned_files_is_a_journal() {
    let world = World::new(config());
    let mut journal = world.open();
    for n in 0..15 {
        put_numbers(&mut journal, 16, n, 1).unwrap();
    }
    let files: Vec<_> = journal
        .files()
        .map(|f| (f.path().to_owned(), f.used()))
        .collect();
    put_numbers(&mut journal, 16, 99, 1).unwrap();
    let copy = TwinDisk::new();
    copy.create_dirs(Path::new(FOLDER)).unwrap();
    for (path, length) in files {
        let bytes = world.disk.read(&path).unwrap();
        let bytes = &bytes[..usize::try_from(length).unwrap()];
        mainstem_disk::write_new_durably(&copy, &path, bytes).unwrap();
    }
    let restored = world.on(copy);
    let mut journal = restored.open();
    assert_eq!(
        numbers(&read(&journal, A, Seq::ZERO).unwrap()),
        (0..15).collect::<Vec<_>>()
    );
    put_numbers(&mut journal, 16, 15, 1).unwrap();
    drop(journal);
    assert_eq!(read(&restored.open(), A, Seq::ZERO).unwrap().len(), 16);
}
