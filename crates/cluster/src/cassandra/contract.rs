//! The promises of `Rows`, tried on real nodes.
//!
//! The nodes are those of `MAINSTEM_CASSANDRA` (`host:port,…`; `cargo xtask cluster test` starts
//! some). With three of them every row has three copies. Without the variable each promise says that
//! it was skipped. Every test has a table of its own, which it drops.

#![cfg(feature = "engines")]

mod bed;
mod types;

use std::{collections::BTreeMap, time::Duration};

use arrow::{array::Array as _, buffer::BooleanBuffer};
use mainstem_kernel::{ColumnType, Fault as _, StreamId};

use super::{CassandraConfig, CassandraError, RowTable, Rows, TableSpec, VersionedRows};
use bed::{KEYSPACE, Random, batch, counted, counts, made, nodes, there};
use types::{of_every_type, values};

#[tokio::test]
async fn no_older_row_ever_lies_over_a_newer_one() {
    let Some(rows) = nodes("no_older_row_ever_lies_over_a_newer_one").await else {
        return;
    };
    let spec = counts();
    let target = made(&rows, &spec).await;
    let mut random = Random(7);
    let keys: Vec<String> = (0..40).map(|key| format!("key {key}")).collect();
    let (mut writes, mut last) = (Vec::new(), BTreeMap::new());
    for key in &keys {
        for version in 1..=1 + u64::try_from(random.below(9)).unwrap() {
            let n = i64::try_from(random.below(1_000)).unwrap();
            let is_live = random.below(4) > 0;
            // Whoever replays writes it again, and those that are late write what is old.
            for _ in 0..1 + random.below(3) {
                writes.push((key.clone(), n, version, is_live));
            }
            match is_live {
                true => last.insert(key.clone(), (n, version)),
                false => last.remove(key),
            };
        }
    }
    random.shuffle(&mut writes);
    let parts = writes.chunks(writes.len() / 3 + 1);
    let parts: Vec<_> = parts.map(|part| counted(&spec, part, 1)).collect();
    let (one, two, three) = tokio::join!(
        rows.write(&target, &parts[0]),
        rows.write(&target, &parts[1]),
        rows.write(&target, &parts[2]),
    );
    for misfits in [one, two, three] {
        assert_eq!(misfits.unwrap(), []);
    }
    assert_eq!(there(&rows, &target, &keys).await, last);

    // Computed again from the first row: versions begin anew, and count more than all before.
    let anew: Vec<_> = keys.iter().map(|key| (key.clone(), 1, 1, true)).collect();
    rows.write(&target, &counted(&spec, &anew, 2))
        .await
        .unwrap();
    rows.write(&target, &parts[0]).await.unwrap();
    let expected = keys.iter().map(|key| (key.clone(), (1, 1)));
    assert_eq!(there(&rows, &target, &keys).await, expected.collect());
    rows.forget(target.table.object()).await.unwrap();
}

#[tokio::test]
async fn every_type_comes_back_as_it_was_written() {
    let Some(rows) = nodes("every_type_comes_back_as_it_was_written").await else {
        return;
    };
    let spec = of_every_type();
    let written = batch(&spec, values());
    let target = made(&rows, &spec).await;
    let versioned = VersionedRows {
        rows: written.clone(),
        versions: vec![1, 2, 3],
        live: BooleanBuffer::new_set(3),
        generation: 1,
    };
    assert_eq!(rows.write(&target, &versioned).await.unwrap(), []);
    let found = rows.read(&target, &written).await.unwrap();
    assert_eq!((found.keys, found.versions), (vec![0, 1, 2], vec![1, 2, 3]));
    for (column, field) in written.columns().iter().zip(written.schema().fields()) {
        let read = found.rows.column_by_name(field.name()).unwrap();
        assert_eq!(read, column, "{}", field.name());
    }
    rows.forget(target.table.object()).await.unwrap();
}

