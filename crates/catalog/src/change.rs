//! What changes: the one row of stream 0 that an apply appends.

use mainstem_kernel::{AppName, StreamId, TenantId};
use serde::{Deserialize, Serialize};

use crate::definition::{AppDef, StreamSpec};

/// All changes of one apply: one frame, effective at its seq, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Owner.
    pub tenant: TenantId,
    /// The application.
    pub app: AppName,
    /// In order.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// The application as it is from now on (its files, version, revision).
    SetApp(AppDef),
    /// A new stream and its dead letters.
    CreateStream(StreamSpec),
    /// The same stream with new columns or options. Renamed columns keep their id.
    AlterStream {
        /// The stream.
        id: StreamId,
        /// What it is from now on.
        spec: StreamSpec,
        /// Renames of columns in this change: (from, to).
        renames: Vec<(String, String)>,
    },
    /// The stream disappears by name; its data is kept for seven days.
    DropStream {
        /// The stream.
        id: StreamId,
    },
    /// A stream dropped less than seven days ago is back under its name.
    RestoreStream {
        /// The stream.
        id: StreamId,
    },
    /// Its seven days are over: history and journal have forgotten it.
    ForgetStream {
        /// The stream.
        id: StreamId,
    },
    /// The application disappears.
    DropApp,
}
