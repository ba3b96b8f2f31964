//! Bodies of every format against a stream with a column of every type.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mainstem_admit::{Format, stages::Stages};
use mainstem_catalog::{Durability, StreamDef, StreamSpec};
use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, Seq, StreamId, StreamName,
    TenantId, Timestamp,
};

static STREAM: LazyLock<StreamDef> = LazyLock::new(stream);

// The first byte chooses the format and how the body is cut into parts.
fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let format = match choice % 4 {
        0 => Format::Ndjson,
        1 => Format::Json,
        2 => Format::Csv,
        _ => Format::Arrow,
    };
    let rows_max = if *choice < 128 { usize::MAX } else { 2 };
    let mut stages = Stages::new(&STREAM, Timestamp(1_800_000_000_000_000));
    if let Ok(decoded) = stages.decode(format, &[Bytes::copy_from_slice(body)], rows_max) {
        stages.sort(decoded.batch).expect("decoded rows can be sorted");
    }
});

fn stream() -> StreamDef {
    let name = |name: &str| ColumnName::new(name).expect("a name");
    let types = [
        ColumnType::Text,
        ColumnType::Boolean,
        ColumnType::SmallInt,
        ColumnType::Integer,
        ColumnType::BigInt,
        ColumnType::Real,
        ColumnType::Double,
        ColumnType::Numeric { precision: 12, scale: 3 },
        ColumnType::Bytea,
        ColumnType::Uuid,
        ColumnType::Date,
        ColumnType::TimestampTz,
        ColumnType::Json,
        ColumnType::Array(Box::new(ColumnType::Integer)),
        ColumnType::Row(vec![(name("x"), ColumnType::Array(Box::new(ColumnType::Text)))]),
    ];
    let columns = (1..).zip(types).map(|(id, ty)| Column {
        id,
        name: name(&format!("c{id}")),
        ty,
        nullable: id > 1,
    });
    StreamDef {
        id: StreamId(16),
        tenant: TenantId::ONLY,
        app: AppName::new("fuzz").expect("a name"),
        spec: StreamSpec {
            name: StreamName::new("fuzz").expect("a name"),
            columns: Columns(columns.collect()),
            partition_by: vec![name("c1")],
            partitions: 8,
            watermark: None,
            retention: None,
            deduplicate: None,
            foreign: None,
            durability: Durability::Strict,
            event_size_max: ByteSize::kib(32),
            sql: String::new(),
        },
        schemas: Vec::new(),
        dead_letters: None,
        created: Seq::ZERO,
        dropped: None,
    }
}
