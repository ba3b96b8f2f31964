use std::io::ErrorKind;

use super::*;
use crate::{Cut, Failure, FailureKind, TwinDisk};

const KINDS: [FailureKind; 4] = [
    FailureKind::Io,
    FailureKind::Full,
    FailureKind::ShortWrite,
    FailureKind::PowerLoss,
];
const SEEDS: u64 = 40;

/// Larger than a sector, so that it can tear.
fn old() -> Vec<u8> {
    b"old ".repeat(700)
}

fn new() -> Vec<u8> {
    b"newer ".repeat(900)
}

fn path() -> &'static Path {
    Path::new("/data/file")
}

/// A disk on which `/data/file` durably holds the old bytes, if any.
fn disk_with(content: Option<&[u8]>) -> TwinDisk {
    let disk = TwinDisk::new();
    disk.create_dirs(Path::new("/data")).unwrap();
    if let Some(content) = content {
        write_durably(&disk, path(), content).unwrap();
    }
    disk
}

fn content(disk: &TwinDisk) -> Option<Vec<u8>> {
    disk.stat(path())
        .unwrap()
        .map(|_| disk.read(path()).unwrap())
}

/// Runs `write` once for each of its calls and ways to fail; `inspect` sees what each power cut
/// leaves, and whether the write had succeeded.
fn sweep(
    before: Option<&[u8]>,
    write: impl Fn(&TwinDisk) -> io::Result<()>,
    inspect: impl Fn(Option<Vec<u8>>, bool),
) {
    let (mut failed, mut calls) = (0, 0);
    for kind in KINDS {
        for call in 0.. {
            let disk = disk_with(before);
            let first = disk.calls();
            disk.fail(Failure {
                call: first + call,
                kind,
            });
            let outcome = write(&disk);
            failed += u32::from(outcome.is_err());
            for seed in 0..SEEDS {
                inspect(content(&disk.cut_power(Cut::Random(seed))), outcome.is_ok());
            }
            inspect(content(&disk.cut_power(Cut::DropAll)), outcome.is_ok());
            if outcome.is_ok() {
                calls = calls.max(call);
                break;
            }
        }
    }
    assert!(
        calls >= 4 && failed >= 16,
        "exercised {calls} calls and {failed} failures"
    );
}

#[test]
fn a_replaced_file_is_old_or_new_after_every_failure_and_cut() {
    sweep(
        Some(&old()),
        |disk| write_durably(disk, path(), &new()),
        |found, succeeded| {
            let found = found.expect("the file never disappears");
            assert!(
                found == new() || (!succeeded && found == old()),
                "{} bytes",
                found.len()
            );
        },
    );
}

#[test]
fn a_new_file_is_whole_or_absent_after_every_failure_and_cut() {
    sweep(
        None,
        |disk| write_new_durably(disk, path(), &new()),
        |found, succeeded| {
            assert!(
                found == Some(new()) || (!succeeded && found.is_none()),
                "{found:?}"
            );
        },
    );
}

#[test]
fn a_second_attempt_makes_up_for_any_failed_call() {
    for kind in [FailureKind::Io, FailureKind::Full, FailureKind::ShortWrite] {
        for call in 0..5 {
            let disk = disk_with(Some(&old()));
            disk.fail(Failure {
                call: disk.calls() + call,
                kind,
            });
            write_durably(&disk, path(), &new()).expect_err("one of its five calls fails");
            write_durably(&disk, path(), &new()).unwrap();
            for seed in 0..SEEDS {
                assert_eq!(content(&disk.cut_power(Cut::Random(seed))), Some(new()));
            }
        }
    }
}

#[test]
fn a_failure_leaves_nothing_beside_the_file() {
    for call in 1..4 {
        let disk = disk_with(Some(&old()));
        disk.fail(Failure {
            call: disk.calls() + call,
            kind: FailureKind::Full,
        });
        let error = write_durably(&disk, path(), &new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(disk.list(Path::new("/data")).unwrap().len(), 1);
    }
}
