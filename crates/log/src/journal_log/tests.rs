//! The log of a node as its users see it: promises, threads, pins and the end.

use std::{io, path::Path, time::Duration};

use mainstem_disk::{Disk, Failure, FailureKind, RealDisk, SharedDisk, TwinDisk};
use mainstem_kernel::{
    Spawn, Timestamp,
    clock::{ManualClock, SystemClock},
    spawn::{SharedSpawn, TaskBody, ThreadBody},
};

use super::*;
use crate::{
    append_and_wait,
    contract::{self, STREAM, all, draft, entry, frames, numbers, put},
};

/// Threads without a supervisor: a panic fails the test that waits for an answer.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        drop(std::thread::spawn(body));
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("the log starts no task: {name}");
    }
}

fn config() -> LogConfig {
    LogConfig {
        journal_file_size: ByteSize::mib(40),
        journal_size_max: ByteSize::mib(400),
        group_size_max: ByteSize::mib(16),
        queue_max: 8,
        tail_bytes_max: ByteSize::kib(8),
        producers_max: 100,
        request_keep: Duration::from_secs(24 * 60 * 60),
        clock_behind_max: Duration::from_secs(300),
        accept_damage: false,
    }
}

fn small() -> LogConfig {
    LogConfig {
        journal_file_size: ByteSize::kib(64),
        journal_size_max: ByteSize::mib(4),
        group_size_max: ByteSize::kib(16),
        ..config()
    }
}

fn parts(disk: SharedDisk, folder: PathBuf) -> JournalParts {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_225_600_000));
    let metrics = Metrics::new();
    JournalParts {
        disk,
        folder,
        clock: Arc::new(clock),
        spawn: Arc::new(Threads),
        metrics,
    }
}

fn open(disk: &TwinDisk, config: LogConfig) -> Arc<JournalLog> {
    JournalLog::open(
        parts(Arc::new(disk.clone()), PathBuf::from("/journal")),
        config,
    )
    .unwrap()
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn keeps_every_promise() {
    contract::keeps_every_promise(|| open(&TwinDisk::new(), config()));
}

#[test]
fn works_on_the_machines_disk_and_clock() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let disk: SharedDisk = Arc::new(RealDisk);
        let parts = parts(disk, folder.path().join("journal"));
        JournalLog::open(
            JournalParts {
                clock: Arc::new(SystemClock),
                ..parts
            },
            small(),
        )
        .unwrap()
    };
    for opened in 0..3 {
        let log = open();
        for n in 0..30 {
            put(&*log, STREAM, opened * 300 + n * 10, 10);
        }
        let expected: Vec<i64> = (0..(opened + 1) * 300).collect();
        assert_eq!(numbers(&frames(&*log, STREAM, Seq::ZERO)), expected);
        assert!(log.close(LONG));
    }
    let entries = RealDisk.list(&folder.path().join("journal")).unwrap();
    assert!(entries.len() > 3, "the files were rolled");
}

#[test]
fn a_file_that_was_ordered_is_there_once_nobody_waits_for_it() {
    for _ in 0..50 {
        let disk = TwinDisk::new();
        let path = Path::new("/00000002.journal");
        let threads: SharedSpawn = Arc::new(Threads);
        let mut spare = Spare::start(&threads, Arc::new(disk.clone())).unwrap();
        assert!(spare.order(path.to_owned(), 1 << 20));
        drop(spare);
        assert_eq!(disk.stat(path).unwrap().unwrap().len, 1 << 20);
    }
}

#[test]
fn closing_answers_everything_that_waits() {
    let disk = TwinDisk::new();
    let log = open(&disk, small());
    let (tx, rx) = bounded(1_000);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let (log, tx) = (&log, tx.clone());
            scope.spawn(move || {
                for n in 0..100 {
                    let frames = vec![draft(STREAM, sender * 100 + n, &[entry(0, 1, None)])];
                    let tx = tx.clone();
                    log.append(
                        Append { frames },
                        Box::new(move |done| tx.send(done).unwrap()),
                    );
                }
            });
        }
        scope.spawn(|| {
            let mut watch = log.watch();
            while *watch.borrow_and_update() == Seq::ZERO {
                std::thread::yield_now();
            }
            assert!(log.close(LONG));
        });
    });
    drop(tx);
    let outcomes: Vec<_> = rx.iter().collect();
    assert_eq!(outcomes.len(), 400, "each append is answered once");
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let closed = |o: &Result<_, AppendError>| matches!(o, Err(AppendError::Closed) | Ok(_));
    assert!(kept > 0 && outcomes.iter().all(closed));
    assert_eq!(
        frames(&*log, STREAM, Seq::ZERO).len(),
        kept,
        "reads go on after the end"
    );
    drop(log);
    let log = open(&disk, small());
    assert_eq!(frames(&*log, STREAM, Seq::ZERO).len(), kept);
}

#[test]
fn a_failed_sync_is_told_to_all_that_wait_and_to_all_that_come() {
    let disk = TwinDisk::new();
    let log = open(&disk, small());
    put(&*log, STREAM, 0, 1);
    disk.fail(Failure {
        call: disk.calls() + 1,
        kind: FailureKind::Io,
    });
    for _ in 0..2 {
        let frames = vec![draft(STREAM, 5, &[entry(0, 1, None)])];
        let error = append_and_wait(&*log, Append { frames }).unwrap_err();
        assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
    }
    assert_eq!(numbers(&frames(&*log, STREAM, Seq::ZERO)), [0]);
}

#[test]
fn a_backup_under_load_is_a_journal_up_to_its_frontier() {
    let disk = TwinDisk::new();
    let log = open(&disk, small());
    let copy = TwinDisk::new();
    copy.create_dirs(Path::new("/journal")).unwrap();
    let frontier = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                let last = put(&*log, STREAM, n, 1);
                if n % 50 == 49 {
                    log.trim(STREAM, Seq(last.0 - 20));
                }
            }
        });
        let mut watch = log.watch();
        while *watch.borrow_and_update() == Seq::ZERO {
            std::thread::yield_now();
        }
        let pin = log.pin();
        for file in pin.files() {
            let bytes = disk.read(&file.path).unwrap();
            let bytes = &bytes[..usize::try_from(file.length).unwrap()];
            mainstem_disk::write_new_durably(&copy, &file.path, bytes).unwrap();
        }
        pin.frontier()
    });
    let restored = open(&copy, small());
    assert_eq!(restored.frontier(), frontier);
    let extent = restored.extent(STREAM).unwrap();
    assert_eq!(extent.last, frontier);
    let after = Seq(extent.first.0 - 1);
    let from = ReadFrom {
        through: frontier,
        ..all(after)
    };
    let restored = restored.read(STREAM, from).unwrap().frames;
    assert_eq!(restored.last().unwrap().seq, frontier);
    let rows = numbers(&restored);
    assert!(
        rows.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "no row is missing"
    );
}

#[test]
fn figures_follow_the_journal() {
    let disk = TwinDisk::new();
    let log = open(&disk, small());
    let empty = log.stats();
    assert_eq!(
        (empty.live, empty.tail, empty.files),
        (ByteSize(0), ByteSize(0), 1)
    );
    let last = put(&*log, STREAM, 0, 100);
    let stats = log.stats();
    assert!(stats.live.0 > 500 && stats.tail.0 >= 800, "{stats:?}");
    log.prove().unwrap();
    log.trim(STREAM, last);
    assert_eq!(
        (log.stats().live, log.stats().tail),
        (ByteSize(0), ByteSize(0))
    );
}
