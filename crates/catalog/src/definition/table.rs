//! A table: rows by key that change, as plain data.
//!
//! It never holds a row: those are in the log, as changes, and in the store.

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, SchemaVersion, Seq, StreamId,
    StreamName, TenantId,
};
use serde::{Deserialize, Serialize};

use super::{Durability, SchemaEntry, StreamDef, StreamSpec, hidden};

/// The last declared column of a change stream, BOOLEAN NOT NULL: whether the row of that key went.
pub const DELETED_COLUMN: &str = "_deleted";

/// Id of `_deleted` in every change stream; no other column ever gets so far.
const DELETED_ID: u32 = u32::MAX;

/// What a CREATE TABLE says, before it has ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// Name, unique per tenant among all kinds.
    pub name: StreamName,
    /// Columns. The catalog gives them their ids, as it does for a stream.
    pub columns: Columns,
    /// The columns of PRIMARY KEY, in its order: NOT NULL, at least one. They never change, but
    /// for their names.
    pub key: Vec<ColumnName>,
    /// What columns are in rows that are inserted without them, as SQL; NULL if not named here.
    /// Rows that were there before a default was declared are not touched by it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<ColumnName, String>,
    /// How long a row stays after it was written last, by the frontier; `None` for ever.
    pub ttl: Option<Duration>,
    /// The statement as written.
    pub sql: String,
}

impl TableSpec {
    /// Ids of the key columns, in order; what is not declared is left out.
    #[must_use]
    pub fn key_ids(&self) -> Vec<u32> {
        let columns = self.key.iter();
        let columns = columns.filter_map(|name| self.columns.get(name.as_str()));
        columns.map(|column| column.id).collect()
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDef {
    /// Never reused; also the stream of its changes in the log.
    pub id: StreamId,
    /// Owner.
    pub tenant: TenantId,
    /// The application that declares it.
    pub app: AppName,
    /// What the newest CREATE TABLE says; its columns carry their ids.
    pub spec: TableSpec,
    /// All versions of the columns, oldest first; never empty.
    pub schemas: Vec<SchemaEntry>,
    /// When it was created.
    pub created: Seq,
    /// When it was dropped; its rows are kept for seven days more.
    pub dropped: Option<Seq>,
}

impl TableDef {
    /// The newest version of the columns.
    #[must_use]
    pub fn schema_version(&self) -> SchemaVersion {
        let newest = self.schemas.last();
        newest.map_or(SchemaVersion(1), |entry| entry.version)
    }

    /// Columns of older versions that the newest has no more; see `StreamDef::hidden`.
    #[must_use]
    pub fn hidden(&self) -> Vec<&Column> {
        hidden(&self.spec.columns, &self.schemas)
    }

    /// The columns of its changes: the table's, of which only those of the key are NOT NULL, then
    /// `_deleted`. A row is an after image, or a delete whose other columns are NULL.
    #[must_use]
    pub fn change_columns(&self) -> Columns {
        change_columns(&self.spec.columns, &self.spec.key_ids())
    }

    /// Its changes as a stream of one partition, so that whatever reads streams reads them: the
    /// log, history and rows of older versions. Nobody appends to it but the table itself. A
    /// frame's body is that of any stream: `change_columns`, then `_extra`, which is NULL.
    #[must_use]
    pub fn change_stream(&self) -> StreamDef {
        let key = self.spec.key_ids();
        let schemas = self.schemas.iter().map(|entry| SchemaEntry {
            version: entry.version,
            columns: change_columns(&entry.columns, &key),
        });
        StreamDef {
            id: self.id,
            tenant: self.tenant,
            app: self.app.clone(),
            spec: inner_stream(self.spec.name.clone(), self.change_columns()),
            schemas: schemas.collect(),
            dead_letters: None,
            created: self.created,
            dropped: self.dropped,
        }
    }
}

fn change_columns(columns: &Columns, key: &[u32]) -> Columns {
    let columns = columns.0.iter().map(|column| Column {
        nullable: !key.contains(&column.id),
        ..column.clone()
    });
    let deleted = ColumnName::new(DELETED_COLUMN).ok().map(|name| Column {
        id: DELETED_ID,
        name,
        ty: ColumnType::Boolean,
        nullable: false,
    });
    Columns(columns.chain(deleted).collect())
}

/// A stream that only this program appends to: one partition, kept for ever.
pub(super) fn inner_stream(name: StreamName, columns: Columns) -> StreamSpec {
    StreamSpec {
        name,
        columns,
        partition_by: Vec::new(),
        partitions: 1,
        watermark: None,
        retention: None,
        deduplicate: None,
        foreign: None,
        durability: Durability::Strict,
        event_size_max: ByteSize::mib(1),
        sql: String::new(),
    }
}