/// What `tests/python/cql_drivers.py` reads with the driver that others wrote.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "another program reads what it leaves"
)]
async fn rows_for_other_drivers_are_left() {
    let Some(rows) = nodes("rows_for_other_drivers_are_left").await else {
        return;
    };
    // The same table each time: nothing piles up.
    let spec = TableSpec {
        id: StreamId(1),
        ..of_every_type()
    };
    let written = batch(&spec, values());
    let target = made(&rows, &spec).await;
    let versioned = VersionedRows {
        rows: written.clone(),
        versions: vec![1; 3],
        live: BooleanBuffer::new_set(3),
        generation: 1,
    };
    assert_eq!(rows.write(&target, &versioned).await.unwrap(), []);
    let columns = spec.columns.0.iter().map(|column| {
        serde_json::json!({
            "name": column.name.as_str(),
            "type": column.ty.to_string(),
            "key": spec.key.contains(&column.name),
            "bound": spec.window.contains(&column.name),
        })
    });
    let mut left = Vec::new();
    let each = |_, row: &[u8]| left.push(serde_json::from_slice(row).unwrap());
    mainstem_sql::objects(&written, each).unwrap();
    let left = serde_json::json!({
        "node": rows.config.nodes.first(),
        "keyspace": KEYSPACE,
        "table": target.table.name(),
        "columns": columns.collect::<Vec<_>>(),
        "rows": serde_json::Value::Array(left),
    });
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp/cassandra");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(format!("{folder}/rows.json"), left.to_string()).unwrap();
}

#[tokio::test]
async fn a_row_that_cassandra_cannot_hold_stops_no_other() {
    let Some(rows) = nodes("a_row_that_cassandra_cannot_hold_stops_no_other").await else {
        return;
    };
    let spec = counts();
    let target = made(&rows, &spec).await;
    let key = |text: &str| (text.to_owned(), 1, 1, true);
    let all = [
        key("first"),
        key(""),
        key(&"k".repeat(0x1_0000)),
        key("last"),
    ];
    let misfits = rows.write(&target, &counted(&spec, &all, 1)).await.unwrap();
    let reasons: Vec<_> = misfits
        .iter()
        .map(|one| (one.row, one.reason.as_str()))
        .collect();
    let expected = [
        (1, "the key is empty"),
        (2, "the key has 65539 bytes, the limit is 65535"),
    ];
    assert_eq!(reasons, expected);
    let names = ["first", "last"].map(str::to_owned);
    assert_eq!(there(&rows, &target, &names).await.len(), 2);
    rows.forget(target.table.object()).await.unwrap();
}

