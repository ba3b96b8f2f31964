//! Normal work: what closes files, what merges them, what expires, what readers keep.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mainstem_disk::{Disk, OpenMode, SharedDisk, TwinDisk};
use mainstem_history::{HistoryConfig, HistoryError};
use mainstem_kernel::{ByteSize, Fault, Seq, StreamId};
use mainstem_log::Log;

use crate::world::{DAY, HOUR, START, STREAM, World, config, folder, open};

fn twin() -> (TwinDisk, SharedDisk) {
    let disk = TwinDisk::new();
    (disk.clone(), Arc::new(disk))
}

fn started(config: HistoryConfig) -> (TwinDisk, World) {
    let (twin, disk) = twin();
    let world = open(disk, START, config);
    world.define(None).unwrap();
    (twin, world)
}

#[test]
fn a_flush_moves_rows_from_the_log_to_a_file_and_keeps_them_over_a_power_cut() {
    let (twin, mut world) = started(config());
    world.append(1_000);
    world.append(10);
    let frontier = world.history.flush(STREAM).unwrap();
    assert_eq!(frontier, world.log.frontier());
    assert_eq!(
        world.log.extent(STREAM),
        None,
        "its space in the log is free"
    );
    let pinned = world.pin();
    assert_eq!(
        (pinned.archived, pinned.rows(), pinned.files.len()),
        (frontier, 1_010, 1)
    );
    let stats = &pinned.files[0].stats;
    assert_eq!(
        (&stats.min["n"], &stats.max["n"], &stats.nulls["price"]),
        (&0.into(), &1_009.into(), &101.into())
    );
    assert_eq!(stats.max["price"], serde_json::json!(7.063));

    world.restart_on(Arc::new(twin.cut_power(mainstem_disk::Cut::DropAll)));
    world.define(None).unwrap();
    world.append(5);
    world.check_from(0);
}

#[test]
fn files_close_when_their_oldest_row_is_old_enough() {
    let (_, mut world) = started(config());
    world.append(10);
    world.work();
    world.clock.advance(HOUR);
    world.work();
    assert_eq!(world.history.totals().files, 0, "too small for an hour");
    world.clock.advance(5 * HOUR);
    world.work();
    assert_eq!(world.history.totals().files, 1);
    world.history.press();
    world.append(10);
    world.history.press();
    world.work();
    assert_eq!(world.history.totals().files, 2, "the log is nearly full");
    world.check_from(0);
}

#[test]
fn settings_and_frames_do_not_change_rows() {
    let small = HistoryConfig {
        file_size_max: ByteSize::kib(64),
        memory_max: ByteSize::mib(1),
    };
    for (config, frames) in [(config(), 3), (small, 3), (config(), 90)] {
        let (_, mut world) = started(config);
        for _ in 0..frames {
            world.append(270_000 / frames);
        }
        world.work();
        let pinned = world.pin();
        assert!(pinned.archived > Seq::ZERO || pinned.files.is_empty());
        world.history.flush(STREAM).unwrap();
        world.check_from(0);
        assert_eq!(world.history.totals().rows, 270_000);
    }
}

#[test]
fn a_day_has_its_own_files() {
    let (_, mut world) = started(config());
    for _ in 0..3 {
        world.append(100);
        world.clock.advance(DAY);
    }
    world.append(100);
    world.history.flush(STREAM).unwrap();
    let days: Vec<i64> = world.pin().files.iter().map(|file| file.day).collect();
    let first = START.days();
    assert_eq!(days, [first, first + 1, first + 2, first + 3]);
    world.check_from(0);
}

#[test]
fn small_files_are_merged_and_deleted_once_nobody_reads_them() {
    let (twin, mut world) = started(config());
    for _ in 0..9 {
        world.append(100);
        world.history.flush(STREAM).unwrap();
        world.clock.advance(Duration::from_secs(60));
    }
    let held = world.pin();
    assert_eq!(held.files.len(), 9);
    world.work();
    assert_eq!(world.pin().files.len(), 1, "nine neighbours of today");
    world.check_from(0);

    let exists = |path: &str| twin.stat(&held.folder.join(path)).unwrap().is_some();
    world.clock.advance(2 * HOUR);
    world.work();
    assert!(
        held.files.iter().all(|file| exists(&file.path)),
        "a reader holds them"
    );
    let paths: Vec<PathBuf> = held
        .files
        .iter()
        .map(|f| held.folder.join(&f.path))
        .collect();
    drop(held);
    world.clock.advance(HOUR);
    world.work();
    assert!(paths.iter().all(|path| twin.stat(path).unwrap().is_none()));
    world.check_from(0);

    world.append(10);
    world.history.flush(STREAM).unwrap();
    world.clock.advance(DAY);
    world.work();
    assert_eq!(world.pin().files.len(), 1, "the day is over");
    world.check_from(0);
}

#[test]
fn days_past_their_retention_go() {
    let (_, mut world) = started(config());
    for _ in 0..4 {
        world.append(100);
        world.history.flush(STREAM).unwrap();
        world.clock.advance(DAY);
    }
    world.define(Some(2 * DAY)).unwrap();
    world.clock.advance(Duration::from_secs(10));
    world.work();
    assert_eq!(
        world.history.totals().rows,
        200,
        "a day goes when its last moment is too old"
    );
    world.check_from(200);
}

