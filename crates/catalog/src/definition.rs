//! What is defined: applications and streams, as plain data.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_kernel::{
    AppName, ByteSize, ColumnName, Columns, SchemaVersion, Seq, StreamId, StreamName, TenantId,
};
use serde::{Deserialize, Serialize};

/// Everything that is defined at one seq; immutable, shared by pointer.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Seq of the last change that is folded in.
    pub seq: Seq,
    /// Applications by tenant and name.
    pub apps: BTreeMap<(TenantId, AppName), Arc<AppDef>>,
    /// Streams by id, dropped ones included until their data is gone.
    pub streams: BTreeMap<StreamId, Arc<StreamDef>>,
    /// Ids of the streams that are not dropped, by tenant and name; dead-letter streams too.
    pub names: BTreeMap<(TenantId, StreamName), StreamId>,
    /// The next stream id.
    pub next_stream: StreamId,
}

impl Definitions {
    /// The stream of that name, if it is not dropped.
    #[must_use]
    pub fn stream(&self, tenant: TenantId, name: &str) -> Option<&Arc<StreamDef>> {
        let name = StreamName::new(name).ok()?;
        self.streams.get(self.names.get(&(tenant, name))?)
    }
}

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
    /// Columns; their ids are given by the catalog and ignored here.
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
    /// The statement as written.
    pub sql: String,
}

/// A column that holds event time, and how late it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// A TIMESTAMPTZ NOT NULL column.
    pub column: ColumnName,
    /// How far the watermark stays behind the greatest event time.
    pub delay: Duration,
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
    /// The stream of its dead letters; `None` if this is one itself.
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
        self.schemas.last().map_or(SchemaVersion(1), |entry| entry.version)
    }
}
