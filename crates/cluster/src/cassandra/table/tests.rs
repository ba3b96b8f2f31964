use super::{super::fixture, *};

fn spec(columns: &[(&str, ColumnType, bool)], key: &[&str], window: &[&str]) -> TableSpec {
    fixture::spec(StreamId(17), columns, (key, window))
}

fn minutes() -> TableSpec {
    spec(
        &[
            ("window_start", ColumnType::TimestampTz, false),
            ("window_end", ColumnType::TimestampTz, false),
            ("device", ColumnType::Text, false),
            ("n", ColumnType::BigInt, false),
            ("last", ColumnType::TimestampTz, true),
        ],
        &["window_start", "window_end", "device"],
        &["window_start", "window_end"],
    )
}

#[test]
fn windows_order_the_rows_of_a_partition_and_the_newest_comes_first() {
    let table = RowTable::of(&minutes(), "mainstem").unwrap();
    assert_eq!(table.name(), "minute_by_device_17");
    assert_eq!(
        table.create(),
        "CREATE TABLE IF NOT EXISTS \"mainstem\".\"minute_by_device_17\" (\
         \"window_start\" timestamp, \"window_end\" timestamp, \"device\" text, \"n\" bigint, \
         \"last\" bigint, \"_version\" bigint, \
         PRIMARY KEY ((\"device\"), \"window_start\", \"window_end\")) \
         WITH CLUSTERING ORDER BY (\"window_start\" DESC, \"window_end\" DESC)"
    );
    assert_eq!(
        table.delete(),
        "DELETE FROM \"mainstem\".\"minute_by_device_17\" USING TIMESTAMP ? \
         WHERE \"window_start\" = ? AND \"window_end\" = ? AND \"device\" = ?"
    );
    assert!(
        table
            .insert()
            .ends_with("VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?")
    );
}

#[test]
fn a_view_without_other_keys_has_a_partition_per_window_or_one_row() {
    let n = ("n", ColumnType::BigInt, false);
    let window = [
        ("window_start", ColumnType::TimestampTz, false),
        ("window_end", ColumnType::TimestampTz, false),
        n.clone(),
    ];
    let bounds = ["window_start", "window_end"];
    let hours = RowTable::of(&spec(&window, &bounds, &bounds), "k").unwrap();
    let key = "PRIMARY KEY ((\"window_start\", \"window_end\")))";
    assert!(hours.create().ends_with(key), "{}", hours.create());
    let total = RowTable::of(&spec(&[n], &[], &[]), "k").unwrap();
    let columns =
        "(\"n\" bigint, \"_key\" smallint, \"_version\" bigint, PRIMARY KEY ((\"_key\")))";
    assert!(total.create().ends_with(columns), "{}", total.create());
    assert!(total.select().ends_with("WHERE \"_key\" = ?"));
}

#[test]
fn long_names_are_cut_and_stay_apart() {
    let long = TableSpec {
        name: StreamName::new(&"n".repeat(63)).unwrap(),
        ..minutes()
    };
    let other = TableSpec {
        id: StreamId(123_456),
        ..long.clone()
    };
    for spec in [long, other] {
        let table = RowTable::of(&spec, "k").unwrap();
        assert_eq!(table.name().len(), NAME_MAX);
        assert!(table.name().ends_with(&format!("_{}", spec.id.0)));
    }
}

#[test]
fn keys_that_cassandra_does_not_have_are_refused_by_name() {
    let n = ("n", ColumnType::BigInt, false);
    let nullable = spec(
        &[("device", ColumnType::Text, true), n.clone()],
        &["device"],
        &[],
    );
    let float = spec(&[("mean", ColumnType::Double, false), n], &["mean"], &[]);
    for (spec, expected) in [
        (
            nullable,
            "column \"device\" of view \"minute_by_device\" cannot be part of a key in Cassandra: it may be NULL",
        ),
        (
            float,
            "column \"mean\" of view \"minute_by_device\" cannot be part of a key in Cassandra: its type has no order that all engines agree on",
        ),
    ] {
        assert_eq!(RowTable::of(&spec, "k").unwrap_err().to_string(), expected);
    }
}