#[test]
fn added_and_renamed_columns_keep_old_files_readable() {
    let (twin, mut world) = started(config());
    world.append(100);
    world.history.flush(STREAM).unwrap();
    world.append(50);
    world.version = 2;
    world.append(7);
    assert!(matches!(
        world.history.flush(STREAM),
        Err(HistoryError::Undeclared { .. })
    ));
    world.check_from(0);
    world.define(None).unwrap();
    world.history.flush(STREAM).unwrap();
    world.check_from(0);
    world.append(20);
    world.version = 3;
    world.define(None).unwrap();
    world.append(30);
    world.history.flush(STREAM).unwrap();
    world.check_from(0);
    let pinned = world.pin();
    assert_eq!(pinned.schema.field(1).name(), "title");
    assert_eq!(&pinned.physical[..5], ["n", "label", "at", "price", "note"]);

    world.clock.advance(DAY);
    world.restart_on(Arc::new(twin.cut_power(mainstem_disk::Cut::DropAll)));
    world.define(None).unwrap();
    world.work();
    assert_eq!(world.pin().files.len(), 1, "merged into the newest columns");
    world.check_from(0);
}

#[test]
fn a_foreign_entry_stops_archiving_and_not_reading() {
    let (twin, mut world) = started(config());
    world.append(10);
    world.history.flush(STREAM).unwrap();
    let entry = folder().join("readings-16/_delta_log/00000000000000000002.json");
    let file = twin.open(&entry, OpenMode::CreateNew).unwrap();
    file.write_at(br#"{"commitInfo":{"engineInfo":"other"}}"#, 0)
        .unwrap();
    world.append(10);
    let error = world.history.flush(STREAM).unwrap_err();
    assert_eq!(error.answer().code.as_str(), "HIST-001");
    world.check_from(0);
    let same = Arc::clone(&world.disk);
    world.restart_on(same);
    assert!(matches!(
        world.define(None),
        Err(HistoryError::Foreign { version: 2, .. })
    ));
    world.clock.advance(DAY);
    world.work();
    world.check_from(0);
}

#[test]
fn what_no_entry_names_is_removed_at_the_start() {
    let (twin, mut world) = started(config());
    world.append(10);
    world.history.flush(STREAM).unwrap();
    let day = world.pin().folder.join("_day=2026-11-20");
    let orphan = day.join("0000000000000001-1-1.parquet");
    twin.open(&orphan, OpenMode::CreateNew).unwrap();
    let same = Arc::clone(&world.disk);
    world.restart_on(same);
    world.define(None).unwrap();
    assert_eq!(twin.stat(&orphan).unwrap(), None);
    assert_eq!(twin.list(&day).unwrap().len(), 1);
    world.check_from(0);
}

#[test]
fn checkpoints_carry_the_state_and_old_entries_go() {
    let (twin, mut world) = started(config());
    for _ in 0..1_250 {
        world.append(3);
        world.history.flush(STREAM).unwrap();
        world.work();
        world.clock.advance(Duration::from_secs(5));
    }
    let log = folder().join("readings-16/_delta_log");
    let names: Vec<String> = twin
        .list(&log)
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert!(
        names.iter().filter(|name| name.ends_with(".json")).count() < 1_150,
        "{}",
        names.len()
    );
    assert!(names.contains(&"_last_checkpoint".to_owned()));
    let before = world.pin();
    world.restart_on(Arc::new(twin.cut_power(mainstem_disk::Cut::DropAll)));
    world.define(None).unwrap();
    let after = world.pin();
    assert_eq!(
        (after.version, after.archived),
        (before.version, before.archived)
    );
    assert!(
        before
            .files
            .iter()
            .zip(after.files.iter())
            .all(|(a, b)| a.stats == b.stats)
    );
    world.check_from(0);
}

#[test]
fn a_backup_is_a_table_of_its_own() {
    let (twin, mut world) = started(config());
    for _ in 0..3 {
        world.append(30);
        world.history.flush(STREAM).unwrap();
    }
    let copy = TwinDisk::new();
    for table in world.history.pin_all() {
        world.append(5);
        world.history.flush(STREAM).unwrap();
        for path in table.paths {
            let path = table.pinned.folder.join(path);
            let bytes = twin.read(&path).unwrap();
            copy.create_dirs(path.parent().unwrap()).unwrap();
            copy.open(&path, OpenMode::CreateNew)
                .unwrap()
                .write_at(&bytes, 0)
                .unwrap();
        }
    }
    let mut restored = open(Arc::new(copy), START, config());
    restored.define(None).unwrap();
    restored.next = 90;
    restored.check_from(0);
}

#[test]
fn a_log_that_begins_too_late_is_named() {
    let (_, mut world) = started(config());
    world.append(10);
    world.append(10);
    world.log.trim(STREAM, world.log.frontier());
    world.append(10);
    let error = world.history.flush(STREAM).unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Gap {
                archived: Seq::ZERO,
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(
        world.history.flush(StreamId(99)),
        Err(HistoryError::Unknown { .. })
    ));
}

#[test]
fn a_forgotten_stream_leaves_nothing() {
    let (twin, mut world) = started(config());
    world.append(10);
    world.history.flush(STREAM).unwrap();
    world.append(10);
    world.history.forget(STREAM).unwrap();
    assert!(world.history.pin(STREAM).is_none());
    assert!(twin.list(&folder()).unwrap().is_empty());
    assert_eq!(world.log.extent(STREAM), None);
    world.define(None).unwrap();
    assert_eq!(world.pin().rows(), 0);
}
