//! Measures what a step costs here: building layers of changed rows, reading rows by key out of
//! them, sealing, encoding a redo file, scanning, and putting rows into the store. Run it in
//! release; a folder is an argument.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::{hint::black_box, path::PathBuf, sync::Arc, time::Duration};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use mainstem_disk::RealDisk;
use mainstem_kernel::{
    AppName, ByteSize, Clock, Column, ColumnName, ColumnType, Columns, Seq, StreamId, StreamName,
    TenantId, clock::SystemClock,
};
use mainstem_store::{FjallStore, KeyRange, StoreConfig};
use mainstem_table::{
    AppId, Applier, Changed, Checkpoint, Pointer, RowKeys, Step, TableSchema, Tables, TablesConfig,
    TablesParts,
};

const TABLE: StreamId = StreamId(16);
const ROWS: i64 = 100_000;
const SMALL_ROWS: i64 = 1_000;

fn main() {
    let folder: PathBuf = std::env::args_os().nth(1).unwrap().into();
    let (tables, mut applier) = open(folder);
    let batch = changed(0, ROWS, Seq(1)).rows;
    let codec = Arc::clone(tables.pointer().codec(TABLE).unwrap());
    let every = codec.keys(&codec.key_columns(&batch)).unwrap();
    let one: Vec<RowKeys> = (0..10_000)
        .map(|n| codec.keys(&key_of(n * 7 % ROWS)).unwrap())
        .collect();
    measure("keys of rows, with hashes", ROWS, 20, || {
        black_box(codec.keys(&codec.key_columns(&batch)).unwrap());
    });
    steps(&tables, &mut applier);
    reads(&tables.pointer(), "the overlay", (&one, &every));
    println!("overlay: {}", tables.overlay_size());
    checkpoint(&tables, &mut applier);
    reads(&tables.pointer(), "the store", (&one, &every));
}

/// Large steps with a checkpoint after each, then many small ones without.
fn steps(tables: &Tables, applier: &mut Applier) {
    let mut large = Duration::ZERO;
    for n in 1..=10 {
        large += advance(tables, changed(0, ROWS, Seq(n)));
        tables.checkpoint(Checkpoint::default()).unwrap();
        while applier.work().unwrap() {}
    }
    report("a step of 100,000 rows", 10 * ROWS, large);
    let mut small = Duration::ZERO;
    for n in 0..1_000 {
        let seq = Seq(11 + u64::try_from(n).unwrap());
        small += advance(tables, changed((n * 7_919) % ROWS, SMALL_ROWS, seq));
    }
    report(
        "a thousand steps of 1,000 rows, with merging",
        1_000 * SMALL_ROWS,
        small,
    );
}

fn reads(pointer: &Pointer, place: &str, (one, every): (&[RowKeys], &RowKeys)) {
    measure(
        &format!("a row by its key, from {place}"),
        10_000,
        5,
        || {
            for keys in one {
                black_box(pointer.get(TABLE, keys).unwrap());
            }
        },
    );
    let what = format!("when a row was written, from {place}");
    measure(&what, 10_000, 5, || {
        for keys in one {
            black_box(pointer.written(TABLE, keys).unwrap());
        }
    });
    let what = format!("rows by 100,000 keys at once, from {place}");
    measure(&what, ROWS, 3, || {
        black_box(pointer.get(TABLE, every).unwrap());
    });
    measure(&format!("a scan of {place}"), ROWS, 3, || {
        let scan = pointer.scan(TABLE, &KeyRange::all(), 8_192).unwrap();
        let rows: usize = scan.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, usize::try_from(ROWS).unwrap());
    });
}