/// A view is computed again from its first row: half of its keys come again, at smaller versions.
#[tokio::test]
async fn rows_that_a_new_generation_does_not_have_are_swept_and_its_own_stay() {
    let Some(rows) = nodes("rows_that_a_new_generation_does_not_have_are_swept").await else {
        return;
    };
    let spec = counts();
    let target = made(&rows, &spec).await;
    let keys: Vec<String> = (0..2_500).map(|n| format!("k{n}")).collect();
    let at = |keys: &[String], n: i64, version: u64| {
        let rows = keys.iter().map(|key| (key.clone(), n, version, true));
        rows.collect::<Vec<_>>()
    };
    let first = counted(&spec, &at(&keys, 9, 1_000), 1);
    rows.write(&target, &first).await.unwrap();
    let again = counted(&spec, &at(&keys[..1_250], 1, 1), 2);
    rows.write(&target, &again).await.unwrap();
    assert_eq!(
        there(&rows, &target, &keys).await.len(),
        2_500,
        "all are shown until then"
    );
    assert_eq!(rows.sweep(&target, 2).await.unwrap(), 1_250);
    let expected: BTreeMap<_, _> = keys[..1_250]
        .iter()
        .map(|key| (key.clone(), (1, 1)))
        .collect();
    assert_eq!(there(&rows, &target, &keys).await, expected);
    // Somebody who was held up writes rows of before: they stay away.
    rows.write(&target, &first).await.unwrap();
    assert_eq!(there(&rows, &target, &keys).await, expected);
    assert_eq!(rows.sweep(&target, 2).await.unwrap(), 0);
    // A key that went comes back.
    let back = counted(&spec, &at(&keys[1_250..1_251], 2, 1), 2);
    rows.write(&target, &back).await.unwrap();
    assert_eq!(there(&rows, &target, &keys).await.len(), 1_251);
    rows.forget(target.table.object()).await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_renamed_keeps_its_table_and_the_name_of_that() {
    let Some(rows) = nodes("an_object_that_is_renamed_keeps_its_table").await else {
        return;
    };
    let spec = counts();
    let target = made(&rows, &spec).await;
    let row = [("k".to_owned(), 7, 1, true)];
    rows.write(&target, &counted(&spec, &row, 1)).await.unwrap();
    let mut renamed = spec.clone();
    renamed.name = mainstem_kernel::StreamName::new("readings_by_minute").unwrap();
    let after = made(&rows, &renamed).await;
    assert_eq!(after.table.name(), target.table.name());
    let found = there(&rows, &after, &["k".to_owned()]).await;
    assert_eq!(found["k"], (7, 1));
    // One whose name only looks like it is another's.
    let mut other = counts();
    other.name = mainstem_kernel::StreamName::new(&format!("a_{}", spec.id.0)).unwrap();
    let other = made(&rows, &other).await;
    assert_ne!(other.table.name(), target.table.name());
    rows.forget(other.table.object()).await.unwrap();
    assert_eq!(there(&rows, &after, &["k".to_owned()]).await.len(), 1);
    rows.forget(target.table.object()).await.unwrap();
}

#[tokio::test]
async fn a_table_that_somebody_changed_is_named() {
    let Some(rows) = nodes("a_table_that_somebody_changed_is_named").await else {
        return;
    };
    let first = counts();
    let target = made(&rows, &first).await;
    let mut other = first.clone();
    other.columns.0[1].ty = ColumnType::Double;
    let refused = rows.create(RowTable::of(&other, KEYSPACE).unwrap()).await;
    let error = refused.unwrap_err();
    let words = format!(
        "column \"n\" of table \"{}\" is bigint, its view needs double",
        target.table.name()
    );
    assert_eq!(
        (error.answer().code.as_str(), error.to_string()),
        ("CLUS-023", words)
    );
    rows.forget(target.table.object()).await.unwrap();
    let gone = rows
        .write(
            &target,
            &counted(&first, &[("k".to_owned(), 1, 1, true)], 1),
        )
        .await;
    assert!(
        matches!(gone, Err(CassandraError::Refused { .. })),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_column_that_is_declared_later_is_added() {
    let Some(rows) = nodes("a_column_that_is_declared_later_is_added").await else {
        return;
    };
    let first = counts();
    let target = made(&rows, &first).await;
    let mut later = first.clone();
    let mut added = later.columns.0[1].clone();
    added.name = mainstem_kernel::ColumnName::new("m").unwrap();
    later.columns.0.push(added);
    let target_later = made(&rows, &later).await;
    let write = counted(&first, &[("k".to_owned(), 1, 1, true)], 1);
    rows.write(&target, &write).await.unwrap();
    let key = batch(&first, write.rows.columns().to_vec());
    let found = rows.read(&target_later, &key).await.unwrap();
    assert_eq!((found.rows.num_rows(), found.rows.num_columns()), (1, 3));
    assert_eq!(found.rows.column(2).null_count(), 1);
    rows.forget(target.table.object()).await.unwrap();
}

#[tokio::test]
async fn nodes_that_are_not_there_are_named() {
    let config = CassandraConfig {
        nodes: vec!["127.0.0.1:1".to_owned()],
        keyspace: KEYSPACE.to_owned(),
        replicas: 1,
        connect_max: Duration::from_secs(1),
        acknowledge_max: Duration::from_secs(1),
        in_flight_max: 1,
    };
    let error = Rows::open(config).await.unwrap_err();
    assert_eq!(error.answer().code.as_str(), "CLUS-020");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
