//! The streams that objects have beside them: dead letters of streams and views, late rows of
//! views.
//!
//! It never holds a row: `admit` and `flow` write them.

use std::time::Duration;

use mainstem_kernel::{
    ByteSize, Column, ColumnName, ColumnType, Columns, StreamName, ids::NameError,
};

use crate::definition::{Durability, StreamSpec};

/// What the name of a stream of dead letters ends in; reserved.
pub const DEAD_LETTERS_SUFFIX: &str = "_dead_letters";

/// What the name of a stream of late rows ends in.
pub const LATE_SUFFIX: &str = "_late";

/// How long dead letters and late rows of views are kept.
const KEPT_BESIDE_VIEW: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The name of an object's dead letters.
///
/// # Errors
/// When it would be longer than a name can be.
pub fn dead_letters_name(object: &StreamName) -> Result<StreamName, NameError> {
    StreamName::new(&format!("{object}{DEAD_LETTERS_SUFFIX}"))
}

/// The name of a view's late rows.
///
/// # Errors
/// When it would be longer than a name can be.
pub fn late_name(view: &StreamName) -> Result<StreamName, NameError> {
    StreamName::new(&format!("{view}{LATE_SUFFIX}"))
}

/// The dead letters of a stream: a row is one that was refused, with the reason. One partition;
/// kept, acknowledged and limited like the stream itself.
pub(crate) fn dead_letters_spec(stream: &StreamSpec) -> Result<StreamSpec, NameError> {
    Ok(StreamSpec {
        retention: stream.retention,
        durability: stream.durability,
        event_size_max: stream.event_size_max,
        ..beside(dead_letters_name(&stream.name)?, &LETTERS)?
    })
}

/// The dead letters of a view: a row is one on which an expression failed, as JSON. Columns are
/// those of a stream's dead letters. Kept for 30 days.
pub(crate) fn view_letters_spec(view: &StreamName) -> Result<StreamSpec, NameError> {
    beside(dead_letters_name(view)?, &LETTERS)
}

/// The late rows of a view: a row is one all of whose windows were closed, as JSON, with its event
/// time and the watermark that had passed it. Kept for 30 days.
pub(crate) fn late_spec(view: &StreamName) -> Result<StreamSpec, NameError> {
    beside(late_name(view)?, &LATE)
}

type Declared = (&'static str, ColumnType, bool);

const LETTERS: [Declared; 5] = [
    ("row_number", ColumnType::BigInt, true),
    ("code", ColumnType::Text, false),
    ("reason", ColumnType::Text, false),
    ("payload", ColumnType::Text, true),
    ("payload_bytes", ColumnType::Bytea, true),
];

const LATE: [Declared; 3] = [
    ("event_time", ColumnType::TimestampTz, false),
    ("watermark", ColumnType::TimestampTz, false),
    ("payload", ColumnType::Json, false),
];

fn beside(name: StreamName, columns: &[Declared]) -> Result<StreamSpec, NameError> {
    let mut declared = Vec::with_capacity(columns.len());
    for (id, (name, ty, nullable)) in (1..).zip(columns) {
        declared.push(Column {
            id,
            name: ColumnName::new(name)?,
            ty: ty.clone(),
            nullable: *nullable,
        });
    }
    Ok(StreamSpec {
        name,
        columns: Columns(declared),
        partition_by: Vec::new(),
        partitions: 1,
        watermark: None,
        retention: Some(KEPT_BESIDE_VIEW),
        deduplicate: None,
        foreign: None,
        durability: Durability::Strict,
        event_size_max: ByteSize::mib(1),
        sql: String::new(),
    })
}
