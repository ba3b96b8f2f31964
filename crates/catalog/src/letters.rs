//! The stream of dead letters that every stream has beside it.
//!
//! It never holds a row: `admit` writes them.

use mainstem_kernel::{Column, ColumnName, ColumnType, Columns, StreamName, ids::NameError};

use crate::definition::StreamSpec;

/// What the name of a stream of dead letters ends in; reserved.
pub const DEAD_LETTERS_SUFFIX: &str = "_dead_letters";

/// The name of a stream's dead letters.
///
/// # Errors
/// When it would be longer than a name can be.
pub fn dead_letters_name(stream: &StreamName) -> Result<StreamName, NameError> {
    StreamName::new(&format!("{stream}{DEAD_LETTERS_SUFFIX}"))
}

/// The dead letters of a stream: a row is one that was refused, with the reason. One partition;
/// kept, acknowledged and limited like the stream itself.
pub(crate) fn dead_letters_spec(stream: &StreamSpec) -> Result<StreamSpec, NameError> {
    let columns = [
        ("row_number", ColumnType::BigInt, true),
        ("code", ColumnType::Text, false),
        ("reason", ColumnType::Text, false),
        ("payload", ColumnType::Text, true),
        ("payload_bytes", ColumnType::Bytea, true),
    ];
    let mut declared = Vec::with_capacity(columns.len());
    for (id, (name, ty, nullable)) in (1..).zip(columns) {
        declared.push(Column {
            id,
            name: ColumnName::new(name)?,
            ty,
            nullable,
        });
    }
    Ok(StreamSpec {
        name: dead_letters_name(&stream.name)?,
        columns: Columns(declared),
        partition_by: Vec::new(),
        partitions: 1,
        watermark: None,
        retention: stream.retention,
        deduplicate: None,
        durability: stream.durability,
        event_size_max: stream.event_size_max,
        sql: String::new(),
    })
}
