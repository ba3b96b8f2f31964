//! What is defined: applications, streams, tables and views, as plain data.
//!
//! It never judges whether a definition makes sense: that is `fold`'s.

mod table;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, Columns, SchemaVersion, Seq, StreamId, StreamName,
    TenantId, ids::NAME_BYTES_MAX,
};
use serde::{Deserialize, Serialize};

pub use table::{DELETED_COLUMN, TableDef, TableSpec};
pub use view::{Emit, Stage, ViewDef, ViewSpec};

/// An application as it was last applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppDef {
    /// Owner.
    pub tenant: TenantId,
    /// Name, unique per tenant.
    pub name: AppName,
    /// Version from `mainstem.toml`, if it has one.
    pub version: Option<String>,
    /// How often it was applied, from 1.
    pub revision: u32,
    /// The SQL files as applied, by name.
    pub files: BTreeMap<String, String>,
}

/// What a CREATE STREAM says, before it has ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// Name, unique per tenant among all kinds.
    pub name: StreamName,
    /// Columns. The catalog gives them their ids; see `Change` for what it reads here.
    pub columns: Columns,
    /// Columns whose value chooses the partition; empty for round robin by request.
    pub partition_by: Vec<ColumnName>,
    /// Number of partitions; fixed at creation.
    pub partitions: u16,
    /// Event time, if declared.
    pub watermark: Option<Watermark>,
    /// How long rows are kept, by arrival time; `None` for ever.
    pub retention: Option<Duration>,
    /// Which column marks repetitions, if declared.
    pub deduplicate: Option<Deduplicate>,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// Largest event, in bytes of its payload.
    pub event_size_max: ByteSize,
    /// Where its rows come from, if others write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// The statement as written.
    pub sql: String,
}

impl StreamSpec {
    /// Ids of the columns that choose the partition, in order; what is not declared is left out.
    #[must_use]
    pub fn partition_ids(&self) -> Vec<u32> {
        let columns = self
            .partition_by
            .iter()
            .filter_map(|name| self.columns.get(name.as_str()));
        columns.map(|column| column.id).collect()
    }
}

/// FROM TOPIC 'name' FORMAT JSON: rows that are records of a topic of Kafka that others write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The name of the topic.
    pub topic: String,
}

/// A column that holds event time, and how late it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// A TIMESTAMPTZ NOT NULL column.
    pub column: ColumnName,
    /// How far the watermark stays behind the greatest event time.
    pub delay: Duration,
    /// After how long without rows event time goes on by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
}

/// DEDUPLICATE BY column WITHIN span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deduplicate {
    /// Equal values are one event.
    pub column: ColumnName,
    /// Within this span of arrival time.
    pub within: Duration,
}

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// After the sync.
    #[default]
    Strict,
    /// Once it is handed to the log; lost if the machine stops before the next sync.
    Relaxed,
}

/// One version of a stream's columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaEntry {
    /// From 1.
    pub version: SchemaVersion,
    /// The columns.
    pub columns: Columns,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDef {
    /// Never reused.
    pub id: StreamId,
    /// Owner.
    pub tenant: TenantId,
    /// The application that declares it.
    pub app: AppName,
    /// What the newest CREATE STREAM says; its columns carry their ids.
    pub spec: StreamSpec,
    /// All versions of the columns, oldest first; never empty.
    pub schemas: Vec<SchemaEntry>,
    /// The stream of its dead letters; `None` if it belongs to another object: as dead letters or
    /// late rows, which only this program writes.
    pub dead_letters: Option<StreamId>,
    /// When it was created.
    pub created: Seq,
    /// When it was dropped; its data is kept for seven days more.
    pub dropped: Option<Seq>,
}

impl StreamDef {
    /// The newest version of the columns.
    #[must_use]
    pub fn schema_version(&self) -> SchemaVersion {
        self.schemas
            .last()
            .map_or(SchemaVersion(1), |entry| entry.version)
    }

    /// The columns of one version.
    #[must_use]
    pub fn columns_of(&self, version: SchemaVersion) -> Option<&Columns> {
        // Versions are numbered from 1 without gaps, but nothing here relies on it.
        self.schemas
            .iter()
            .rev()
            .find(|entry| entry.version == version)
            .map(|e| &e.columns)
    }

    /// Columns of older versions that the newest has no more, each as it was last, by id. They
    /// allow NULL. Rows keep their values, and a column that comes back has them again.
    #[must_use]
    pub fn hidden(&self) -> Vec<&Column> {
        hidden(&self.spec.columns, &self.schemas)
    }

    /// All columns that rows can have: the newest, then the hidden ones. A hidden column whose
    /// name another one has by now, ignoring case, is called `name_id`. History keeps these.
    #[must_use]
    pub fn kept_columns(&self) -> Columns {
        let mut kept = self.spec.columns.clone();
        for hidden in self.hidden() {
            let is_taken = |name: &str| {
                kept.0
                    .iter()
                    .any(|column| column.name.as_str().eq_ignore_ascii_case(name))
            };
            let mut name = hidden.name.clone();
            let mut suffix = hidden.id.to_string();
            while is_taken(name.as_str()) {
                // Cut, so that it stays within the limit of names, which are ASCII.
                let room = NAME_BYTES_MAX.saturating_sub(suffix.len() + 1);
                let start: String = hidden.name.as_str().chars().take(room).collect();
                match ColumnName::new(&format!("{start}_{suffix}")) {
                    Ok(other) => name = other,
                    Err(_) => break,
                }
                suffix.push_str("_h");
            }
            kept.0.push(Column {
                name,
                nullable: true,
                ..hidden.clone()
            });
        }
        kept
    }
}

fn hidden<'a>(shown: &Columns, schemas: &'a [SchemaEntry]) -> Vec<&'a Column> {
    let shown: BTreeSet<u32> = shown.0.iter().map(|column| column.id).collect();
    let mut hidden: BTreeMap<u32, &Column> = BTreeMap::new();
    for column in schemas.iter().flat_map(|entry| &entry.columns.0) {
        if !shown.contains(&column.id) {
            hidden.insert(column.id, column);
        }
    }
    hidden.into_values().collect()
}
