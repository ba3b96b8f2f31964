//! The answers of SHOW and DESCRIBE: what is declared, as rows.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use mainstem_catalog::{Definitions, StreamDef};
use mainstem_kernel::TenantId;

use crate::{declare, functions};

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn batch(fields: &[(&str, DataType)], columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> = fields
        .iter()
        .map(|(name, ty)| Field::new(*name, ty.clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Name, application, partitions and retention of every stream.
pub(crate) fn streams(defs: &Definitions, tenant: TenantId) -> Result<RecordBatch, ArrowError> {
    let mine = defs.names.iter().filter(|((owner, _), _)| *owner == tenant);
    let streams: Vec<&Arc<StreamDef>> = mine.filter_map(|(_, id)| defs.streams.get(id)).collect();
    let retention: Vec<String> = streams
        .iter()
        .map(|def| {
            def.spec
                .retention
                .map_or_else(|| "for ever".to_owned(), declare::span_text)
        })
        .collect();
    let partitions = streams.iter().map(|def| i32::from(def.spec.partitions));
    let kinds = streams.iter().map(|def| match def.dead_letters {
        Some(_) => "stream",
        None => "dead letters",
    });
    batch(
        &[
            ("stream", DataType::Utf8),
            ("kind", DataType::Utf8),
            ("application", DataType::Utf8),
            ("partitions", DataType::Int32),
            ("retention", DataType::Utf8),
        ],
        vec![
            texts(streams.iter().map(|def| def.spec.name.as_str())),
            texts(kinds),
            texts(streams.iter().map(|def| def.app.as_str())),
            Arc::new(Int32Array::from_iter_values(partitions)),
            texts(retention.iter().map(String::as_str)),
        ],
    )
}

/// Name, type, NULLs and role of every column; the hidden ones too.
pub(crate) fn columns(def: &StreamDef) -> Result<RecordBatch, ArrowError> {
    let newest = def
        .schemas
        .last()
        .map_or(&def.spec.columns, |entry| &entry.columns);
    let mut rows: Vec<(String, String, bool, &str)> = Vec::new();
    for column in &newest.0 {
        let name = column.name.as_str();
        let role = if def
            .spec
            .watermark
            .as_ref()
            .is_some_and(|w| w.column == column.name)
        {
            "event time"
        } else if def.spec.partition_by.contains(&column.name) {
            "partition key"
        } else {
            ""
        };
        rows.push((
            name.to_owned(),
            column.ty.to_string(),
            column.nullable,
            role,
        ));
    }
    for (name, ty, nullable, role) in [
        (
            "_extra",
            "JSON",
            true,
            "hidden: fields that are not declared",
        ),
        ("_seq", "BIGINT", false, "hidden: order of arrival"),
        ("_partition", "INTEGER", false, "hidden"),
        ("_offset", "BIGINT", false, "hidden"),
    ] {
        rows.push((name.to_owned(), ty.to_owned(), nullable, role));
    }
    batch(
        &[
            ("column", DataType::Utf8),
            ("type", DataType::Utf8),
            ("nullable", DataType::Boolean),
            ("role", DataType::Utf8),
        ],
        vec![
            texts(rows.iter().map(|row| row.0.as_str())),
            texts(rows.iter().map(|row| row.1.as_str())),
            Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.2)))),
            texts(rows.iter().map(|row| row.3)),
        ],
    )
}

/// The canonical statement of a stream.
pub(crate) fn create(def: &StreamDef) -> Result<RecordBatch, ArrowError> {
    let newest = def
        .schemas
        .last()
        .map_or(&def.spec.columns, |entry| &entry.columns);
    let spec = mainstem_catalog::StreamSpec {
        columns: newest.clone(),
        ..def.spec.clone()
    };
    let text = declare::show(&spec);
    batch(
        &[("stream", DataType::Utf8), ("statement", DataType::Utf8)],
        vec![texts([def.spec.name.as_str()]), texts([text.as_str()])],
    )
}

/// Every SQL function.
pub(crate) fn functions() -> Result<RecordBatch, ArrowError> {
    let table = functions::table();
    let field = |get: fn(&functions::Function) -> &str| texts(table.iter().map(get));
    batch(
        &[
            ("function", DataType::Utf8),
            ("kind", DataType::Utf8),
            ("signature", DataType::Utf8),
            ("meaning", DataType::Utf8),
        ],
        vec![
            field(|f| f.name),
            field(|f| f.kind.as_str()),
            field(|f| f.signature),
            field(|f| f.meaning),
        ],
    )
}
