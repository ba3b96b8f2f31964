//! What changes: the one row of stream 0 that an apply appends, and its format.
//!
//! # Format
//!
//! A frame of stream 0, partition 0, schema version 1, whose batch has one column `change` TEXT
//! NOT NULL and one row:
//!
//! ```text
//! {"format": 2, "tenant": 1, "app": "retail", "changes": [{"kind": "create_stream", …}, …]}
//! ```
//!
//! `format` is read before anything else; a newer one is refused by name. Fields may be added
//! within a format only if an older program may ignore them. Format 1 knows only streams and reads
//! as what it is in format 2.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use mainstem_kernel::{AppName, PartitionId, SchemaVersion, StreamId, TenantId};
use mainstem_log::{Draft, DraftEntry};
use serde::{Deserialize, Serialize};

use crate::definition::{AppDef, StreamSpec, TableSpec, ViewSpec};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 2;

/// The only column of stream 0, TEXT NOT NULL.
pub const CHANGE_COLUMN: &str = "change";

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
    /// A new stream and its dead letters. Ids of columns are ignored and given from 1.
    CreateStream(StreamSpec),
    /// The same stream, and its dead letters, with a new name, new columns or options. A column
    /// with an id is that column, renamed if it has another name; it may also be one that was
    /// hidden and comes back. A column with id 0 is new. A column that is left out is hidden.
    AlterStream {
        /// The stream.
        id: StreamId,
        /// What it is from now on.
        spec: StreamSpec,
    },
    /// The stream and its dead letters disappear by name; the data is kept for seven days.
    DropStream {
        /// The stream.
        id: StreamId,
    },
    /// A stream that was dropped and not yet forgotten is back under its name, with its dead
    /// letters.
    RestoreStream {
        /// The stream.
        id: StreamId,
    },
    /// Its seven days are over: history and journal have forgotten it. Dead letters are forgotten
    /// by a change of their own.
    ForgetStream {
        /// The stream.
        id: StreamId,
    },
    /// A new table. Ids of columns are ignored and given from 1.
    CreateTable(TableSpec),
    /// The same table with a new name, new columns or another TTL; columns as in `AlterStream`.
    AlterTable {
        /// The table.
        id: StreamId,
        /// What it is from now on.
        spec: TableSpec,
    },
    /// The table disappears by name; its rows are kept for seven days.
    DropTable {
        /// The table.
        id: StreamId,
    },
    /// A table that was dropped and not yet forgotten is back under its name.
    RestoreTable {
        /// The table.
        id: StreamId,
    },
    /// Its seven days are over: history, journal and store have forgotten it.
    ForgetTable {
        /// The table.
        id: StreamId,
    },
    /// A new version of a view, to be built; beside the live one if there is one of that name.
    /// Its dead letters and late rows come with it, unless another version has them. Ids of
    /// columns are ignored and given from 1.
    CreateView(ViewSpec),
    /// The same version of a view with a new name, another text of the same meaning, or another
    /// EVERY.
    AlterView {
        /// The version.
        id: StreamId,
        /// What it is from now on.
        spec: ViewSpec,
    },
    /// A version that was built is live from now on; the one that was, is replaced.
    SwapView {
        /// The version that was built.
        id: StreamId,
    },
    /// The version disappears by name; what it has computed is kept for seven days, unless it was
    /// still being built.
    DropView {
        /// The version.
        id: StreamId,
    },
    /// A version that was dropped or replaced, and not yet forgotten, is being built again: it
    /// goes on from where it was paused.
    RestoreView {
        /// The version.
        id: StreamId,
    },
    /// Its time is over: history, journal and store have forgotten it. Dead letters and late rows
    /// are forgotten by changes of their own.
    ForgetView {
        /// The version.
        id: StreamId,
    },
    /// The application disappears. It must have no objects left.
    DropApp,
}

/// Why a row of stream 0 does not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// Operator: start the newer program.
    #[error("format {format}")]
    Newer {
        /// What it says.
        format: u32,
    },
    /// Operator: restore a backup.
    #[error("expected one column \"{CHANGE_COLUMN}\" of text")]
    Shape,
    /// Operator: restore a backup.
    #[error("expected a change set as JSON")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize)]
struct Versioned<'a> {
    format: u32,
    #[serde(flatten)]
    changes: &'a ChangeSet,
}

impl ChangeSet {
    /// As a frame of stream 0.
    pub(crate) fn encode(&self) -> Result<Draft, ArrowError> {
        let text = serde_json::to_string(&Versioned {
            format: FORMAT,
            changes: self,
        })
        .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let schema = Schema::new(vec![Field::new(CHANGE_COLUMN, DataType::Utf8, false)]);
        let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![column])?;
        let entry = DraftEntry {
            partition: PartitionId(0),
            rows: 1,
            stamp: None,
        };
        Draft::encode(StreamId::CATALOG, SchemaVersion(1), vec![entry], batch)
    }

    /// The change sets of a frame's batch: one, as far as this program writes them.
    pub(crate) fn decode(batch: &RecordBatch) -> Result<Vec<Self>, RowError> {
        let column = batch.column_by_name(CHANGE_COLUMN).ok_or(RowError::Shape)?;
        let texts = column
            .as_string_opt::<i32>()
            .filter(|texts| texts.null_count() == 0);
        let mut sets = Vec::new();
        for text in texts.ok_or(RowError::Shape)?.iter().flatten() {
            let Header { format } = serde_json::from_str(text)?;
            if format > FORMAT {
                return Err(RowError::Newer { format });
            }
            sets.push(serde_json::from_str(text)?);
        }
        Ok(sets)
    }
}
