//! Writes tables for other programs to read: `tests/python/delta_readers.py` asks delta-rs and
//! DuckDB the questions that are left beside them. Everything that changes a table happens to
//! both: checkpoints, compaction, retention, an added column; one also has a column renamed.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use arrow::json::ReaderBuilder;
use mainstem_disk::{Disk, RealDisk, write_durably};
use mainstem_history::StreamTable;
use mainstem_kernel::{
    Column, ColumnName, ColumnType, Columns, PartitionId, SchemaVersion, StreamId, StreamName,
};
use mainstem_log::{Append, Draft, DraftEntry, Log};
use serde_json::{Value, json};

use crate::world::{DAY, START, World, config, open_in};

const FRAMES: i64 = 130;
const ROWS: i64 = 40;
/// Frames of the first day, which expires.
const EXPIRED: i64 = 10;
/// The first frame with the added column.
const ADDED: i64 = 60;

fn columns(version: u32, renames: bool) -> Columns {
    let name = |name: &str| ColumnName::new(name).unwrap();
    let numeric = |precision, scale| ColumnType::Numeric { precision, scale };
    let place = vec![
        (name("lat"), ColumnType::Double),
        (name("lon"), ColumnType::Double),
    ];
    let label = if version == 3 && renames {
        "title"
    } else {
        "label"
    };
    let mut list = vec![
        ("n", ColumnType::BigInt),
        ("small", ColumnType::SmallInt),
        ("whole", ColumnType::Integer),
        ("flag", ColumnType::Boolean),
        ("ratio", ColumnType::Double),
        ("rough", ColumnType::Real),
        ("price", numeric(12, 3)),
        ("huge", numeric(38, 10)),
        (label, ColumnType::Text),
        ("raw", ColumnType::Bytea),
        ("id", ColumnType::Uuid),
        ("born", ColumnType::Date),
        ("at", ColumnType::TimestampTz),
        ("doc", ColumnType::Json),
        ("tags", ColumnType::Array(Box::new(ColumnType::Text))),
        ("place", ColumnType::Row(place)),
    ];
    if version >= 2 {
        list.push(("note", ColumnType::Text));
    }
    let column = |(id, (text, ty))| Column {
        id,
        name: name(text),
        ty,
        nullable: text != "n",
    };
    Columns((1..).zip(list).map(column).collect())
}

fn table(stream: StreamId, version: u32, retention: Option<Duration>) -> StreamTable {
    let renames = stream == RENAMED;
    let names = if renames { "renamed" } else { "plain" };
    StreamTable {
        stream,
        name: StreamName::new(names).unwrap(),
        columns: columns(version, renames),
        versions: (1..=version)
            .map(|v| (SchemaVersion(v), columns(v, renames)))
            .collect(),
        retention,
    }
}

const PLAIN: StreamId = StreamId(20);
const RENAMED: StreamId = StreamId(21);

fn row(n: i64, label: &str) -> Value {
    let mut row = json!({
        "n": n, "small": n % 1_000 - 500, "whole": n * 3, "flag": n % 2 == 0,
        "ratio": n as f64 / 4.0, "rough": 0.5, "price": format!("{}.{:03}", n % 50 - 25, n % 1_000),
        "huge": format!("{n}0000000000.5"), "raw": format!("{:08x}", n), "born": "1969-12-31",
        "id": format!("00000000-0000-4000-8000-{n:012}"), "at": format!("2026-11-20T06:00:{:02}.000001Z", n % 60),
        "doc": format!("{{\"n\":{n}}}"), "tags": ["a", null, n.to_string()],
        "place": {"lat": n, "lon": null}, "note": format!("note {}", n % 7),
    });
    row[label] = format!("label {} é", n % 11).into();
    if n % 9 == 0 {
        row["price"] = Value::Null;
        row["place"] = Value::Null;
    }
    row
}

fn append(world: &World, stream: StreamId, frame: i64, version: u32) {
    let columns = columns(version, stream == RENAMED);
    let label = columns.0[8].name.as_str();
    let rows: Vec<Value> = (frame * ROWS..(frame + 1) * ROWS)
        .map(|n| row(n, label))
        .collect();
    let mut decoder = ReaderBuilder::new(columns.body_schema())
        .build_decoder()
        .unwrap();
    decoder.serialize(&rows).unwrap();
    let batch = decoder.flush().unwrap().unwrap();
    let rows = u32::try_from(ROWS / 2).unwrap();
    let entry = |partition| DraftEntry {
        partition: PartitionId(partition),
        rows,
        stamp: None,
    };
    let entries = vec![entry(0), entry(1)];
    let draft = Draft::encode(stream, SchemaVersion(version), entries, batch).unwrap();
    let done = Box::new(|outcome: Result<_, _>| assert!(outcome.is_ok()));
    world.log.append(
        Append {
            frames: vec![draft],
        },
        done,
    );
}

