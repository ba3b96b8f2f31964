//! History: every row once, in the columns that one machine writes.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    super::{HistoryQuery, QueryId, QuerySpec},
    bed::{Bed, TIME},
};
use crate::kafka::{fixture::readings, topic::Cleanup};

fn rows(from: i64) -> Vec<String> {
    let row = |n: i64| match n % 10 {
        0 => r#"{"device":"d","n":null,"_extra":{"fw":"1.2","n":[1,{"x":null}]}}"#.to_owned(),
        _ => format!(r#"{{"device":"d{}","n":{n}}}"#, n % 3),
    };
    (from..from + 100).map(row).collect()
}

/// Files below a folder whose names end so.
fn files(folder: &Path, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_in_history_once() {
    let Some(bed) = Bed::open("history").await else {
        return;
    };
    let topic = bed.topic("16-readings", Cleanup::Delete(None));
    let stream = readings(2);
    let spec = QuerySpec::history(&HistoryQuery {
        parts: bed.parts("history-16"),
        topic: topic.clone(),
        stream: &stream,
        folder: bed.path("history"),
        from: None,
    });
    for from in [0, 100] {
        bed.write(&topic, &rows(from));
        let id: QueryId = bed.spark.start(&spec).await.unwrap();
        bed.spark.drain(&id).await.unwrap();
        bed.spark.stop(&id).await.unwrap();
    }
    let path = bed.path("history/readings-16");
    let table = format!("delta.`{path}`");
    let count = bed.number(&format!("SELECT count(*) FROM {table}")).await;
    let distinct = format!("SELECT count(DISTINCT _partition, _offset) FROM {table}");
    assert_eq!((count, bed.number(&distinct).await), (200, 200));
    let sum = format!("SELECT sum(n) FROM {table} WHERE _extra IS NULL");
    let all: i64 = (0..200).filter(|n| n % 10 != 0).sum();
    assert_eq!(bed.number(&sum).await, all);
    let extra = format!("SELECT DISTINCT _extra FROM {table} WHERE _extra IS NOT NULL");
    assert_eq!(
        bed.texts(&extra).await,
        [r#"{"fw":"1.2","n":[1,{"x":null}]}"#]
    );
    // The time of arrival, to the millisecond; and its day, which files are found by.
    let today = format!(
        "SELECT count(*) FROM {table} WHERE CAST(timestamp_millis(shiftright(_seq, 16)) AS DATE) \
         = _day AND abs(unix_millis(now()) - shiftright(_seq, 16)) < 600000"
    );
    assert_eq!(bed.number(&today).await, 200);
    assert!(!files(Path::new(&path), ".zstd.parquet").is_empty());
    println!("history of {topic} was at {path}");
    bed.clear();
}

/// Its checkpoint is gone, and it begins behind what is written; days go, then everything.
#[tokio::test(flavor = "multi_thread")]
async fn history_outlives_its_checkpoint_and_goes_when_it_is_told_to() {
    let Some(bed) = Bed::open("keeping").await else {
        return;
    };
    let topic = bed.topic("16-readings", Cleanup::Delete(None));
    let stream = readings(2);
    let spec = |checkpoint: &str, from: Option<&BTreeMap<u16, Option<u64>>>| {
        let mut parts = bed.parts("history-16");
        parts.checkpoint = bed.path(checkpoint);
        let folder = bed.path("history");
        let stream = &stream;
        QuerySpec::history(&HistoryQuery {
            parts,
            topic: topic.clone(),
            stream,
            folder,
            from,
        })
    };
    let (first, again) = (bed.path("checkpoints/first"), bed.path("checkpoints/again"));
    assert!(!bed.spark.has_checkpoint(&first).await.unwrap());
    bed.write(&topic, &rows(0));
    let run = async |spec: &QuerySpec| {
        let id = bed.spark.start(spec).await.unwrap();
        bed.spark.drain(&id).await.unwrap();
        bed.spark.stop(&id).await.unwrap();
    };
    run(&spec("checkpoints/first", None)).await;
    assert!(bed.spark.has_checkpoint(&first).await.unwrap());
    bed.spark.empty(&first, TIME).await.unwrap();
    assert!(!bed.spark.has_checkpoint(&first).await.unwrap());

    let path = bed.path("history/readings-16");
    let written = bed.spark.written(&path, TIME).await.unwrap();
    assert_eq!(written.len(), 2, "{written:?}");
    let from = written.iter().map(|(part, next)| (*part, Some(*next)));
    let from: BTreeMap<_, _> = from.collect();
    bed.write(&topic, &rows(100));
    run(&spec("checkpoints/again", Some(&from))).await;
    let table = format!("delta.`{path}`");
    let count = format!("SELECT count(*) FROM {table}");
    let distinct = format!("SELECT count(DISTINCT _partition, _offset) FROM {table}");
    assert_eq!(
        (bed.number(&count).await, bed.number(&distinct).await),
        (200, 200)
    );

    bed.spark.expire(&path, "2026-01-01", TIME).await.unwrap();
    assert_eq!(bed.number(&count).await, 200, "they came later");
    bed.spark.expire(&path, "2999-01-01", TIME).await.unwrap();
    assert_eq!(bed.number(&count).await, 0);
    let is_there = !files(Path::new(&path), ".zstd.parquet").is_empty();
    assert!(is_there, "whoever reads them now reads on");
    for folder in [&path, &again, &bed.path("never-there")] {
        bed.spark.empty(folder, TIME).await.unwrap();
    }
    let left = files(Path::new(&path), "");
    let left = left.iter().filter(|file| !file.ends_with(".crc"));
    let sizes = left.map(|file| fs::metadata(file).unwrap().len());
    assert_eq!(sizes.sum::<u64>(), 0, "only an empty file is left");
    assert_eq!(files(Path::new(&path), ".parquet"), Vec::<String>::new());
    assert!(!bed.spark.has_checkpoint(&again).await.unwrap());
    bed.clear();
}