fn checkpoint(tables: &Tables, applier: &mut Applier) {
    let clock = SystemClock;
    let begun = clock.monotonic();
    let sealed = tables.seal(Checkpoint::default()).unwrap();
    let was_sealed = clock.monotonic();
    report("sealing", ROWS, was_sealed.saturating_sub(begun));
    tables.commit(&sealed).unwrap();
    let committed = clock.monotonic();
    let spent = committed.saturating_sub(was_sealed);
    report("redo file, synced", ROWS, spent);
    while applier.work().unwrap() {}
    let spent = clock.monotonic().saturating_sub(committed);
    report("applying", ROWS, spent);
}

fn open(folder: PathBuf) -> (Arc<Tables>, Applier) {
    let config = StoreConfig {
        cache: ByteSize::mib(64),
        buffer_size_max: ByteSize::mib(32),
        buffers_size_max: ByteSize::mib(256),
        journal_size_max: ByteSize::mib(128),
    };
    let store = FjallStore::open(&RealDisk, &folder.join("store"), config).unwrap();
    let parts = TablesParts {
        disk: Arc::new(RealDisk),
        folder: folder.join("redo"),
        store,
        app: AppId {
            tenant: TenantId(1),
            name: AppName::new("measured").unwrap(),
        },
        clock: Arc::new(SystemClock),
    };
    let config = TablesConfig {
        overlay_size_max: ByteSize::gib(1),
        apply_interval: Duration::ZERO,
        feed_size_max: ByteSize::mib(16),
        redo_files_max: 2,
        redo_size_max: ByteSize::mib(64),
    };
    let opened = Tables::open(parts, config, vec![schema()]).unwrap();
    (opened.tables, opened.applier)
}

/// Takes a step; how long it took.
fn advance(tables: &Tables, changed: Changed) -> Duration {
    let clock = SystemClock;
    let step = Step {
        through: changed.written.last().copied().unwrap(),
        changed: vec![changed],
        emitted: Vec::new(),
    };
    let before = clock.monotonic();
    tables.advance(step).unwrap();
    clock.monotonic().saturating_sub(before)
}

fn schema() -> TableSchema {
    let list = [
        ("device_id", ColumnType::Text, false),
        ("celsius", ColumnType::Double, true),
        ("readings", ColumnType::BigInt, true),
        ("at", ColumnType::TimestampTz, true),
        ("status", ColumnType::Text, true),
    ];
    let column = |(id, (name, ty, nullable))| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable,
    };
    let columns = Columns((1..).zip(list).map(column).collect());
    let key = vec![ColumnName::new("device_id").unwrap()];
    TableSchema::first(TABLE, StreamName::new("devices").unwrap(), columns, key)
}

fn device(n: i64) -> String {
    format!("device-{n:06}")
}

fn key_of(n: i64) -> Vec<ArrayRef> {
    vec![Arc::new(StringArray::from_iter_values([device(n)]))]
}

fn changed(first: i64, rows: i64, seq: Seq) -> Changed {
    let numbers = || (first..first + rows).map(|n| n * 7_919 % ROWS);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(numbers().map(device))),
        Arc::new(Float64Array::from_iter_values(numbers().map(|n| n as f64))),
        Arc::new(Int64Array::from_iter_values(numbers())),
        Arc::new(TimestampMicrosecondArray::from_iter_values(numbers()).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(
            numbers().map(|n| ["ok", "warm", "hot"][usize::try_from(n % 3).unwrap()]),
        )),
    ];
    let count = usize::try_from(rows).unwrap();
    Changed {
        table: TABLE,
        rows: RecordBatch::try_new(schema().row_schema(), arrays).unwrap(),
        deleted: (0..count).map(|_| false).collect(),
        written: vec![seq; count],
    }
}

fn measure(what: &str, units: i64, times: i32, mut work: impl FnMut()) {
    let clock = SystemClock;
    let before = clock.monotonic();
    for _ in 0..times {
        work();
    }
    let spent = clock.monotonic().saturating_sub(before);
    report(what, units * i64::from(times), spent);
}

fn report(what: &str, units: i64, spent: Duration) {
    let nanos = spent.as_secs_f64() * 1e9 / units as f64;
    println!("{what}: {nanos:.0} ns each");
}