/// Questions that both programs understand, with the answers that the rows have by their formula.
fn questions(label: &str) -> Vec<(String, Vec<Value>)> {
    let live = EXPIRED * ROWS..FRAMES * ROWS;
    let count = |keep: &dyn Fn(i64) -> bool| live.clone().filter(|n| keep(*n)).count();
    let rows = count(&|_| true);
    let sum: i64 = live.clone().sum();
    let first_noted = ADDED * ROWS;
    let price = |n: i64| {
        let thousandths = (n % 50 - 25).abs() * 1_000 + n % 1_000;
        if n % 50 < 25 {
            -thousandths
        } else {
            thousandths
        }
    };
    let prices: i64 = live.clone().filter(|n| n % 9 != 0).map(price).sum();
    vec![
        ("SELECT count(*), sum(n), min(n), max(n) FROM t".into(), vec![rows.into(), sum.into(), live.start.into(), (live.end - 1).into()]),
        ("SELECT count(DISTINCT n), count(DISTINCT id), count(note), count(price) FROM t".into(),
         vec![rows.into(), rows.into(), count(&|n| n >= first_noted).into(), count(&|n| n % 9 != 0).into()]),
        ("SELECT CAST(sum(price) * 1000 AS BIGINT) FROM t".into(), vec![prices.into()]),
        (format!("SELECT count(*) FROM t WHERE {label} = 'label 3 é'"), vec![count(&|n| n % 11 == 3).into()]),
        (format!("SELECT count(*) FROM t WHERE n >= 3000 AND {label} > 'label 5'"), vec![count(&|n| n >= 3_000 && (n % 11 >= 5 && n % 11 < 10)).into()]),
        ("SELECT count(*) FROM t WHERE flag AND small < 0".into(), vec![count(&|n| n % 2 == 0 && n % 1_000 < 500).into()]),
        ("SELECT count(*) FROM t WHERE born = DATE '1969-12-31' AND ratio >= 1000".into(), vec![count(&|n| n >= 4_000).into()]),
        ("SELECT count(*) FROM t WHERE \"at\" = TIMESTAMP WITH TIME ZONE '2026-11-20T06:00:07.000001Z'".into(), vec![count(&|n| n % 60 == 7).into()]),
        ("SELECT count(*) FROM t WHERE note = 'note 3'".into(), vec![count(&|n| n >= first_noted && n % 7 == 3).into()]),
        ("SELECT count(DISTINCT _seq), min(_partition), max(_partition), max(_offset) FROM t".into(),
         vec![(FRAMES - EXPIRED).into(), 0.into(), 1.into(), (FRAMES * ROWS / 2 - 1).into()]),
        ("SELECT CAST(max(_day) AS VARCHAR) FROM t".into(), vec!["2026-11-21".into()]),
        ("SELECT CAST(max(huge) AS VARCHAR) FROM t".into(), vec![format!("{}0000000000.5000000000", live.end - 1).into()]),
    ]
}

#[test]
fn tables_for_other_programs_are_written() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("delta");
    if RealDisk.stat(&folder).unwrap().is_some() {
        RealDisk.remove_dirs(&folder).unwrap();
    }
    let world = open_in(Arc::new(RealDisk), folder.clone(), START, config());
    let streams = [PLAIN, RENAMED];
    for frame in 0..FRAMES {
        let version = if frame < ADDED {
            1
        } else if frame < FRAMES - 10 {
            2
        } else {
            3
        };
        for stream in streams {
            // Nothing changes in a plain table after its column was added.
            let version = if stream == PLAIN {
                version.min(2)
            } else {
                version
            };
            world
                .history
                .set_table(table(stream, version, None))
                .unwrap();
            append(&world, stream, frame, version);
            world.history.flush(stream).unwrap();
        }
        world.history.work();
        world.clock.advance(Duration::from_secs(6));
        if frame + 1 == EXPIRED {
            world.clock.advance(DAY);
        }
    }
    for (stream, version) in [(PLAIN, 2), (RENAMED, 3)] {
        world
            .history
            .set_table(table(stream, version, Some(DAY / 8)))
            .unwrap();
    }
    world.clock.advance(Duration::from_secs(60));
    world.work();

    let mut tables = Vec::new();
    for (stream, label) in [(PLAIN, "label"), (RENAMED, "title")] {
        let pinned = world.history.pin(stream).unwrap();
        assert_eq!(
            pinned.rows(),
            u64::try_from((FRAMES - EXPIRED) * ROWS).unwrap()
        );
        assert!(pinned.files.len() < 40, "merged: {}", pinned.files.len());
        assert!(
            pinned.version > 110,
            "beyond a checkpoint: {}",
            pinned.version
        );
        let questions = questions(label).into_iter();
        let questions = questions.map(|(sql, answer)| json!({"sql": sql, "answer": answer}));
        tables.push(json!({
            "folder": pinned.folder,
            "version": pinned.version,
            "rows": pinned.rows(),
            "mapped": stream == RENAMED,
            "questions": questions.collect::<Vec<_>>(),
        }));
    }
    let text = serde_json::to_vec_pretty(&BTreeMap::from([("tables", tables)])).unwrap();
    write_durably(&RealDisk, &folder.join("questions.json"), &text).unwrap();
}
