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
        table.create().replace(&table.id(), "IDENTITY"),
        "CREATE TABLE IF NOT EXISTS \"mainstem\".\"minute_by_device_17\" (\
         \"window_start\" timestamp, \"window_end\" timestamp, \"device\" text, \"n\" bigint, \
         \"last\" bigint, \"_version\" bigint, \
         PRIMARY KEY ((\"device\"), \"window_start\", \"window_end\")) \
         WITH ID = IDENTITY AND CLUSTERING ORDER BY (\"window_start\" DESC, \"window_end\" DESC)"
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
    let key = "PRIMARY KEY ((\"window_start\", \"window_end\"))) WITH ID = ";
    assert!(hours.create().contains(key), "{}", hours.create());
    let total = RowTable::of(&spec(&[n], &[], &[]), "k").unwrap();
    let columns =
        "(\"n\" bigint, \"_key\" smallint, \"_version\" bigint, PRIMARY KEY ((\"_key\")))";
    assert!(total.create().contains(columns), "{}", total.create());
    assert!(total.select().ends_with("WHERE \"_key\" = ?"));
}

#[test]
fn whoever_makes_a_table_makes_the_same_one() {
    let id = |keyspace: &str| RowTable::of(&minutes(), keyspace).unwrap().id();
    assert_eq!(id("mainstem"), id("mainstem"));
    assert_ne!(id("mainstem"), id("other"));
    let parts: Vec<usize> = id("mainstem").split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
}

#[test]
fn columns_may_be_added_but_not_to_the_key() {
    let table = RowTable::of(&minutes(), "k").unwrap();
    let added = "ALTER TABLE \"k\".\"minute_by_device_17\" ADD IF NOT EXISTS \"n\" bigint";
    assert_eq!(table.add("n").as_deref(), Some(added));
    assert_eq!((table.add("device"), table.add("x")), (None, None));
}

#[test]
fn only_what_begins_the_primary_key_is_found_without_going_through_all() {
    let table = RowTable::of(&minutes(), "k").unwrap();
    let is_found = |given: &[&str]| {
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        !table.slice(&given).ends_with("ALLOW FILTERING")
    };
    assert!(is_found(&[]) && is_found(&["device"]));
    assert!(is_found(&["window_start", "device"]));
    assert!(is_found(&["window_start", "window_end", "device"]));
    assert!(!is_found(&["window_start"]));
    assert!(!is_found(&["window_end", "device"]));
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

#[test]
fn the_id_behind_the_last_underscore_tells_whose_table_it_is() {
    let is = |name: &str| RowTable::is_of(name, StreamId(17));
    assert!(is("minute_by_device_17") && is("a_18_17"));
    assert!(!is("a_117") && !is("a_17_18") && !is("17") && !is("a_017"));
}
