//! Torn tails, rot, missing and foreign files: each gets the documented treatment.

use std::path::Path;

use mainstem_disk::{Disk, OpenMode};

use super::{
    world::{FOLDER, World, config, put_numbers, read},
    *,
};
use crate::contract::numbers;

const A: StreamId = StreamId(16);

/// A journal of one file with so many groups of 10 rows; where each of them begins.
fn groups(world: &World, count: i64) -> Vec<u64> {
    let mut journal = world.open();
    let begin = |journal: &mut Journal, n: i64| {
        let at = journal.at;
        put_numbers(journal, 16, n * 10, 10).unwrap();
        at
    };
    (0..count).map(|n| begin(&mut journal, n)).collect()
}

fn rows(world: &World) -> Vec<i64> {
    numbers(&read(&world.open(), A, Seq::ZERO).unwrap())
}

fn write(world: &World, path: &Path, at: u64, bytes: &[u8]) {
    let file = world.disk.open(path, OpenMode::Write).unwrap();
    file.write_at(bytes, at).unwrap();
    file.sync_data().unwrap();
}

fn damages(world: &World) -> Vec<Damage> {
    match world.try_open() {
        Err(OpenError::Damaged { damages }) => damages,
        other => panic!("expected damage: {other:?}"),
    }
}

#[test]
fn a_damaged_end_is_a_torn_tail() {
    for bit in [3, 64 * 8 + 100, 200 * 8] {
        let world = World::new(config());
        let begins = groups(&world, 3);
        let path = &world.files()[0];
        world
            .disk
            .flip_bit(path, begins[2] + bit / 8, u8::try_from(bit % 8).unwrap())
            .unwrap();
        assert_eq!(rows(&world), (0..20).collect::<Vec<_>>(), "bit {bit}");
        // It is written over, and the end is proved: the same damage now is damage.
        let mut journal = world.open();
        let at = journal.at;
        put_numbers(&mut journal, 16, 100, 10).unwrap();
        drop(journal);
        assert_eq!(rows(&world)[20..], (100..110).collect::<Vec<_>>());
        world.disk.flip_bit(path, at + bit / 8, 1).unwrap();
        assert_eq!(damages(&world)[0].from, at);
    }
}

#[test]
fn damage_before_the_end_is_named_and_can_be_accepted() {
    for (bit, is_readable) in [(3, false), (64 * 8 + 100, false), (250 * 8, false)] {
        let mut world = World::new(config());
        let begins = groups(&world, 5);
        let path = world.files()[0].clone();
        world.disk.flip_bit(&path, begins[2] + bit / 8, 2).unwrap();
        let before = world.disk.read(&path).unwrap();
        let found = damages(&world);
        let [damage] = found.as_slice() else {
            panic!("one group is damaged: {found:?}")
        };
        assert_eq!(
            (&damage.path, damage.from, damage.to),
            (&path, begins[2], begins[3])
        );
        assert_eq!(damage.groups, (4, 5), "the snapshot is group 1");
        assert_eq!(!damage.lost.is_empty(), is_readable);
        let text = world.try_open().unwrap_err().to_string();
        let place = format!("bytes {} to {} (group 4)", begins[2], begins[3]);
        assert!(text.contains(&place), "{text}");
        assert_eq!(
            world.disk.read(&path).unwrap(),
            before,
            "nothing was changed"
        );

        world.config.accept_damage = true;
        let (journal, accepted) = world.try_open().unwrap();
        assert_eq!(accepted, found);
        let expected: Vec<i64> = (0..20).chain(30..50).collect();
        assert_eq!(numbers(&read(&journal, A, Seq::ZERO).unwrap()), expected);
        drop(journal);
        // What was accepted once needs no flag, and its bytes were kept.
        world.config.accept_damage = false;
        assert_eq!(rows(&world), expected);
        let name = format!("damaged/1-{}.bytes", begins[2]);
        let copy = world.disk.read(&Path::new(FOLDER).join(name)).unwrap();
        let range = usize::try_from(begins[2]).unwrap()..usize::try_from(begins[3]).unwrap();
        assert_eq!(copy, before[range]);
        let mut journal = world.open();
        let appended = put_numbers(&mut journal, 16, 50, 1).unwrap();
        assert!(
            appended.first_offsets[0][0].0 >= 50,
            "offsets of lost rows are not used again"
        );
    }
}

#[test]
fn rows_of_a_damaged_group_are_named_where_they_can_be_read() {
    let world = World::new(config());
    let mut journal = world.open();
    let at = journal.at;
    let frames = [16, 17].map(|stream| {
        let entry = crate::contract::entry(3, 7, None);
        crate::contract::draft(StreamId(stream), 0, &[entry])
    });
    let first = format::frame_length(1, frames[0].body.len()) as u64;
    let appended = world::put(&mut journal, frames.into()).unwrap();
    put_numbers(&mut journal, 16, 100, 1).unwrap();
    drop(journal);
    // The second frame's body.
    world
        .disk
        .flip_bit(&world.files()[0], at + 64 + first + 64 + 48 + 20, 0)
        .unwrap();
    let found = damages(&world);
    let lost = Lost {
        stream: A,
        seq: appended.seqs[0],
        partition: mainstem_kernel::PartitionId(3),
        first_offset: mainstem_kernel::Offset(0),
        rows: 7,
    };
    assert_eq!(found[0].lost, [lost]);
    let text = found[0].to_string();
    assert!(
        text.ends_with("stream 16 partition 3 offsets 0 to 6"),
        "{text}"
    );
}

