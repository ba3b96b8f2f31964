//! Definitions to test with, and randomness from a seed.

use std::collections::BTreeMap;

use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, StreamId, StreamName, TenantId,
};

use crate::{AppDef, Change, ChangeSet, Durability, StreamSpec};

pub(crate) fn app() -> AppName {
    AppName::new("shop").unwrap()
}

/// `a TEXT NOT NULL` from `"a! TEXT"`, ids all 0.
pub(crate) fn column(name: &str, ty: ColumnType) -> Column {
    let nullable = !name.ends_with('!');
    Column {
        id: 0,
        name: ColumnName::new(name.trim_end_matches('!')).unwrap(),
        ty,
        nullable,
    }
}

pub(crate) fn spec(name: &str, columns: &[(&str, ColumnType)]) -> StreamSpec {
    let columns = columns.iter().map(|(name, ty)| column(name, ty.clone()));
    StreamSpec {
        name: StreamName::new(name).unwrap(),
        columns: Columns(columns.collect()),
        partition_by: Vec::new(),
        partitions: 8,
        watermark: None,
        retention: None,
        deduplicate: None,
        durability: Durability::Strict,
        event_size_max: ByteSize::kib(32),
        sql: format!("CREATE STREAM {name} (…)"),
    }
}

pub(crate) fn orders() -> StreamSpec {
    let mut spec = spec(
        "orders",
        &[("id!", ColumnType::Text), ("total", ColumnType::BigInt)],
    );
    spec.partition_by = vec![ColumnName::new("id").unwrap()];
    spec
}

pub(crate) fn set(changes: Vec<Change>) -> ChangeSet {
    ChangeSet {
        tenant: TenantId::ONLY,
        app: app(),
        changes,
    }
}

pub(crate) fn revision(revision: u32) -> Change {
    let files = BTreeMap::from([("a.sql".to_owned(), format!("-- revision {revision}"))]);
    Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app(),
        version: None,
        revision,
        files,
    })
}

pub(crate) fn create(spec: StreamSpec) -> Change {
    Change::CreateStream(spec)
}

pub(crate) fn alter(id: u32, spec: StreamSpec) -> Change {
    Change::AlterStream {
        id: StreamId(id),
        spec,
    }
}

/// xorshift: the seed is all that a failure needs.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }
}
