//! What Spark is asked for rows of streams, tables and views.

use std::collections::BTreeMap;

use mainstem_catalog::SchemaEntry;
use mainstem_kernel::{Code, ColumnName, ColumnType, Fault, SchemaVersion, StreamId, Timestamp};

use super::{
    keyed::Keyed,
    quoted,
    stream::{Span, StreamRows, topic_view},
    verify::Comparison,
};
use crate::{
    cassandra::{RowTable, fixture::spec},
    kafka::fixture::readings,
};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn no_row_of_a_stream_is_read_twice_and_none_is_left_out() {
    let def = readings(2);
    let span: Span = BTreeMap::from([(0, (40, 42)), (1, (0, 9))]);
    let rows = StreamRows {
        def: &def,
        history: Some((
            "/h/readings-16".to_owned(),
            names(&["device", "n", "_offset"]),
        )),
        topic: Some("tail".to_owned()),
        span: span.clone(),
    };
    let sql = rows.select(&names(&["n", "_offset"])).unwrap();
    let (below, above) = sql.split_once(" UNION ALL ").unwrap();
    assert_eq!(
        below,
        "SELECT `n`, `_offset` FROM delta.`/h/readings-16` WHERE (_partition = 0 AND _offset < 40L)"
    );
    assert!(
        above.starts_with("SELECT `n`, `_offset` FROM (SELECT `row`.`n` AS `n`, "),
        "{above}"
    );
    let view = topic_view("tail", ("t", &names(&["a:1", "b:2"])), &span).unwrap();
    assert!(view.contains(r#"`assign` '{"t":[0,1]}'"#), "{view}");
    assert!(
        view.contains(r#"`startingOffsets` '{"t":{"0":40,"1":0}}'"#),
        "{view}"
    );
    assert!(
        view.contains(r#"`endingOffsets` '{"t":{"0":42,"1":9}}'"#),
        "{view}"
    );
    assert!(
        view.contains("`kafka.isolation.level` 'read_committed'"),
        "{view}"
    );
    assert!(view.contains("`failOnDataLoss` 'true'"), "{view}");
}

#[test]
fn of_partitions_without_new_rows_nothing_is_asked() {
    let span: Span = BTreeMap::from([(0, (7, 7)), (1, (3, 5))]);
    let view = topic_view("tail", ("t", &names(&["a:1"])), &span).unwrap();
    assert!(view.contains(r#"`assign` '{"t":[1]}'"#), "{view}");
    assert_eq!(
        topic_view("tail", ("t", &[]), &BTreeMap::from([(0, (7, 7))])),
        None
    );
    let def = readings(1);
    let rows = StreamRows {
        def: &def,
        history: None,
        topic: None,
        span: Span::new(),
    };
    let sql = rows.select(&names(&["n"])).unwrap();
    assert_eq!(sql, "SELECT CAST(NULL AS BIGINT) AS `n` WHERE false");
}

#[test]
fn of_records_that_are_only_counted_the_value_is_not_read() {
    let def = readings(1);
    let rows = StreamRows {
        def: &def,
        history: None,
        topic: Some("tail".to_owned()),
        span: BTreeMap::from([(0, (0, 9))]),
    };
    let sql = rows.select(&[]).unwrap();
    assert!(
        sql.starts_with("SELECT 1 AS _nothing FROM (SELECT "),
        "{sql}"
    );
    assert!(!sql.contains("from_json"), "{sql}");
    let sql = rows.select(&names(&["_offset"])).unwrap();
    assert!(sql.starts_with("SELECT `_offset` FROM (SELECT "), "{sql}");
}

#[test]
fn a_column_that_was_renamed_has_its_older_rows() {
    let mut def = readings(1);
    let mut columns = def.spec.columns.clone();
    columns.0[1].name = ColumnName::new("count").unwrap();
    def.spec.columns = columns.clone();
    def.schemas.push(SchemaEntry {
        version: SchemaVersion(2),
        columns,
    });
    let rows = |there: &[&str]| {
        let rows = StreamRows {
            def: &def,
            history: Some(("/h".to_owned(), names(there))),
            topic: None,
            span: BTreeMap::from([(0, (1, 1))]),
        };
        rows.select(&names(&["count"])).unwrap()
    };
    assert!(rows(&["device", "n"]).starts_with("SELECT `n` AS `count` FROM delta"));
    assert!(rows(&["n", "count"]).starts_with("SELECT coalesce(`count`, `n`) AS `count` FROM"));
    assert!(rows(&["device"]).starts_with("SELECT CAST(NULL AS BIGINT) AS `count` FROM"));
}

#[test]
fn windows_that_are_open_are_not_shown() {
    let columns = [
        ("device", ColumnType::Text, false),
        ("window_end", ColumnType::TimestampTz, false),
        ("at", ColumnType::TimestampTz, true),
        (
            "total",
            ColumnType::Numeric {
                precision: 12,
                scale: 3,
            },
            true,
        ),
    ];
    let spec = spec(
        StreamId(17),
        &columns,
        (&["device", "window_end"], &["window_end"]),
    );
    let table = RowTable::of(&spec, "shop").unwrap();
    let select = |closed| {
        let keyed = Keyed {
            table: &table,
            spec: &spec,
            closed,
        };
        keyed
            .select(&names(&["window_end", "at", "total"]))
            .unwrap()
    };
    let all = "SELECT `window_end`, timestamp_micros(`at`) AS `at`, \
               CAST(`total` AS DECIMAL(12,3)) AS `total` \
               FROM cassandra.`shop`.`minute_by_device_17`";
    assert_eq!(select(None), all);
    let closed = Some(("window_end", Some(Timestamp(5))));
    assert_eq!(
        select(closed),
        format!("{all} WHERE `window_end` <= timestamp_micros(5L)")
    );
    assert_eq!(
        select(Some(("window_end", None))),
        format!("{all} WHERE false")
    );
}

#[test]
fn numbers_that_spark_does_not_read_whole_are_refused() {
    let wide = ColumnType::Numeric {
        precision: 38,
        scale: 20,
    };
    let spec = spec(
        StreamId(17),
        &[("device", ColumnType::Text, false), ("n", wide, true)],
        (&["device"], &[]),
    );
    let table = RowTable::of(&spec, "shop").unwrap();
    let keyed = Keyed {
        table: &table,
        spec: &spec,
        closed: None,
    };
    let error = keyed.select(&names(&["n"])).unwrap_err();
    assert_eq!(error.answer().code, Code::Clus100);
    let error = keyed.select(&names(&["_seq"])).unwrap_err();
    assert_eq!(error.answer().code, Code::Clus101);
}

#[test]
fn a_row_of_newer_input_is_no_difference() {
    let spec = spec(
        StreamId(17),
        &[
            ("device", ColumnType::Text, false),
            ("n", ColumnType::BigInt, true),
        ],
        (&["device"], &[]),
    );
    let comparison = Comparison {
        columns: &spec.columns.0,
        key: spec.columns.0.iter().take(1).collect(),
        view: "SELECT 1".to_owned(),
        batch: "SELECT 2",
        has_live: true,
        input: "SELECT 3".to_owned(),
        closed: Some(("device".to_owned(), Timestamp(5))),
    };
    let sql = comparison.sql();
    assert!(
        sql.contains("WHEN v.`_version` > b.`_version` THEN filter("),
        "{sql}"
    );
    assert!(
        sql.contains("b AS (SELECT * FROM (SELECT 2) WHERE `_live` AND `device` <="),
        "{sql}"
    );
    assert!(
        sql.contains("v FULL JOIN b ON v.`device` = b.`device`"),
        "{sql}"
    );
    assert_eq!(quoted("a`b"), "`a``b`");
}
