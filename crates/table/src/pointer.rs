//! `Pointer`: everything rows by key are at one frontier; immutable, shared by readers.
//!
//! It is a snapshot of the store after some checkpoint and, over it, layers of all changes since.
//! Swapping it is what "the frontier moves" means. It never waits, and never changes.

mod merge;
mod scan;
mod state;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    error::ArrowError,
};
use bytes::Bytes;
use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{SharedSnapshot, Space};

pub use scan::Scan;

use crate::{
    codec::{RowCodec, RowHasher, RowKeys, RowRef, parse_stored, table_prefix},
    errors::TableError,
    layer::Layer,
    stack::{Part, Stack},
};

/// Everything rows by key are at one frontier.
#[derive(Clone, Debug)]
pub struct Pointer {
    pub(crate) frontier: Seq,
    /// Frontier of the last checkpoint whose redo file is synced.
    pub(crate) committed: Seq,
    /// The last checkpoint whose redo file is synced.
    pub(crate) checkpoint: u64,
    /// The last checkpoint that the snapshot holds.
    pub(crate) applied: u64,
    pub(crate) snapshot: SharedSnapshot,
    pub(crate) tables: HashMap<StreamId, Arc<TableView>>,
    /// State as of the last checkpoint.
    pub(crate) state: Arc<Stack>,
    pub(crate) state_hasher: RowHasher,
    pub(crate) streams: BTreeMap<StreamId, Arc<StreamRows>>,
}

/// One table of a pointer.
#[derive(Clone, Debug)]
pub(crate) struct TableView {
    pub(crate) codec: Arc<RowCodec>,
    pub(crate) stack: Stack,
}

/// What a reader finds of a view that is a stream of the log: its rows in the log up to `cut`,
/// then `waiting`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamRows {
    /// Rows of the log behind it are not seen by this pointer.
    pub cut: Seq,
    /// Rows that steps gave and that are not in the log yet, in order; without system columns.
    pub waiting: Vec<RecordBatch>,
}

impl StreamRows {
    /// Rows of the log alone.
    #[must_use]
    pub const fn up_to(cut: Seq) -> Self {
        Self {
            cut,
            waiting: Vec::new(),
        }
    }
}

/// Rows that were asked for by their keys.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rows that are there, in the order in which they were asked for.
    pub rows: RecordBatch,
    /// For each row the number of the key that it answers.
    pub keys: Vec<usize>,
    /// For each row the seq at which it was written.
    pub written: Vec<Seq>,
}

/// Where a row is.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    Layer(&'a Layer, usize),
    /// As the store holds it.
    Stored(Bytes),
}

impl Pointer {
    /// Everything up to here is in it.
    #[must_use]
    pub const fn frontier(&self) -> Seq {
        self.frontier
    }

    /// Everything up to here would come back from redo files after a crash.
    #[must_use]
    pub const fn committed(&self) -> Seq {
        self.committed
    }

    /// The tables and keyed views that it has rows of.
    pub fn tables(&self) -> impl Iterator<Item = StreamId> {
        self.tables.keys().copied()
    }

    /// How rows of a table become bytes: needed to ask for keys.
    ///
    /// # Errors
    /// `Unknown`.
    pub fn codec(&self, table: StreamId) -> Result<&Arc<RowCodec>, TableError> {
        Ok(&self.view(table)?.codec)
    }

    /// What a reader finds of a view that is a stream of the log.
    #[must_use]
    pub fn stream(&self, view: StreamId) -> Option<&StreamRows> {
        self.streams.get(&view).map(AsRef::as_ref)
    }

    /// The rows of some keys, given as the key's columns in the order of the key.
    ///
    /// # Errors
    /// As `RowCodec::keys` and `get`.
    pub fn get_columns(&self, table: StreamId, key: &[ArrayRef]) -> Result<Found, TableError> {
        let keys = self.codec(table)?.keys(key)?;
        self.get(table, &keys)
    }

