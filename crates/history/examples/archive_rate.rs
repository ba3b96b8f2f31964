//! Measures archiving: rows per second and CPU seconds per million rows, from frames in memory to
//! synced Parquet files. Run it in release; the folder is an argument.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use mainstem_disk::RealDisk;
use mainstem_history::{History, HistoryConfig, HistoryParts, StreamTable};
use mainstem_kernel::{
    ByteSize, Column, ColumnName, ColumnType, Columns, PartitionId, SchemaVersion, StreamId,
    StreamName,
    clock::{SharedClock, SystemClock},
    metrics::Metrics,
};
use mainstem_log::{Append, Draft, DraftEntry, MemoryLog, SharedLog};

const STREAM: StreamId = StreamId(16);
const ROWS: u32 = 8_192;
const FRAMES: i64 = 1_000;
const DEVICES: i64 = 10_000;

fn main() {
    let folder: PathBuf = std::env::args_os().nth(1).unwrap().into();
    let clock: SharedClock = Arc::new(SystemClock);
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::clone(&clock)));
    let parts = HistoryParts {
        disk: Arc::new(RealDisk),
        folder,
        log: Arc::clone(&log),
        clock: Arc::clone(&clock),
        metrics: Metrics::new(),
    };
    let config = HistoryConfig {
        file_size_max: ByteSize::mib(512),
        memory_max: ByteSize::mib(256),
    };
    let history = History::open(parts, config).unwrap();
    history.set_table(table()).unwrap();
    for frame in 0..FRAMES {
        let draft = draft(frame);
        let done = Box::new(|outcome: Result<_, _>| drop(outcome));
        log.append(
            Append {
                frames: vec![draft],
            },
            done,
        );
    }
    let start = clock.monotonic();
    while history.work() {}
    history.flush(STREAM).unwrap();
    let seconds = (clock.monotonic() - start).as_secs_f64();
    let totals = history.totals();
    let millions = totals.rows as f64 / 1e6;
    println!(
        "{:.2} million rows in {seconds:.2} s: {:.2} million rows/s",
        millions,
        millions / seconds
    );
    println!("{:.3} s per million rows, one thread", seconds / millions);
    println!(
        "{:.1} bytes per row in {} files",
        totals.bytes as f64 / totals.rows as f64,
        totals.files
    );
}

fn columns() -> Columns {
    let list = [
        ("device_id", ColumnType::Text),
        ("celsius", ColumnType::Double),
        ("humidity", ColumnType::Double),
        ("at", ColumnType::TimestampTz),
        ("status", ColumnType::Text),
    ];
    let column = |(id, (name, ty))| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable: false,
    };
    Columns((1..).zip(list).map(column).collect())
}

fn table() -> StreamTable {
    StreamTable {
        stream: STREAM,
        name: StreamName::new("readings").unwrap(),
        columns: columns(),
        versions: BTreeMap::from([(SchemaVersion(1), columns())]),
        retention: None,
    }
}

/// Rows as admission sorts them: by partition, each device in one.
fn draft(frame: i64) -> Draft {
    let first = frame * i64::from(ROWS);
    let rows = first..first + i64::from(ROWS);
    let mix = |n: i64| n.wrapping_mul(0x5851_F42D_4C95_7F2D).rotate_left(23);
    let device = |n: i64| format!("device-{:06}", mix(n).rem_euclid(DEVICES));
    let schema = columns().body_schema();
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.clone().map(device))),
        Arc::new(Float64Array::from_iter_values(
            rows.clone().map(|n| (mix(n) % 1_000) as f64 / 10.0),
        )),
        Arc::new(Float64Array::from_iter_values(
            rows.clone().map(|n| (mix(n + 7) % 1_000) as f64 / 10.0),
        )),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone()).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rows.map(|n| {
            ["ok", "warm", "hot"][usize::try_from(n % 3).unwrap_or(0)]
        }))),
    ];
    arrays.push(new_null_array(
        schema.field(5).data_type(),
        usize::try_from(ROWS).unwrap(),
    ));
    let batch = RecordBatch::try_new(schema, arrays).unwrap();
    let entry = |partition| DraftEntry {
        partition: PartitionId(partition),
        rows: ROWS / 8,
        stamp: None,
    };
    Draft::encode(STREAM, SchemaVersion(1), (0..8).map(entry).collect(), batch).unwrap()
}
