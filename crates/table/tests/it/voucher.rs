//! A voucher is redeemed once: ten thousand clients, a hundred units, on the real sequencer.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use mainstem_disk::{Cut, Failure, FailureKind, TwinDisk};
use mainstem_kernel::{
    ByteSize, ColumnName, ColumnType, Seq, Spawn, StreamId, StreamName, Timestamp,
    clock::{ManualClock, SystemClock},
    metrics::Metrics,
    spawn::{TaskBody, ThreadBody},
};
use mainstem_log::{JournalLog, JournalParts, LogConfig, MemoryLog, ReadFrom, SharedLog};
use mainstem_table::{
    Decide, Effects, Statement, Step, TableSchema, Tables, Target, Transaction, WriteError, Writer,
    WriterConfig, WriterParts,
};

use crate::world::{LONG, World, columns};

const VOUCHERS: StreamId = StreamId(20);
const CLIENTS: usize = 10_000;
const UNITS: i64 = 100;

fn schema() -> TableSchema {
    let columns = columns(&[
        (1, "code", ColumnType::Text, false),
        (2, "left", ColumnType::BigInt, true),
    ]);
    let key = vec![ColumnName::new("code").unwrap()];
    TableSchema::first(VOUCHERS, StreamName::new("vouchers").unwrap(), columns, key)
}

fn rows(list: &[(&str, i64)]) -> RecordBatch {
    let codes = StringArray::from_iter_values(list.iter().map(|(code, _)| code));
    let left = Int64Array::from_iter_values(list.iter().map(|(_, left)| *left));
    let arrays: Vec<ArrayRef> = vec![Arc::new(codes), Arc::new(left)];
    RecordBatch::try_new(schema().row_schema(), arrays).unwrap()
}

fn code(code: &str) -> Vec<ArrayRef> {
    vec![Arc::new(StringArray::from_iter_values([code]))]
}

fn no_keys() -> RecordBatch {
    let code: ArrayRef = Arc::new(StringArray::from_iter_values::<&str, _>([]));
    RecordBatch::try_from_iter([("code", code)]).unwrap()
}

/// `INSERT … ON CONFLICT DO NOTHING`.
#[derive(Debug)]
struct Issue;

impl Decide for Issue {
    fn target(&self) -> Target {
        Target::Exact(code("SPRING"))
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let is_new = current.num_rows() == 0;
        Ok(Effects {
            upserts: rows(if is_new { &[("SPRING", UNITS)] } else { &[] }),
            deletes: no_keys(),
            affected: u64::from(is_new),
            returning: None,
        })
    }
}

/// `UPDATE vouchers SET left = left - 1 WHERE code = 'SPRING' AND left > 0`.
#[derive(Debug)]
struct Redeem;

impl Decide for Redeem {
    fn target(&self) -> Target {
        Target::Exact(code("SPRING"))
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let left = left_of(current).unwrap_or(0);
        let is_redeemed = left > 0;
        Ok(Effects {
            upserts: match is_redeemed {
                true => rows(&[("SPRING", left - 1)]),
                false => rows(&[]),
            },
            deletes: no_keys(),
            affected: u64::from(is_redeemed),
            returning: None,
        })
    }
}

fn left_of(current: &RecordBatch) -> Option<i64> {
    let left = current.column(1).as_primitive::<Int64Type>();
    (current.num_rows() > 0).then(|| left.value(0))
}

/// Takes steps as the log moves, until it is told to stop.
fn follow(tables: &Tables, log: &SharedLog, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Acquire) {
        if !catch_up(tables, log) {
            std::thread::yield_now();
        }
    }
}

/// One step through the log's frontier; whether there was something.
fn catch_up(tables: &Tables, log: &SharedLog) -> bool {
    let (after, through) = (tables.frontier(), log.frontier());
    if through <= after {
        return false;
    }
    let from = ReadFrom {
        after,
        through,
        bytes_max: usize::MAX,
    };
    let chunk = log.read(VOUCHERS, from).unwrap();
    let changed = tables.changed(VOUCHERS, &chunk.frames).unwrap();
    let changed = changed.into_iter().collect();
    tables
        .advance(Step {
            through,
            changed,
            emitted: Vec::new(),
        })
        .unwrap();
    true
}

fn config() -> WriterConfig {
    WriterConfig {
        queue_max: 20_000,
        batch_size_max: ByteSize::kib(16),
        statement_rows_max: 100,
        flight_size_max: ByteSize::kib(64),
        patience: LONG,
    }
}

fn world() -> World {
    let mut world = World::new();
    world.schemas = vec![schema()];
    world
}

/// What the clients were told.
#[derive(Debug, Default)]
struct Told {
    redeemed: u64,
    refused: u64,
    failed: u64,
    last: Seq,
}