    /// The rows of some keys; keys that have no row are left out.
    ///
    /// # Errors
    /// `Unknown`, or what the store says.
    pub fn get(&self, table: StreamId, keys: &RowKeys) -> Result<Found, TableError> {
        let view = self.view(table)?;
        let mut cells = Vec::with_capacity(keys.len());
        let mut stored_key = Vec::new();
        for (number, (key, hash)) in keys.hashed().enumerate() {
            if let Some(cell) = self.cell(view, (key, hash), &mut stored_key)? {
                cells.push((number, key, cell));
            }
        }
        let mut refs = Vec::with_capacity(cells.len());
        let mut written = Vec::with_capacity(cells.len());
        for (_, key, cell) in &cells {
            let (row, seq) = view.row(key, cell)?;
            refs.push(row);
            written.push(seq);
        }
        let rows = view.codec.decode(&refs)?;
        let keys = cells.iter().map(|(number, ..)| *number).collect();
        Ok(Found {
            rows,
            keys,
            written,
        })
    }

    /// When the rows of some keys were written; `None` for those that have no row.
    ///
    /// # Errors
    /// `Unknown`, or what the store says.
    pub fn written(&self, table: StreamId, keys: &RowKeys) -> Result<Vec<Option<Seq>>, TableError> {
        let view = self.view(table)?;
        let mut stored_key = Vec::new();
        let seq = |(key, hash): (&[u8], u64)| {
            let cell = self.cell(view, (key, hash), &mut stored_key)?;
            let row = cell.map(|cell| view.row(key, &cell).map(|(_, seq)| seq));
            row.transpose()
        };
        keys.hashed().map(seq).collect()
    }

    /// Where the row of a key is, the newest layer first, then the store.
    fn cell<'a>(
        &'a self,
        view: &'a TableView,
        (key, hash): (&[u8], u64),
        stored_key: &mut Vec<u8>,
    ) -> Result<Option<Cell<'a>>, TableError> {
        for entry in view.stack.newest_first() {
            let layer = entry.layer.as_ref();
            let Some(row) = layer.find(key, hash) else {
                continue;
            };
            if entry.part == Part::Flight && layer.written(row) <= self.frontier {
                continue;
            }
            let is_there = !layer.is_deleted(row);
            return Ok(is_there.then_some(Cell::Layer(layer, row)));
        }
        stored_key.clear();
        stored_key.extend_from_slice(&table_prefix(view.codec.table().id));
        stored_key.extend_from_slice(key);
        let stored = self.snapshot.get(Space::Rows, stored_key)?;
        Ok(stored.map(Cell::Stored))
    }

    pub(crate) fn view(&self, table: StreamId) -> Result<&Arc<TableView>, TableError> {
        let view = self.tables.get(&table);
        view.ok_or(TableError::Unknown { table })
    }

    /// Memory of all layers.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.values().map(|view| view.stack.bytes());
        tables.sum::<usize>() + self.state.bytes() + self.waiting_bytes()
    }

    fn waiting_bytes(&self) -> usize {
        let waiting = self.streams.values().flat_map(|rows| &rows.waiting);
        waiting.map(RecordBatch::get_array_memory_size).sum()
    }
}

impl TableView {
    /// A row as bytes, and when it was written.
    fn row<'a>(&self, key: &'a [u8], cell: &'a Cell<'_>) -> Result<(RowRef<'a>, Seq), TableError> {
        match cell {
            Cell::Layer(layer, row) => Ok((layer.row(*row), layer.written(*row))),
            Cell::Stored(stored) => self.stored(key, stored),
        }
    }

    /// A row as the store holds it.
    pub(crate) fn stored<'a>(
        &self,
        key: &'a [u8],
        stored: &'a [u8],
    ) -> Result<(RowRef<'a>, Seq), TableError> {
        let cut_short = || {
            let reason = "a stored row is cut short".to_owned();
            self.codec.arrange(ArrowError::InvalidArgumentError(reason))
        };
        let (version, written, value) = parse_stored(stored).ok_or_else(cut_short)?;
        let row = RowRef {
            key,
            value,
            version,
        };
        Ok((row, written))
    }
}
