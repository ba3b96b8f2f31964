//! Kill and reload: a process writes as fast as it can, is killed, and another opens what it left.
//!
//! Run without arguments it is the short form, which tests run. `soak FOLDER ROUNDS` goes on for
//! longer. fjall is said to have hung after a reload under load, so a round also fails when its
//! process does not come far enough within a minute.
//!
//! What is written can be checked without a stored truth: batch `n` gives every key `n % KEYS` of
//! each space the number `n`, and one key of each space the number of the batch. A process reports
//! a number only after `persist` of it returned.

#![expect(clippy::print_stdout, reason = "the parent reads what it reports")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise is told by a panic"
)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use mainstem_disk::RealDisk;
use mainstem_kernel::ByteSize;
use mainstem_store::{Batch, FjallStore, Keyed, Space, StoreConfig};

/// Keys that batches go over.
const KEYS: u64 = 50_000;
/// Keys of a batch.
const BATCH_KEYS: u64 = 500;
/// Batches between two reports.
const REPORT_BATCHES: u64 = 5;
/// Rounds of the short form.
const ROUNDS: u64 = 8;
/// A process that reports nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Small buffers, so that much is sorted into files while it is killed.
const CONFIG: StoreConfig = StoreConfig {
    cache: ByteSize::mib(4),
    buffer_size_max: ByteSize::mib(2),
    buffers_size_max: ByteSize::mib(16),
    journal_size_max: ByteSize::mib(64),
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", folder] => child(Path::new(folder)),
        ["soak", folder, rounds] => soak(Path::new(folder), rounds.parse().unwrap()),
        _ => {
            let folder = tempfile::tempdir().unwrap();
            soak(folder.path(), ROUNDS);
            println!("test soak ... ok");
        }
    }
}

/// Kills `rounds` processes, each a little later in its work than the one before.
fn soak(folder: &Path, rounds: u64) {
    let mut reported = 0;
    for round in 0..rounds {
        let mut process = start(folder);
        let lines = lines_of(&mut process);
        let opened: u64 = next(&lines, "opened");
        assert!(
            opened >= reported,
            "batch {reported} was persisted, the store came back with {opened}"
        );
        reported = opened;
        for _ in 0..10 + (round * 7) % 40 {
            reported = next(&lines, "persisted");
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let store = open(folder);
    let last = check(&*store);
    assert!(last >= reported && last >= rounds * 10 * REPORT_BATCHES);
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg("child")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a reader thread of a test, which ends with its process"
)]
fn lines_of(process: &mut Child) -> mpsc::Receiver<String> {
    let stdout = process.stdout.take().unwrap();
    let (tx, rx) = mpsc::sync_channel(1_000);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                break;
            }
        }
    });
    rx
}

/// The number of the next line, which must say `word`.
fn next(lines: &mpsc::Receiver<String>, word: &str) -> u64 {
    let line = lines
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|error| panic!("waited for \"{word}\": {error}"));
    let number = line.strip_prefix(word).map(str::trim);
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("expected \"{word}\", found \"{line}\""))
}

/// Opens, checks, and writes until it is killed.
fn child(folder: &Path) {
    let store = open(folder);
    let mut number = check(&*store);
    println!("opened {number}");
    loop {
        number += 1;
        store.write(batch(number)).unwrap();
        if number.is_multiple_of(REPORT_BATCHES) {
            store.persist().unwrap();
            println!("persisted {number}");
        }
    }
}

fn open(folder: &Path) -> Arc<FjallStore> {
    FjallStore::open(&RealDisk, &folder.join("store"), CONFIG).unwrap()
}

/// The keys of a batch: neighbouring ones, going round.
fn keys(number: u64) -> impl Iterator<Item = u64> {
    let first = (number - 1) * BATCH_KEYS;
    (first..first + BATCH_KEYS).map(|n| n % KEYS)
}

fn value(number: u64, key: u64) -> Vec<u8> {
    let size = if key.is_multiple_of(97) { 5_000 } else { 60 };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(size, key.to_be_bytes()[7]);
    bytes
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::default();
    for space in [Space::Rows, Space::State] {
        for key in keys(number) {
            // Some keys are removed every other time round.
            let goes = key.is_multiple_of(11) && (number * BATCH_KEYS / KEYS) % 2 == 1;
            if goes {
                batch.remove(space, &key.to_be_bytes());
            } else {
                batch.put(space, &key.to_be_bytes(), &value(number, key));
            }
        }
    }
    batch.put(Space::Meta, b"last", &number.to_be_bytes());
    batch
}

/// The last batch; everything in the store is what the batches up to it left.
fn check(store: &dyn Keyed) -> u64 {
    let snapshot = store.snapshot().unwrap();
    let last = snapshot.get(Space::Meta, b"last").unwrap();
    let last = last.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()));
    let mut expected = vec![0; usize::try_from(KEYS).unwrap()];
    for number in last.saturating_sub(KEYS / BATCH_KEYS).max(1)..=last {
        for key in keys(number) {
            expected[usize::try_from(key).unwrap()] = number;
        }
    }
    for space in [Space::Rows, Space::State] {
        let mut found = vec![0; expected.len()];
        let mut visit = |key: &[u8], bytes: &[u8]| {
            let key = u64::from_be_bytes(key.try_into().unwrap());
            let number = u64::from_be_bytes(bytes[..8].try_into().unwrap());
            assert_eq!(bytes, value(number, key));
            found[usize::try_from(key).unwrap()] = number;
            std::ops::ControlFlow::Continue(())
        };
        let all = mainstem_store::KeyRange::all();
        snapshot.scan(space, &all, &mut visit).unwrap();
        for (key, (found, number)) in (0_u64..).zip(found.iter().zip(&expected)) {
            let goes = key.is_multiple_of(11) && (number * BATCH_KEYS / KEYS) % 2 == 1;
            let expected = if goes { 0 } else { *number };
            assert_eq!(*found, expected, "{space:?}, key {key}, batch {last}");
        }
    }
    last
}