#[test]
fn reading_finds_rot_of_a_running_journal() {
    let world = World::new(LogConfig {
        tail_bytes_max: ByteSize(0),
        ..config()
    });
    let mut journal = world.open();
    let seqs: Vec<Seq> = (0..3)
        .map(|n| put_numbers(&mut journal, 16, n, 1).unwrap().last())
        .collect();
    let found = journal
        .index()
        .read()
        .find(A, crate::contract::all(Seq::ZERO))
        .unwrap();
    let spot = found.frames[1].spot;
    world
        .disk
        .flip_bit(&world.files()[0], spot.at + u64::from(spot.length) - 40, 5)
        .unwrap();
    let error = read(&journal, A, Seq::ZERO).unwrap_err();
    match error {
        crate::ReadError::Damaged {
            stream,
            seq,
            offset,
            ..
        } => {
            assert_eq!((stream, seq, offset), (A, seqs[1], spot.at));
        }
        other => panic!("{other}"),
    }
    assert_eq!(numbers(&read(&journal, A, seqs[1]).unwrap()), [2]);
}

/// A journal of several files.
fn files(world: &World) -> Vec<PathBuf> {
    let mut journal = world.open();
    for n in 0..40 {
        put_numbers(&mut journal, 16, n * 10, 10).unwrap();
    }
    let files: Vec<_> = journal.files().map(|file| file.path().to_owned()).collect();
    assert!(files.len() >= 3);
    files
}

#[test]
fn a_missing_file_is_named() {
    for at in 0..2 {
        let mut world = World::new(config());
        let files = files(&world);
        world.disk.remove_file(&files[at]).unwrap();
        let found = damages(&world);
        assert!(
            found[0].is_missing_file() && found[0].generation == at as u64 + 1,
            "{found:?}"
        );
        let text = world.try_open().unwrap_err().to_string();
        assert!(
            text.contains(&format!("lacks the file of generation {}", at + 1)),
            "{text}"
        );
        world.config.accept_damage = true;
        let (journal, _) = world.try_open().unwrap();
        let frames = read(&journal, A, Seq::ZERO)
            .or_else(|error| match error {
                crate::ReadError::Trimmed { trimmed, .. } => read(&journal, A, trimmed),
                other => Err(other),
            })
            .unwrap();
        let read = numbers(&frames);
        assert!(read.contains(&399) && read.len() < 400, "the rest is there");
    }
}

#[test]
fn the_end_of_a_full_file_is_not_torn() {
    let world = World::new(config());
    let files = files(&world);
    // Everything from the middle of the first file on, as if the disk had lost it.
    let length = usize::try_from(world.disk.stat(&files[0]).unwrap().unwrap().len).unwrap();
    write(&world, &files[0], 12_288, &vec![0; length - 12_288]);
    let found = damages(&world);
    assert_eq!((&found[0].path, found[0].from), (&files[0], 12_288));
}

#[test]
fn a_damaged_header_is_damage_if_its_groups_count() {
    let world = World::new(config());
    let files = files(&world);
    for file in [&files[1], files.last().unwrap()] {
        let disk = world.disk.cut_power(mainstem_disk::Cut::DropAll);
        let world = world.on(disk);
        world.disk.flip_bit(file, 24, 0).unwrap();
        assert!(!damages(&world).is_empty());
    }
    // The only file, too.
    let world = World::new(config());
    groups(&world, 3);
    world.disk.flip_bit(&world.files()[0], 24, 0).unwrap();
    assert!(!damages(&world).is_empty());
}

#[test]
fn newer_versions_and_foreign_files_are_refused_by_name() {
    let newer = |world: &World, at: u64, crc_at: usize| {
        let path = world.files()[0].clone();
        let mut bytes = world.disk.read(&path).unwrap();
        let start = usize::try_from(at).unwrap();
        bytes[start + if at == 0 { 8 } else { 4 }] = 2;
        let crc = crc32c::crc32c(&bytes[start..start + crc_at]);
        bytes[start + crc_at..start + crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        write(world, &path, 0, &bytes);
        match world.try_open().unwrap_err() {
            OpenError::Newer { path: named, found } => assert_eq!((named, found), (path, 2)),
            other => panic!("{other}"),
        }
    };
    let world = World::new(config());
    let begins = groups(&world, 3);
    newer(&world, begins[1], 60);
    newer(&world, 0, 40);

    let world = World::new(config());
    groups(&world, 1);
    let other = World::new(config());
    other.clock.advance(Duration::from_secs(1));
    groups(&other, 1);
    let bytes = other.disk.read(&other.files()[0]).unwrap();
    let path = Path::new(FOLDER).join("00000009.journal");
    mainstem_disk::write_new_durably(&world.disk, &path, &bytes).unwrap();
    match world.try_open().unwrap_err() {
        OpenError::Foreign { path: named } => assert_eq!(named, path),
        other => panic!("{other}"),
    }
}
