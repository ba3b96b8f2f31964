//! A materialized view: what is computed from streams, tables and other views, as plain data.
//!
//! It never holds a plan: `sql` makes one from the statement whenever it is needed, and the
//! fingerprint tells whether it is still the same one.
//!
//! # Versions
//!
//! A view that changes is another definition under the same name. The new one is built beside the
//! live one and is swapped in when it has caught up; the older one is paused and kept for 24 hours,
//! and may be brought back:
//!
//! ```text
//! create ─► Building ──swap──► Live ──another one is swapped in──► Replaced ──24 h──► forgotten
//!              ▲                 │ drop                                │
//!              └─────────────────┴──────────────── restore ────────────┘
//! ```
//!
//! Of one name there is at most one that is built and one that is live.

use std::time::Duration;

use mainstem_kernel::{
    AppName, ColumnName, Columns, SchemaVersion, Seq, StreamId, StreamName, TenantId,
};
use serde::{Deserialize, Serialize};

use super::{SchemaEntry, StreamDef, StreamSpec, Watermark, table::inner_stream};

/// When a view tells of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// No EMIT: rows as they come, each once, from what only adds rows.
    Append,
    /// EMIT ON UPDATE: a row per key, which changes.
    OnUpdate {
        /// EVERY: at most one change per key in this span.
        every: Option<Duration>,
    },
    /// EMIT ON WINDOW CLOSE: a row per key and window, when the watermark passes its end.
    OnWindowClose {
        /// WITH CORRECTIONS FOR: rows that come later than that, for this long, change the window
        /// again.
        corrections: Option<Duration>,
    },
}

impl Emit {
    /// Whether rows are final, so that the view is a stream of the log; otherwise it is rows by
    /// key that change.
    #[must_use]
    pub fn is_stream(self) -> bool {
        match self {
            Self::Append | Self::OnWindowClose { corrections: None } => true,
            Self::OnUpdate { .. } | Self::OnWindowClose { .. } => false,
        }
    }

    /// Whether rows can come too late for it, so that they have a stream of their own.
    #[must_use]
    pub fn has_late(self) -> bool {
        matches!(self, Self::OnWindowClose { corrections: None })
    }
}

/// What a CREATE MATERIALIZED VIEW says, and what the planner made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewSpec {
    /// Name, unique per tenant among all kinds.
    pub name: StreamName,
    /// Columns, the hidden ones too. The catalog gives them their ids, from 1.
    pub columns: Columns,
    /// Columns that complete the key and were not selected: `_key1`, …. `SELECT *` leaves them out.
    pub hidden: Vec<ColumnName>,
    /// The columns that tell its rows apart, in order; they may be NULL. Empty if it is a stream.
    pub key: Vec<ColumnName>,
    /// When it tells of its rows.
    pub emit: Emit,
    /// The event time of its rows, if it is a stream and has one: windows can be opened over it.
    pub watermark: Option<Watermark>,
    /// The streams, tables and views that it reads, in the planner's order.
    pub reads: Vec<StreamId>,
    /// Names the plan: another one means that what is computed so far is of no use.
    pub fingerprint: String,
    /// The statement as written.
    pub sql: String,
}

impl ViewSpec {
    /// Whether what one has computed is what the other would: all but the name, the text and how
    /// often it tells.
    #[must_use]
    pub fn computes_same(&self, other: &Self) -> bool {
        let shape = |columns: &Columns| -> Vec<_> {
            let columns = columns.0.iter();
            columns
                .map(|column| (column.name.clone(), column.ty.clone(), column.nullable))
                .collect()
        };
        let paced = |emit: Emit| match emit {
            Emit::OnUpdate { .. } => Emit::OnUpdate { every: None },
            Emit::Append | Emit::OnWindowClose { .. } => emit,
        };
        (&self.fingerprint, &self.reads) == (&other.fingerprint, &other.reads)
            && (&self.key, &self.hidden) == (&other.key, &other.hidden)
            && self.watermark == other.watermark
            && paced(self.emit) == paced(other.emit)
            && shape(&self.columns) == shape(&other.columns)
    }
}

/// Where a version of a view is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is computed from history, or catches up, and is swapped in when it is there.
    Building,
    /// It is what its name means.
    Live,
    /// It is paused; another one has its name.
    Replaced {
        /// Since when; it is kept for 24 hours.
        at: Seq,
    },
}

/// A version of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDef {
    /// Never reused. If the view emits on window close without corrections, the stream of its rows
    /// in the log; otherwise there is no such stream and the id only names it.
    pub id: StreamId,
    /// Owner.
    pub tenant: TenantId,
    /// The application that declares it, and all that it reads.
    pub app: AppName,
    /// What it says; its columns carry their ids.
    pub spec: ViewSpec,
    /// Where it is in its life.
    pub stage: Stage,
    /// The stream of the rows on which it failed: `<view>_dead_letters`; all versions share it.
    pub letters: StreamId,
    /// The stream of the rows that came too late, `<view>_late`, if it emits on window close
    /// without corrections; all such versions share it.
    pub late: Option<StreamId>,
    /// When it was created.
    pub created: Seq,
    /// When it was dropped; what it has computed is kept for seven days more, if it was live.
    pub dropped: Option<Seq>,
}

impl ViewDef {
    /// Whether it is computed: built or live, and not dropped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.dropped.is_none() && !matches!(self.stage, Stage::Replaced { .. })
    }

    /// Its rows as a stream of one partition, if it is one: so whatever reads streams reads it. A
    /// frame's body is that of any stream: the columns, hidden ones too, then `_extra`, which is
    /// NULL.
    #[must_use]
    pub fn stream(&self) -> Option<StreamDef> {
        self.spec.emit.is_stream().then(|| StreamDef {
            id: self.id,
            tenant: self.tenant,
            app: self.app.clone(),
            spec: StreamSpec {
                watermark: self.spec.watermark.clone(),
                ..inner_stream(self.spec.name.clone(), self.spec.columns.clone())
            },
            schemas: vec![SchemaEntry {
                version: SchemaVersion(1),
                columns: self.spec.columns.clone(),
            }],
            dead_letters: None,
            created: self.created,
            dropped: self.dropped,
        })
    }
}
