//! Nodes, views and rows to test with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    buffer::BooleanBuffer,
    datatypes::{Int64Type, Schema},
};
use mainstem_kernel::{ColumnType, StreamId};

use super::super::{CassandraConfig, RowTable, Rows, TableSpec, Target, VersionedRows, fixture};

pub(super) const KEYSPACE: &str = "mainstem_contract";

/// The nodes; `None` if there are none.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) async fn nodes(test: &str) -> Option<Rows> {
    let Ok(nodes) = std::env::var("MAINSTEM_CASSANDRA") else {
        println!("SKIPPED {test}: MAINSTEM_CASSANDRA names no nodes (cargo xtask cluster test)");
        return None;
    };
    let nodes: Vec<String> = nodes.split(',').map(str::to_owned).collect();
    let config = CassandraConfig {
        replicas: if nodes.len() >= 3 { 3 } else { 1 },
        nodes,
        keyspace: KEYSPACE.to_owned(),
        connect_max: Duration::from_secs(10),
        acknowledge_max: Duration::from_secs(30),
        in_flight_max: 64,
    };
    Some(Rows::open(config).await.unwrap())
}

/// A view whose id no other test of any run has.
pub(super) fn spec(
    columns: &[(&str, ColumnType, bool)],
    key: &[&str],
    window: &[&str],
) -> TableSpec {
    let id = StreamId(uuid::Uuid::new_v4().as_fields().0);
    fixture::spec(id, columns, (key, window))
}

/// The table of a view, made.
pub(super) async fn made(rows: &Rows, spec: &TableSpec) -> Target {
    let table = RowTable::of(spec, KEYSPACE).unwrap();
    rows.create(table).await.unwrap()
}

/// `(k TEXT, n BIGINT)`, found by `k`.
pub(super) fn counts() -> TableSpec {
    spec(
        &[
            ("k", ColumnType::Text, false),
            ("n", ColumnType::BigInt, true),
        ],
        &["k"],
        &[],
    )
}

pub(super) fn batch(spec: &TableSpec, columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = spec.columns.0.iter();
    let fields = fields.map(|column| column.ty.field(column.name.as_str(), column.nullable));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
}

/// Rows of `counts`: key, value, version, whether it is there.
pub(super) fn counted(
    spec: &TableSpec,
    rows: &[(String, i64, u64, bool)],
    generation: u16,
) -> VersionedRows {
    let keys = StringArray::from_iter_values(rows.iter().map(|row| &row.0));
    let numbers = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
    VersionedRows {
        rows: batch(spec, vec![Arc::new(keys), Arc::new(numbers)]),
        versions: rows.iter().map(|row| row.2).collect(),
        live: rows.iter().map(|row| row.3).collect::<BooleanBuffer>(),
        generation,
    }
}

/// What a table of `counts` has of some keys: value and version.
pub(super) async fn there(
    rows: &Rows,
    target: &Target,
    keys: &[String],
) -> BTreeMap<String, (i64, u64)> {
    let schema = Schema::new(vec![ColumnType::Text.field("k", false)]);
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(keys));
    let keys = RecordBatch::try_new(Arc::new(schema), vec![keys]).unwrap();
    let found = rows.read(target, &keys).await.unwrap();
    let names = found.rows.column(0).as_string::<i32>();
    let numbers = found.rows.column(1).as_primitive::<Int64Type>();
    let rows = (0..found.rows.num_rows()).map(|row| {
        (
            names.value(row).to_owned(),
            (numbers.value(row), found.versions[row]),
        )
    });
    rows.collect()
}

/// Numbers that a seed determines (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}
