//! Streams for tests.

use std::time::Duration;

use mainstem_catalog::{Durability, SchemaEntry, StreamDef, StreamSpec, Watermark};
use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, SchemaVersion, Seq, StreamId,
    StreamName, TenantId,
};

/// Columns from (name, type, nullable).
pub(crate) fn columns(columns: &[(&str, ColumnType, bool)]) -> Columns {
    let column = |(id, (name, ty, nullable)): (u32, &(&str, ColumnType, bool))| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty: ty.clone(),
        nullable: *nullable,
    };
    Columns((1..).zip(columns).map(column).collect())
}

/// What a CREATE STREAM of these columns says.
pub(crate) fn spec(name: &str, columns: Columns, partition_by: &[&str]) -> StreamSpec {
    StreamSpec {
        name: StreamName::new(name).unwrap(),
        columns,
        partition_by: partition_by
            .iter()
            .map(|name| ColumnName::new(name).unwrap())
            .collect(),
        partitions: 8,
        watermark: None,
        retention: None,
        deduplicate: None,
        foreign: None,
        durability: Durability::Strict,
        event_size_max: ByteSize::kib(32),
        sql: String::new(),
    }
}

/// A stream as the catalog would define it.
pub(crate) fn stream(spec: StreamSpec) -> StreamDef {
    StreamDef {
        id: StreamId(16),
        tenant: TenantId::ONLY,
        app: AppName::new("test").unwrap(),
        schemas: vec![SchemaEntry {
            version: SchemaVersion(1),
            columns: spec.columns.clone(),
        }],
        spec,
        dead_letters: Some(StreamId(17)),
        created: Seq::ZERO,
        dropped: None,
    }
}

/// One column of each type, all of them nullable but the first, and an event time.
pub(crate) fn every_type() -> StreamDef {
    let field = |name: &str, ty| (ColumnName::new(name).unwrap(), ty);
    let point = ColumnType::Row(vec![
        field("lat", ColumnType::Double),
        field("tags", ColumnType::Array(Box::new(ColumnType::Text))),
    ]);
    let mut spec = spec(
        "every",
        columns(&[
            ("id", ColumnType::Text, false),
            ("flag", ColumnType::Boolean, true),
            ("small", ColumnType::SmallInt, true),
            ("int", ColumnType::Integer, true),
            ("big", ColumnType::BigInt, true),
            ("real", ColumnType::Real, true),
            ("double", ColumnType::Double, true),
            (
                "price",
                ColumnType::Numeric {
                    precision: 12,
                    scale: 3,
                },
                true,
            ),
            ("bytes", ColumnType::Bytea, true),
            ("uuid", ColumnType::Uuid, true),
            ("day", ColumnType::Date, true),
            ("at", ColumnType::TimestampTz, true),
            ("json", ColumnType::Json, true),
            (
                "list",
                ColumnType::Array(Box::new(ColumnType::Integer)),
                true,
            ),
            ("point", point, true),
        ]),
        &["id"],
    );
    spec.watermark = Some(Watermark {
        column: ColumnName::new("at").unwrap(),
        delay: Duration::from_secs(10),
        idle_timeout: None,
    });
    stream(spec)
}

/// A number that looks random and is always the same (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 16).unwrap() % below.max(1)
    }
}
