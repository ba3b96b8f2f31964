//! `Space::Due`: for each row of a table with a time to live, its key by the time when it was
//! written; exactly one entry per row. Never decides what is due.
//!
//! ```text
//! key    table u32 | written u64 (seq) | row key; integers big-endian
//! value  empty
//! ```
//!
//! An entry is replaced in the batch that replaces its row, so the old row is read: only tables
//! with a time to live pay for that. A table that gets one later has its entries made by a scan;
//! a mark in `Space::Meta` says that they are complete.

use std::{ops::ControlFlow, sync::Arc};

use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{Batch, KeyRange, SharedSnapshot, Space};

use super::{super::open::due_mark, CHUNK_CHANGES};
use crate::{
    codec::{parse_stored, table_prefix},
    errors::TableError,
    pointer::TableView,
    tables::{Tables, expire::DueHint},
};

/// Replaces entries with their rows.
pub(super) struct DueWriter {
    prefix: [u8; 4],
    snapshot: SharedSnapshot,
}

impl DueWriter {
    /// `None` for a table without a time to live: its entries are no longer complete then.
    pub(super) fn new(
        view: &TableView,
        snapshot: SharedSnapshot,
        batch: &mut Batch,
    ) -> Result<Option<Self>, TableError> {
        let table = view.codec.table();
        if table.ttl.is_some() {
            return Ok(Some(Self {
                prefix: table_prefix(table.id),
                snapshot,
            }));
        }
        let mark = due_mark(table.id);
        if snapshot.get(Space::Meta, &mark)?.is_some() {
            batch.remove(Space::Meta, &mark);
        }
        Ok(None)
    }

    /// Puts the entry of a row in the place of the one it had; `None` for a row that is gone.
    pub(super) fn replace(
        &self,
        batch: &mut Batch,
        key: &[u8],
        written: Option<Seq>,
    ) -> Result<(), TableError> {
        let stored = [self.prefix.as_slice(), key].concat();
        let old = self.snapshot.get(Space::Rows, &stored)?;
        let old = old.as_deref().and_then(parse_stored);
        if let Some((_, old, _)) = old
            && Some(old) != written
        {
            let seq = old.0.to_be_bytes();
            batch.remove_parts(Space::Due, &[&self.prefix, &seq, key]);
        }
        if let Some(written) = written {
            put(batch, &self.prefix, (written, key));
        }
        Ok(())
    }
}

fn put(batch: &mut Batch, prefix: &[u8; 4], (written, key): (Seq, &[u8])) {
    let seq = written.0.to_be_bytes();
    batch.put_parts(Space::Due, &[prefix, &seq, key], &[]);
}

impl Tables {
    /// Makes the entries of a table that got a time to live; whether there was one.
    pub(super) fn index_next(&self) -> Result<bool, TableError> {
        let pointer = self.pointer();
        for (table, view) in &pointer.tables {
            let has_ttl = view.codec.table().ttl.is_some();
            let inner = self.inner.lock();
            let is_known = inner.due.get(table).is_some_and(|hint| hint.is_indexed);
            drop(inner);
            if !has_ttl || is_known {
                continue;
            }
            let is_new = pointer
                .snapshot
                .get(Space::Meta, &due_mark(*table))?
                .is_none();
            if is_new {
                self.index(*table, &pointer.snapshot)?;
                self.swap_snapshot()?;
            }
            // A search before it found nothing, and must not be believed any more.
            let hint = DueHint::indexed();
            self.inner.lock().due.insert(*table, hint);
            if is_new {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn index(&self, table: StreamId, snapshot: &SharedSnapshot) -> Result<(), TableError> {
        let prefix = table_prefix(table);
        let mut range = KeyRange::prefix(&prefix);
        let mut is_over = false;
        while !is_over {
            let mut batch = Batch::default();
            let mut last = Vec::new();
            let mut visit = |key: &[u8], stored: &[u8]| {
                if let Some((_, written, _)) = parse_stored(stored) {
                    let key = key.get(prefix.len()..).unwrap_or_default();
                    put(&mut batch, &prefix, (written, key));
                }
                last.clear();
                last.extend_from_slice(key);
                if batch.len() < CHUNK_CHANGES {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            snapshot.scan(Space::Rows, &range, &mut visit)?;
            is_over = batch.len() < CHUNK_CHANGES;
            if is_over {
                batch.put(Space::Meta, &due_mark(table), &[]);
            } else {
                range = range.after(&last);
            }
            self.store.write(batch)?;
        }
        Ok(self.store.persist()?)
    }

    /// Readers see what was made beside the checkpoints.
    fn swap_snapshot(&self) -> Result<(), TableError> {
        let snapshot = self.store.snapshot()?;
        let _inner = self.inner.lock();
        self.swap(|pointer| {
            pointer.snapshot = Arc::clone(&snapshot);
            Ok(())
        })
    }
}