/// Lets clients redeem from several threads at once; waits for all answers.
fn redeem(tables: &Arc<Tables>, log: &SharedLog, clients: usize) -> Told {
    let parts = WriterParts {
        tables: Arc::clone(tables),
        log: Arc::clone(log),
        clock: Arc::new(SystemClock),
    };
    let (writer, sequencer) = Writer::open(parts, config());
    let is_over = AtomicBool::new(false);
    let mut told = Told::default();
    std::thread::scope(|scope| {
        scope.spawn(|| follow(tables, log, &is_over));
        let sequencer = scope.spawn(|| sequencer.run());
        let (tx, answers) = mpsc::sync_channel(clients + 1);
        let submit = |decide: Arc<dyn Decide>| {
            let tx = tx.clone();
            let transaction = Transaction {
                statements: vec![Statement {
                    table: VOUCHERS,
                    decide,
                }],
                ..Transaction::default()
            };
            writer.submit(
                transaction,
                Box::new(move |answer| tx.send(answer).unwrap()),
            );
        };
        submit(Arc::new(Issue));
        drop(answers.recv_timeout(LONG).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..clients / 8).for_each(|_| submit(Arc::new(Redeem))));
            }
        });
        for _ in 0..clients {
            match answers.recv_timeout(LONG).unwrap() {
                Ok(written) => {
                    told.last = told.last.max(written.position.seq());
                    match written.outcomes[0].rows {
                        0 => told.refused += 1,
                        _ => told.redeemed += 1,
                    }
                }
                Err(_) => told.failed += 1,
            }
        }
        writer.close();
        sequencer.join().unwrap();
        is_over.store(true, Ordering::Release);
    });
    told
}

fn left(tables: &Tables, log: &SharedLog) -> Option<i64> {
    catch_up(tables, log);
    let found = tables.pointer().get_columns(VOUCHERS, &code("SPRING"));
    left_of(&found.unwrap().rows)
}

#[test]
fn ten_thousand_clients_redeem_exactly_a_hundred() {
    let world = world();
    let (tables, ..) = world.open();
    let clock = ManualClock::at(Timestamp::from_millis(1_767_225_600_000));
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::new(clock)));
    let told = redeem(&tables, &log, CLIENTS);
    assert_eq!((told.redeemed, told.refused, told.failed), (100, 9_900, 0));
    assert_eq!(left(&tables, &log), Some(0));
    assert!(told.last <= log.frontier());
}

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

fn journal(disk: &TwinDisk, clock: &Arc<ManualClock>) -> Option<Arc<JournalLog>> {
    let parts = JournalParts {
        disk: Arc::new(disk.clone()),
        folder: PathBuf::from("/journal"),
        clock: Arc::<ManualClock>::clone(clock),
        spawn: Arc::new(Threads),
        metrics: Metrics::new(),
    };
    let config = LogConfig {
        journal_file_size: ByteSize::kib(256),
        journal_size_max: ByteSize::mib(8),
        group_size_max: ByteSize::kib(64),
        queue_max: 8,
        tail_bytes_max: ByteSize::mib(1),
        producers_max: 100,
        request_keep: Duration::from_secs(24 * 60 * 60),
        clock_behind_max: Duration::from_secs(300),
        accept_damage: false,
    };
    JournalLog::open(parts, config).ok()
}

/// The power goes again and again while clients redeem. In the end a hundred units are gone, and no
/// more than those were promised.
#[test]
fn power_cuts_meanwhile_redeem_exactly_a_hundred() {
    let mut met = 0;
    for seed in 0..6_u64 {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_767_225_600_000)));
        let mut disk = TwinDisk::new();
        let (mut promised, mut unsure, mut cuts) = (0, 0, 0);
        loop {
            let is_last = cuts >= 12;
            let fail_soon = |calls: u64| {
                let call = disk.calls() + (seed * 7 + cuts * 3) % calls;
                let kind = FailureKind::PowerLoss;
                disk.fail(Failure { call, kind });
            };
            // One in four while it starts, the others while clients redeem.
            if !is_last && cuts % 4 == 3 {
                fail_soon(19);
            }
            let world = world();
            let Some(log) = journal(&disk, &clock) else {
                disk = disk.cut_power(Cut::Random(seed * 100 + cuts));
                cuts += 1;
                continue;
            };
            if !is_last && cuts % 4 != 3 {
                fail_soon(8);
            }
            let (tables, ..) = world.open();
            let shared: SharedLog = Arc::<JournalLog>::clone(&log);
            let told = redeem(&tables, &shared, if is_last { 400 } else { 24 });
            promised += i64::try_from(told.redeemed).unwrap();
            unsure += i64::try_from(told.failed).unwrap();
            let left = left(&tables, &shared);
            log.close(LONG);
            drop(log);
            let redeemed = UNITS - left.unwrap_or(UNITS);
            assert!(promised <= UNITS, "{promised} were promised");
            if is_last {
                assert_eq!(told.failed, 0);
                assert_eq!(left, Some(0), "{redeemed} redeemed, {promised} promised");
                break;
            }
            disk = disk.cut_power(Cut::Random(seed * 100 + cuts));
            cuts += 1;
        }
        assert!(promised > 0, "seed {seed}");
        met += unsure;
    }
    assert!(met > 0, "no power cut met a write");
}

/// Nothing that was acknowledged is lost: a power cut after the answer leaves it there.
#[test]
fn what_was_promised_is_there_after_a_power_cut() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_767_225_600_000)));
    let mut disk = TwinDisk::new();
    let mut promised = 0;
    for round in 0..5 {
        let log = journal(&disk, &clock).unwrap();
        let (tables, ..) = world().open();
        let shared: SharedLog = Arc::<JournalLog>::clone(&log);
        assert_eq!(UNITS - left(&tables, &shared).unwrap_or(UNITS), promised);
        promised += i64::try_from(redeem(&tables, &shared, 16).redeemed).unwrap();
        disk = disk.cut_power(if round % 2 == 0 {
            Cut::DropAll
        } else {
            Cut::Random(round)
        });
    }
    assert_eq!(promised, 5 * 16);
}
