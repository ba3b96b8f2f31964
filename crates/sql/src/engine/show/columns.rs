//! DESCRIBE: name, type, NULLs, default and role of every column; the hidden ones too.

use std::sync::Arc;

use datafusion::arrow::{
    array::{BooleanArray, RecordBatch, StringArray},
    datatypes::DataType,
    error::ArrowError,
};
use mainstem_catalog::{Object, StreamDef};
use mainstem_kernel::{Column, ColumnName};

use super::{batch, texts};

/// One column.
struct Row {
    name: String,
    ty: String,
    nullable: bool,
    role: &'static str,
    /// What it is where a row does not say.
    default: Option<String>,
}

/// The columns of an object.
pub(super) fn of(object: Object<'_>) -> Result<RecordBatch, ArrowError> {
    let rows = match object {
        Object::Stream(def) => {
            let mut rows = declared(def);
            rows.extend(system());
            rows
        }
        Object::Table(def) => {
            let key = |column: &Column| role(&def.spec.key, column, "primary key");
            let columns = def.spec.columns.0.iter();
            let rows = columns.map(|column| Row {
                default: def.spec.defaults.get(&column.name).cloned(),
                ..row(column, key(column))
            });
            rows.collect()
        }
        Object::View(def) => {
            let spec = &def.spec;
            let watermark = spec.watermark.as_ref();
            let kind = |column: &Column| {
                let is_time = watermark.is_some_and(|w| w.column == column.name);
                match role(&spec.hidden, column, "hidden: completes the key") {
                    "" if is_time => "event time",
                    "" => role(&spec.key, column, "key"),
                    hidden => hidden,
                }
            };
            let columns = spec.columns.0.iter();
            let mut rows: Vec<Row> = columns.map(|column| row(column, kind(column))).collect();
            if spec.emit.is_stream() {
                rows.extend(system());
            }
            rows
        }
    };
    batch(
        &[
            ("column", DataType::Utf8),
            ("type", DataType::Utf8),
            ("nullable", DataType::Boolean),
            ("default", DataType::Utf8),
            ("role", DataType::Utf8),
        ],
        vec![
            texts(rows.iter().map(|row| row.name.as_str())),
            texts(rows.iter().map(|row| row.ty.as_str())),
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|row| Some(row.nullable)),
            )),
            Arc::new(StringArray::from_iter(
                rows.iter().map(|row| row.default.as_deref()),
            )),
            texts(rows.iter().map(|row| row.role)),
        ],
    )
}

fn row(column: &Column, role: &'static str) -> Row {
    Row {
        name: column.name.as_str().to_owned(),
        ty: column.ty.to_string(),
        nullable: column.nullable,
        role,
        default: None,
    }
}

fn role(names: &[ColumnName], column: &Column, role: &'static str) -> &'static str {
    if names.contains(&column.name) {
        role
    } else {
        ""
    }
}

fn declared(def: &StreamDef) -> Vec<Row> {
    let newest = def.schemas.last();
    let newest = newest.map_or(&def.spec.columns, |entry| &entry.columns);
    let watermark = def.spec.watermark.as_ref();
    let kind = |column: &Column| {
        if watermark.is_some_and(|w| w.column == column.name) {
            "event time"
        } else {
            role(&def.spec.partition_by, column, "partition key")
        }
    };
    let columns = newest.0.iter();
    columns.map(|column| row(column, kind(column))).collect()
}

/// The columns that every stream has.
fn system() -> [Row; 4] {
    [
        (
            "_extra",
            "JSON",
            true,
            "hidden: fields that are not declared",
        ),
        ("_seq", "BIGINT", false, "hidden: order of arrival"),
        ("_partition", "INTEGER", false, "hidden"),
        ("_offset", "BIGINT", false, "hidden"),
    ]
    .map(|(name, ty, nullable, role)| Row {
        name: name.to_owned(),
        ty: ty.to_owned(),
        nullable,
        role,
        default: None,
    })
}
