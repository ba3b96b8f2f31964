use mainstem_catalog::{SchemaEntry, StreamDef};
use mainstem_kernel::{PartitionId, TenantId, Timestamp};

use super::*;
use crate::{kafka::fixture::readings, rows::fixture::declared};

const ID: StreamId = StreamId(16);

fn row(partition: u16, offset: u64, (key, value): (&str, &str)) -> Row {
    Row {
        partition: PartitionId(partition),
        offset: Offset(offset),
        at: Timestamp(0),
        key: Some(key.as_bytes().to_vec()),
        value: value.as_bytes().to_vec(),
        schema: SchemaVersion(1),
        sender: None,
    }
}

fn lines(form: &Form, rows: &[Row]) -> String {
    let told = form.told(ID, rows, &mut Offsets::default()).unwrap();
    let line = |told: &Told| {
        let data = String::from_utf8(told.data.clone()).unwrap();
        let place = told.place.as_ref().map(ToString::to_string);
        format!("{} {data}\n", place.unwrap_or_default())
    };
    told.iter().map(line).collect()
}

/// `readings` whose column `n` is called `number` by now, beside a new one.
fn evolved() -> StreamDef {
    let mut stream = readings(2);
    let column = &mut stream.spec.columns.0[1];
    column.name = ColumnName::new("number").unwrap();
    let mut added = column.clone();
    (added.id, added.name) = (3, ColumnName::new("added").unwrap());
    stream.spec.columns.0.push(added);
    stream.schemas.push(SchemaEntry {
        version: SchemaVersion(2),
        columns: stream.spec.columns.clone(),
    });
    stream
}

#[test]
fn each_row_of_a_stream_has_its_place_and_the_names_of_today() {
    let form = Form::Rows(Spelled::of(&evolved()));
    let old = r#"{"device":"a\"b","n":1.50,"_extra":{"x":1}}"#;
    let mut new = row(1, 7, ("b", r#"{"device":"b","number":2,"added":3}"#));
    new.schema = SchemaVersion(2);
    expect_test::expect![[r#"
        p2-16.0:4 {"device":"a\"b","number":1.50,"added":null,"_extra":{"x":1}}
        p2-16.0:4.1:8 {"device":"b","number":2,"added":3}
        p2-16.0:5.1:8 no JSON
    "#]]
    .assert_eq(&lines(
        &form,
        &[row(0, 3, ("a", old)), new, row(0, 4, ("c", "no JSON"))],
    ));
}

#[test]
fn of_each_key_of_a_table_the_newest_row_is_told_or_that_it_is_gone() {
    let defs = declared("CREATE TABLE t (id TEXT PRIMARY KEY, price NUMERIC(8,2), doc JSON);");
    let table = defs.table(TenantId::ONLY, "t").unwrap();
    let form = Form::of(&Object::Table(table), &defs).unwrap();
    let rows = [
        row(
            0,
            0,
            (r#"{"id":"a"}"#, r#"{"id":"a","price":1.5,"doc":{"k":1}}"#),
        ),
        row(
            1,
            4,
            (r#"{"id":"b"}"#, r#"{"id":"b","price":2,"doc":null}"#),
        ),
        row(0, 1, (r#"{"id":"a"}"#, r#"{"id":"a","price":3,"doc":[1]}"#)),
        row(1, 5, (r#"{"id":"b"}"#, "")),
    ];
    let told = lines(&form, &rows);
    let told: Vec<&str> = told.lines().collect();
    let [there, gone] = told[..] else {
        panic!("{told:?}");
    };
    assert!(
        there.starts_with(r#" {"op":"upsert","key":{"id":"a"},"after":{"id":"a","price":"3.00""#),
        "{there}"
    );
    assert!(there.ends_with(r#""doc":[1]}}"#), "{there}");
    assert_eq!(gone, r#"p2-16.0:2.1:6 {"op":"delete","key":{"id":"b"}}"#);
}

#[test]
fn what_no_row_may_be_told_of_yet_is_refused_and_a_view_shows_what_it_selects() {
    let form = |query: &str| {
        let defs = declared(&format!(
            "CREATE STREAM r (k TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, n BIGINT, \
             WATERMARK FOR at AS at);
             CREATE MATERIALIZED VIEW v AS {query};"
        ));
        let view = defs.views.values().next().unwrap();
        Form::of(&Object::View(view), &defs)
    };
    let refused = form(
        "SELECT window_start, k, sum(n) AS n FROM TUMBLE(r, at, INTERVAL '1 minute') \
         GROUP BY window_start, window_end, k \
         EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour'",
    );
    assert!(
        matches!(refused, Err(FeedError::OpenWindows { .. })),
        "{refused:?}"
    );
    assert!(form("SELECT k, sum(n) AS n FROM r GROUP BY k EMIT ON UPDATE").is_ok());
}
