use std::collections::BTreeSet;

use super::{content::SECTOR, *};
use crate::{contract, write_durably};

const DATA: &str = "/data";

fn disk() -> TwinDisk {
    let disk = TwinDisk::new();
    disk.create_dirs(Path::new(DATA)).unwrap();
    disk
}

fn at(name: &str) -> PathBuf {
    Path::new(DATA).join(name)
}

fn names(disk: &TwinDisk) -> Vec<String> {
    disk.list(Path::new(DATA))
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

/// A file of `sectors` durable sectors of `a`, and its handle.
fn synced_file(disk: &TwinDisk, name: &str, sectors: usize) -> SharedFile {
    let file = disk.open(&at(name), OpenMode::CreateNew).unwrap();
    file.write_at(&vec![b'a'; sectors * SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(DATA)).unwrap();
    file
}

#[test]
fn it_is_a_disk() {
    let disk = TwinDisk::new();
    contract::keeps_every_promise(&disk, Path::new("/"));
    assert_eq!(disk.native_path(&at("file")), None);
}

#[test]
fn only_what_was_synced_survives_the_hardest_cut() {
    let disk = disk();
    let file = synced_file(&disk, "kept", 2);
    file.write_at(b"later", 0).unwrap();
    write_durably(&disk, &at("whole"), b"bytes").unwrap();
    let nameless = disk.open(&at("nameless"), OpenMode::CreateNew).unwrap();
    nameless.write_at(b"bytes", 0).unwrap();
    nameless.sync_data().unwrap();
    disk.rename(&at("whole"), &at("renamed")).unwrap();

    let after = disk.cut_power(Cut::DropAll);

    assert_eq!(names(&after), ["kept", "whole"]);
    assert_eq!(after.read(&at("kept")).unwrap(), vec![b'a'; 2 * SECTOR]);
    assert_eq!(after.calls(), 0);
    file.write_at(b"more", 0).unwrap_err();
    file.len().unwrap_err();
    disk.list(Path::new(DATA)).unwrap_err();
}

#[test]
fn sectors_tear_by_seed_and_in_many_ways() {
    let disk = disk();
    let file = synced_file(&disk, "file", 6);
    file.write_at(&[b'b'; 6 * SECTOR], 0).unwrap();
    file.write_at(&[b'c'; 2 * SECTOR], 2 * SECTOR as u64)
        .unwrap();

    let mut shapes = BTreeSet::new();
    for seed in 0..400 {
        let after = disk.cut_power(Cut::Random(seed)).read(&at("file")).unwrap();
        assert_eq!(
            after,
            disk.cut_power(Cut::Random(seed)).read(&at("file")).unwrap()
        );
        let sectors: Vec<u8> = after
            .chunks(SECTOR)
            .map(|sector| {
                assert!(
                    sector.iter().all(|byte| *byte == sector[0]),
                    "a sector is the atom"
                );
                sector[0]
            })
            .collect();
        shapes.insert(String::from_utf8(sectors).unwrap());
    }

    assert!(
        shapes.contains("aaaaaa") && shapes.contains("bbccbb"),
        "{shapes:?}"
    );
    assert!(
        shapes
            .iter()
            .any(|shape| shape.as_bytes()[2..4].contains(&b'b')),
        "an older version: {shapes:?}"
    );
    assert!(shapes.len() > 40, "{} shapes", shapes.len());
}

#[test]
fn unsynced_growth_survives_in_part() {
    let disk = disk();
    let file = synced_file(&disk, "file", 1);
    for place in 1..4 {
        file.write_at(&[b'b'; SECTOR], place * SECTOR as u64)
            .unwrap();
    }
    let lengths: BTreeSet<usize> = (0..200)
        .map(|seed| {
            disk.cut_power(Cut::Random(seed))
                .read(&at("file"))
                .unwrap()
                .len()
                / SECTOR
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn bytes_cut_off_never_come_back_behind_later_growth() {
    let disk = disk();
    let file = synced_file(&disk, "file", 4);
    file.truncate(10).unwrap();
    file.write_at(b"b", 3 * SECTOR as u64).unwrap();
    let mut grown = 0;
    for seed in 0..200 {
        let after = disk.cut_power(Cut::Random(seed)).read(&at("file")).unwrap();
        if after.len() == 3 * SECTOR + 1 {
            grown += 1;
            assert!(after[SECTOR..3 * SECTOR].iter().all(|byte| *byte == 0));
        }
    }
    assert!(grown > 20, "only {grown} cuts kept the growth");
}

#[test]
fn a_synced_cut_is_durable() {
    let disk = disk();
    let file = synced_file(&disk, "file", 2);
    file.truncate(10).unwrap();
    file.write_at(b"b", SECTOR as u64).unwrap();
    file.sync_data().unwrap();
    let mut expected = vec![b'a'; 10];
    expected.resize(SECTOR, 0);
    expected.push(b'b');
    assert_eq!(
        disk.cut_power(Cut::DropAll).read(&at("file")).unwrap(),
        expected
    );
}

#[test]
fn names_survive_in_order() {
    let disk = disk();
    for name in ["0", "1", "2", "3"] {
        disk.open(&at(name), OpenMode::CreateNew).unwrap();
    }
    disk.remove_file(&at("0")).unwrap();
    let found: BTreeSet<String> = (0..300)
        .map(|seed| names(&disk.cut_power(Cut::Random(seed))).concat())
        .collect();
    let prefixes = ["", "0", "01", "012", "0123", "123"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(prefixes));
}

#[test]
fn a_rename_between_directories_happens_in_both_or_in_none() {
    let disk = disk();
    disk.create_dirs(&at("b")).unwrap();
    synced_file(&disk, "file", 1);
    disk.rename(&at("file"), &at("b/file")).unwrap();
    disk.open(&at("b/other"), OpenMode::CreateNew).unwrap();
    let mut moved = 0;
    for seed in 0..100 {
        let after = disk.cut_power(Cut::Random(seed));
        let here = after.stat(&at("file")).unwrap().is_some();
        let there = after.stat(&at("b/file")).unwrap().is_some();
        assert!(here != there, "seed {seed}");
        moved += u32::from(there);
    }
    assert!((10..90).contains(&moved), "moved in {moved} cuts");
}

#[test]
fn syncing_one_of_two_directories_keeps_a_rename_between_them() {
    for synced in [at(""), at("b")] {
        let disk = disk();
        disk.create_dirs(&at("b")).unwrap();
        synced_file(&disk, "file", 1);
        disk.rename(&at("file"), &at("b/file")).unwrap();
        disk.sync_dir(&synced).unwrap();
        let after = disk.cut_power(Cut::DropAll);
        assert_eq!(names(&after), ["b"]);
        assert!(after.stat(&at("b/file")).unwrap().is_some());
    }
}

#[test]
fn after_a_failed_sync_later_ones_succeed_and_save_nothing() {
    let disk = disk();
    let file = synced_file(&disk, "file", 3);
    file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
    disk.fail(Failure {
        call: disk.calls(),
        kind: FailureKind::Io,
    });
    file.sync_data().unwrap_err();
    file.write_at(&[b'c'; 2 * SECTOR], SECTOR as u64).unwrap();
    file.sync_data().unwrap();
    assert_eq!(
        disk.read(&at("file")).unwrap()[0],
        b'b',
        "a reader does not notice"
    );

    let mut first = BTreeSet::new();
    for seed in 0..100 {
        let after = disk.cut_power(Cut::Random(seed)).read(&at("file")).unwrap();
        first.insert(after[0]);
        assert!(
            after[SECTOR..].iter().all(|byte| *byte == b'c'),
            "what came later is durable"
        );
    }
    assert_eq!(
        first,
        BTreeSet::from([b'a', b'b']),
        "what the failed sync held is unknown"
    );
}

#[test]
fn after_a_failed_sync_of_a_directory_its_names_are_unknown() {
    let disk = disk();
    disk.open(&at("first"), OpenMode::CreateNew).unwrap();
    disk.fail(Failure {
        call: disk.calls(),
        kind: FailureKind::Io,
    });
    disk.sync_dir(Path::new(DATA)).unwrap_err();
    disk.open(&at("second"), OpenMode::CreateNew).unwrap();
    disk.sync_dir(Path::new(DATA)).unwrap();
    let found: BTreeSet<String> = (0..50)
        .map(|seed| names(&disk.cut_power(Cut::Random(seed))).concat())
        .collect();
    assert_eq!(
        found,
        BTreeSet::from(["second".to_owned(), "firstsecond".to_owned()])
    );
}

#[test]
fn each_kind_of_failure_does_what_it_says() {
    for (kind, written, error) in [
        (FailureKind::Io, 0, "EIO"),
        (FailureKind::Full, 0, "ENOSPC"),
        (FailureKind::ShortWrite, 50, "EIO"),
    ] {
        let disk = disk();
        let file = disk.open(&at("file"), OpenMode::CreateNew).unwrap();
        disk.fail(Failure {
            call: disk.calls(),
            kind,
        });
        let found = file.write_at(&[b'a'; 100], 0).unwrap_err();
        assert_eq!(found.kind() == ErrorKind::StorageFull, error == "ENOSPC");
        assert_eq!(file.len().unwrap(), written);
        file.write_at(&[b'a'; 100], 0).unwrap();
    }

    let disk = disk();
    disk.fail(Failure {
        call: disk.calls(),
        kind: FailureKind::PowerLoss,
    });
    disk.open(&at("file"), OpenMode::CreateNew).unwrap_err();
    disk.stat(&at("file")).unwrap_err();
    let survived = |seed| {
        disk.cut_power(Cut::Random(seed))
            .stat(&at("file"))
            .unwrap()
            .is_some()
    };
    let found: BTreeSet<bool> = (0..20).map(survived).collect();
    assert_eq!(found.len(), 2, "the call may have taken effect, or not");
}

#[test]
fn a_full_disk_takes_what_fits_and_gives_back_what_is_removed() {
    let disk = disk();
    let file = synced_file(&disk, "file", 1);
    disk.set_free_space(100);
    let error = file.write_at(&[b'b'; 200], SECTOR as u64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), SECTOR as u64 + 100);
    file.write_at(&[b'c'; SECTOR], 0).unwrap();
    let other = disk.open(&at("other"), OpenMode::CreateNew).unwrap();
    assert_eq!(
        other.preallocate(1).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(disk.free_space(Path::new(DATA)).unwrap(), ByteSize(0));

    assert_eq!(
        disk.cut_power(Cut::DropAll)
            .free_space(Path::new(DATA))
            .unwrap(),
        ByteSize(100)
    );
    let disk = disk.cut_power(Cut::DropAll);
    disk.remove_file(&at("file")).unwrap();
    assert_eq!(
        disk.free_space(Path::new(DATA)).unwrap(),
        ByteSize(100 + SECTOR as u64)
    );
}

#[test]
fn a_flipped_bit_stays_flipped() {
    let disk = disk();
    synced_file(&disk, "file", 1);
    disk.flip_bit(&at("file"), 7, 1).unwrap();
    assert_eq!(
        disk.flip_bit(&at("file"), 600, 0).unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    let mut expected = vec![b'a'; SECTOR];
    expected[7] = b'c';
    assert_eq!(disk.read(&at("file")).unwrap(), expected);
    assert_eq!(
        disk.cut_power(Cut::DropAll).read(&at("file")).unwrap(),
        expected
    );
}

#[test]
fn unsynced_changes_can_be_forgotten_in_place() {
    let disk = disk();
    let file = synced_file(&disk, "file", 1);
    file.write_at(b"bbb", 0).unwrap();
    disk.open(&at("other"), OpenMode::CreateNew).unwrap();
    disk.remove_unsynced();
    assert_eq!(names(&disk), ["file"]);
    let mut byte = [0];
    file.read_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [b'a']);
}

#[test]
fn ten_thousand_removed_files_are_forgotten() {
    let disk = disk();
    for _round in 0..10_000 {
        disk.open(&at("file"), OpenMode::CreateNew).unwrap();
        disk.remove_file(&at("file")).unwrap();
        disk.sync_dir(Path::new(DATA)).unwrap();
    }
    assert!(
        disk.state().node_count() < 1_000,
        "{} nodes",
        disk.state().node_count()
    );
}
