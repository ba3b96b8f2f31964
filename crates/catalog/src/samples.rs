//! Definitions to test with, and randomness from a seed.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, StreamId, StreamName, TenantId,
};

use crate::{
    AppDef, Change, ChangeSet, Definitions, Durability, Emit, StreamSpec, TableSpec, ViewDef,
    ViewSpec,
};

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
        foreign: None,
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

/// Every update of it is told of.
pub(crate) const ON_UPDATE: Emit = Emit::OnUpdate { every: None };
/// It is a stream of closed windows.
pub(crate) const ON_CLOSE: Emit = Emit::OnWindowClose { corrections: None };

pub(crate) fn names(names: &[&str]) -> Vec<ColumnName> {
    let names = names.iter().map(|name| ColumnName::new(name).unwrap());
    names.collect()
}

pub(crate) fn owners() -> TableSpec {
    let columns = [("id!", ColumnType::Text), ("name", ColumnType::Text)];
    TableSpec {
        name: StreamName::new("owners").unwrap(),
        columns: spec("owners", &columns).columns,
        key: names(&["id"]),
        defaults: BTreeMap::new(),
        ttl: None,
        sql: "CREATE TABLE owners (…)".to_owned(),
    }
}

/// A view that counts, keyed by `id` unless it is a stream.
pub(crate) fn counts(name: &str, emit: Emit, reads: &[u32]) -> ViewSpec {
    let columns = [("id", ColumnType::Text), ("n!", ColumnType::BigInt)];
    ViewSpec {
        name: StreamName::new(name).unwrap(),
        columns: spec(name, &columns).columns,
        hidden: Vec::new(),
        key: if emit.is_stream() {
            Vec::new()
        } else {
            names(&["id"])
        },
        emit,
        watermark: None,
        reads: reads.iter().map(|id| StreamId(*id)).collect(),
        fingerprint: "1".to_owned(),
        sql: format!("CREATE MATERIALIZED VIEW {name} AS …"),
    }
}

pub(crate) fn view(spec: ViewSpec) -> Change {
    Change::CreateView(spec)
}

pub(crate) fn swap(id: u32) -> Change {
    Change::SwapView { id: StreamId(id) }
}

pub(crate) fn drop_view(id: u32) -> Change {
    Change::DropView { id: StreamId(id) }
}

pub(crate) fn version(definitions: &Definitions, id: u32) -> &Arc<ViewDef> {
    &definitions.views[&StreamId(id)]
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
