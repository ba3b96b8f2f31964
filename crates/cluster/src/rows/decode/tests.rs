use arrow::{array::AsArray, datatypes::TimestampMicrosecondType};
use mainstem_catalog::Object;
use mainstem_kernel::TenantId;

use super::*;
use crate::rows::fixture::declared;

const DECLARED: &str = "
CREATE STREAM readings (
  device TEXT, at TIMESTAMPTZ NOT NULL, celsius DOUBLE PRECISION, tag JSON,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE owners (device TEXT PRIMARY KEY, name TEXT NOT NULL, more JSON);
CREATE MATERIALIZED VIEW hottest AS
  SELECT window_start, coalesce(device, '') AS device, max(celsius) AS celsius, max(tag) AS tag
  FROM TUMBLE(readings, at, INTERVAL '1 minute')
  GROUP BY window_start, window_end, coalesce(device, '') HAVING max(celsius) > 80
  EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';
CREATE MATERIALIZED VIEW closed AS
  SELECT window_start, count(*) AS n FROM TUMBLE(readings, at, INTERVAL '1 minute')
  GROUP BY window_start, window_end, device EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW hot AS SELECT device, celsius FROM readings WHERE celsius > 80;
";

fn relation(name: &str) -> Arc<Relation> {
    let defs = declared(DECLARED);
    match defs.object(TenantId::ONLY, name).unwrap() {
        Object::Table(def) => Relation::of_table(def),
        Object::View(def) => Relation::of_view(def, &defs).unwrap(),
        Object::Stream(def) => panic!("{} is a stream", def.spec.name),
    }
}

/// Records of key and value, at offsets from 10.
fn decoded(relation: &Relation, records: &[(Option<&str>, Option<&str>)]) -> Decoded {
    let changes: Vec<_> = (10..)
        .zip(records)
        .map(|(offset, (key, value))| Change {
            offset,
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
        })
        .collect();
    decode(relation, &changes).unwrap()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn a_row_of_a_table_is_as_new_as_its_record() {
    let owners = relation("owners");
    let records = [
        (
            Some(r#"{"device":"a"}"#),
            Some(r#"{"device":"a","name":"Ann","more":{"x":1}}"#),
        ),
        (
            Some(r#"{"device":"b"}"#),
            Some(r#"{"device":"b","name":"Bo","more":null}"#),
        ),
        (Some(r#"{"device":"a"}"#), None),
        (Some(r#"{"device":7}"#), None),
        (Some(r#"{"device":"b"}"#), Some("Bo")),
    ];
    let decoded = decoded(&owners, &records);
    let [part] = decoded.parts.as_slice() else {
        panic!("{decoded:?}");
    };
    assert_eq!(
        texts(&part.rows.rows, "device"),
        [Some("b".into()), Some("a".into())]
    );
    assert_eq!(texts(&part.rows.rows, "name"), [Some("Bo".into()), None]);
    assert_eq!(
        (&part.rows.versions, &part.records),
        (&vec![12, 13], &vec![1, 2])
    );
    assert_eq!(part.rows.live.iter().collect::<Vec<_>>(), [true, false]);
    assert_eq!(part.rows.generation, 1);
    let refused: Vec<_> = decoded.refused.iter().map(|(number, _)| *number).collect();
    assert_eq!(refused, [3, 4]);
}

#[test]
fn the_newest_row_of_a_key_wins_wherever_it_stands() {
    let view = relation("hottest");
    assert_eq!(view.table.window.len(), 2, "{:?}", view.table);
    let row = |device: &str, celsius: f64, hidden: &str| {
        format!(
            r#"{{"window_start":"2026-01-01T00:00:00.000000Z","device":"{device}",
                "celsius":{celsius},"tag":"{{\"t\": [1]}}",
                "_key1":"2026-01-01T00:01:00.000000Z",{hidden}}}"#
        )
    };
    let rows = [
        row("a", 81.5, r#""_version":3,"_live":true"#),
        row("a", 81.0, r#""_version":2,"_live":true"#),
        row("b", 85.0, r#""_version":1,"_live":true"#),
        row("b", 0.0, r#""_version":4,"_live":false"#),
        row("c", 99.0, r#""_version":1,"_live":true,"_generation":2"#),
        row("c", 98.0, r#""_version":9,"_live":true,"_generation":1"#),
    ];
    let keys = ["a", "a", "b", "b", "c", "c"];
    let records: Vec<_> = keys
        .iter()
        .zip(&rows)
        .map(|(key, row)| (Some(*key), Some(row.as_str())))
        .collect();
    let decoded = decoded(&view, &records);
    assert_eq!(decoded.refused, []);
    let told: Vec<_> = decoded
        .parts
        .iter()
        .map(|part| {
            (
                part.rows.generation,
                part.records.clone(),
                part.rows.versions.clone(),
            )
        })
        .collect();
    assert_eq!(told, [(1, vec![0, 3], vec![3, 4]), (2, vec![4], vec![1])]);
    let rows = &decoded.parts[0].rows;
    assert_eq!(rows.live.iter().collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        texts(&rows.rows, "tag")[0].as_deref(),
        Some(r#"{"t": [1]}"#)
    );
    let starts = rows.rows.column_by_name("window_start").unwrap();
    let starts = starts.as_primitive::<TimestampMicrosecondType>();
    assert_eq!(starts.value(0), 1_767_225_600_000_000);
    // Hidden columns of the record that are not the view's are not in its table.
    assert!(rows.rows.column_by_name(VERSION_COLUMN).is_none());
}

#[test]
fn rows_of_a_stream_are_told_apart_by_whatever_does() {
    let closed = relation("closed");
    let record = r#"{"window_start":"2026-01-01T00:00:00.000000Z","n":2,"_version":2,
        "_key1":"2026-01-01T00:00:00.000000Z","_key2":"2026-01-01T00:01:00.000000Z","_key3":null}"#;
    let rows = decoded(&closed, &[(None, Some(record)), (None, Some(record))]);
    let rows = &rows.parts[0].rows;
    let key = r#"["2026-01-01T00:00:00.000000Z","2026-01-01T00:01:00.000000Z",null]"#;
    assert_eq!(
        texts(&rows.rows, "_key"),
        [Some(key.to_owned()), Some(key.to_owned())]
    );
    assert_eq!(rows.versions, [2, 2]);

    let hot = relation("hot");
    let record = r#"{"device":null,"celsius":"NaN","_source_partition":3,"_source_offset":70}"#;
    let rows = decoded(&hot, &[(None, Some(record))]);
    let rows = &rows.parts[0].rows;
    assert_eq!(texts(&rows.rows, "_key"), [Some("[3,70]".to_owned())]);
    assert_eq!(rows.versions, [1]);
}
