//! Prints what each stage of admission costs per row, in nanoseconds on one core:
//! `cargo run --release -p mainstem-admit --example decode`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a measurement is printed, and takes the machine's time"
)]

use std::{
    fmt::Write as _,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::datatypes::Schema;
use bytes::Bytes;
use mainstem_admit::{Format, stages::Stages};
use mainstem_catalog::{Durability, StreamDef, StreamSpec, Watermark};
use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, SchemaVersion, Seq, StreamId,
    StreamName, TenantId, Timestamp,
};
use mainstem_log::{Draft, DraftEntry};

/// Rows per request.
const ROWS: usize = 2_000;
/// Requests per drain.
const REQUESTS: usize = 4;

fn main() {
    let stream = stream();
    let good = bodies(|_, row| row);
    println!("{} bytes per event", good[0].len() / ROWS);
    report("JSON, good rows", &stream, Format::Ndjson, &good);
    let extra = bodies(|_, row| row.replacen('{', "{\"fw\":\"1.2.3\",", 1));
    report(
        "JSON, an undeclared field in each row",
        &stream,
        Format::Ndjson,
        &extra,
    );
    let bad = bodies(|i, row| {
        if i % 10 == 0 {
            row.replace("celsius\":", "celsius\":\"x\",\"y\":")
        } else {
            row
        }
    });
    report("JSON, every tenth row wrong", &stream, Format::Ndjson, &bad);
    let spaced = bodies(|_, row| row.replace("\":", "\" : ").replace(',', " , "));
    report("JSON with blanks", &stream, Format::Ndjson, &spaced);
    let arrays: Vec<Bytes> = good.iter().map(array).collect();
    report("JSON array", &stream, Format::Json, &arrays);
    let csv: Vec<Bytes> = good.iter().map(csv).collect();
    report("CSV", &stream, Format::Csv, &csv);
    arrow_json(&stream, &good);
    let encoded = later_stages(&stream, &good);
    println!("{:<42} {encoded:>7.1} bytes per row", "frame");
}

fn report(name: &str, stream: &StreamDef, format: Format, bodies: &[Bytes]) {
    let mut stages = Stages::new(stream, Timestamp(i64::MAX));
    let mut rows = 0;
    let took = best(|| {
        let decoded = stages.decode(format, bodies, usize::MAX).unwrap();
        rows = decoded.batch.num_rows() + decoded.rejected;
        black_box(decoded.batch);
    });
    assert_eq!(rows, ROWS * REQUESTS, "{name}");
    print(name, took);
}

/// What the library's decoder costs on the same rows.
fn arrow_json(stream: &StreamDef, bodies: &[Bytes]) {
    let schema = stream.spec.columns.body_schema();
    let declared: Vec<_> = schema
        .fields()
        .iter()
        .take(schema.fields().len() - 1)
        .cloned()
        .collect();
    let mut decoder = arrow::json::ReaderBuilder::new(Arc::new(Schema::new(declared)))
        .with_batch_size(ROWS * REQUESTS)
        .with_strict_mode(true)
        .build_decoder()
        .unwrap();
    let took = best(|| {
        for body in bodies {
            decoder.decode(body).unwrap();
        }
        black_box(decoder.flush().unwrap());
    });
    print("for comparison: arrow-json", took);
}

/// Partition, sort and encode; gives the bytes per row of the frame.
fn later_stages(stream: &StreamDef, bodies: &[Bytes]) -> f64 {
    let mut stages = Stages::new(stream, Timestamp(i64::MAX));
    let batch = stages
        .decode(Format::Ndjson, bodies, usize::MAX)
        .unwrap()
        .batch;
    let took = best(|| {
        black_box(stages.sort(batch.clone()).unwrap());
    });
    print("partition and sort", took);
    let sorted = stages.sort(batch).unwrap();
    let entries: Vec<DraftEntry> = sorted
        .runs
        .iter()
        .map(|(partition, rows)| DraftEntry {
            partition: mainstem_kernel::PartitionId(*partition),
            rows: *rows,
            stamp: None,
        })
        .collect();
    let mut size = 0;
    let took = best(|| {
        let draft = Draft::encode(
            stream.id,
            SchemaVersion(1),
            entries.clone(),
            sorted.batch.clone(),
        );
        size = draft.unwrap().body.len();
    });
    print("encode", took);
    size as f64 / (ROWS * REQUESTS) as f64
}

/// The shortest of many runs: what else the machine does is not to be measured.
fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..300).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    times.min().unwrap_or_default()
}

fn print(name: &str, took: Duration) {
    println!(
        "{name:<42} {:>7.1} ns per row",
        took.as_nanos() as f64 / (ROWS * REQUESTS) as f64
    );
}

fn bodies(change: impl Fn(usize, String) -> String) -> Vec<Bytes> {
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..REQUESTS)
        .map(|request| {
            let mut body = String::new();
            for i in 0..ROWS {
                let (device, celsius) = (random(10_000), random(6_000));
                let row = format!(
                    "{{\"device_id\":\"device-{device:05}\",\"celsius\":{}.{:02},\
                     \"at\":\"2026-11-21T10:{:02}:{:02}.{:03}Z\",\"volts\":{}.{},\"site\":\"plant-{}\",\"seq\":{}}}",
                    celsius / 100,
                    celsius % 100,
                    random(60),
                    random(60),
                    random(1_000),
                    random(300),
                    random(1_000),
                    random(20),
                    request * ROWS + i,
                );
                writeln!(body, "{}", change(i, row)).unwrap();
            }
            Bytes::from(body)
        })
        .collect()
}

fn array(lines: &Bytes) -> Bytes {
    let text = String::from_utf8(lines.to_vec()).unwrap();
    Bytes::from(format!("[{}]", text.trim_end().replace('\n', ",\n")))
}

fn csv(lines: &Bytes) -> Bytes {
    let text = String::from_utf8(lines.to_vec()).unwrap();
    let mut csv = "Device ID,Celsius,At,Volts,Site,Seq\n".to_owned();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let cells = ["device_id", "celsius", "at", "volts", "site", "seq"]
            .map(|name| row[name].to_string().trim_matches('"').to_owned());
        writeln!(csv, "{}", cells.join(",")).unwrap();
    }
    Bytes::from(csv)
}

fn stream() -> StreamDef {
    let column = |id, name: &str, ty, nullable| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable,
    };
    let columns = Columns(vec![
        column(1, "device_id", ColumnType::Text, false),
        column(2, "celsius", ColumnType::Double, true),
        column(3, "at", ColumnType::TimestampTz, false),
        column(4, "volts", ColumnType::Double, true),
        column(5, "site", ColumnType::Text, true),
        column(6, "seq", ColumnType::BigInt, true),
    ]);
    StreamDef {
        id: StreamId(16),
        tenant: TenantId::ONLY,
        app: AppName::new("bench").unwrap(),
        spec: StreamSpec {
            name: StreamName::new("readings").unwrap(),
            columns,
            partition_by: vec![ColumnName::new("device_id").unwrap()],
            partitions: 8,
            watermark: Some(Watermark {
                column: ColumnName::new("at").unwrap(),
                delay: Duration::from_secs(10),
                idle_timeout: None,
            }),
            retention: None,
            deduplicate: None,
            foreign: None,
            durability: Durability::Strict,
            event_size_max: ByteSize::kib(32),
            sql: String::new(),
        },
        schemas: Vec::new(),
        dead_letters: None,
        created: Seq::ZERO,
        dropped: None,
    }
}
