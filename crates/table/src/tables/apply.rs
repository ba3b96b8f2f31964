//! `Applier`: puts committed checkpoints into the store, in chunks, idempotently.
//!
//! It takes the layers that readers see, so that several checkpoints that wait are one write per
//! key. Readers keep the layers until everything is persisted. Meanwhile they get newer snapshots of
//! the store, in which some rows are those of the layers above them: the store keeps in memory
//! whatever was written since the oldest snapshot, sorted into files or not. A crash in between
//! leaves such rows in the store: writing them again changes nothing.
//!
//! Nothing but a full overlay waits for it: the store may stall for hundreds of milliseconds.
//!
//! It waits itself, up to `apply_interval` or until a part of the overlay is full: a row that
//! changes every second is then written once and not five times. Redo files hold what waits. Rows
//! are written in the order of their keys, which spares the store most of its search. When the
//! tables are closed it stops between two chunks; the next start goes on from the redo files.

mod due;
mod forget;
mod in_order;

use std::{sync::Arc, time::Duration};

use mainstem_kernel::StreamId;
use mainstem_store::{Batch, SharedSnapshot, Space};

use super::{Tables, open::Applied};
use crate::{
    codec::{stored_header, table_prefix},
    errors::TableError,
    pointer::{Pointer, TableView},
};
use due::DueWriter;
use in_order::InOrder;

/// Changes of one batch: fjall stalls for long at larger ones.
pub(crate) const CHUNK_CHANGES: usize = 2_000;
/// Bytes of one batch.
const CHUNK_BYTES: usize = 1 << 20;
/// How long it waits before it looks again, if nobody wakes it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits after an error.
const PENANCE: Duration = Duration::from_millis(500);
/// Batches of others after which an idle application takes a new snapshot, so that the store can
/// forget what nobody needs.
const SNAPSHOT_BATCHES: u64 = 1_000;
/// Bytes that are written before readers get a newer snapshot.
const SNAPSHOT_BYTES: usize = 4 << 20;
/// It waits for more to come until the overlay has this part of its limit.
const OVERLAY_SHARE: usize = 2;

/// Puts committed checkpoints into the store.
#[derive(Debug)]
pub struct Applier {
    tables: Arc<Tables>,
    /// Batches of the store when the snapshot was taken.
    batches: u64,
    /// Since when a checkpoint waits.
    since: Option<Duration>,
}

impl Applier {
    pub(super) fn new(tables: Arc<Tables>) -> Self {
        let batches = tables.store.stats().batches;
        Self {
            tables,
            batches,
            since: None,
        }
    }

    /// Applies until the tables are closed. An error is logged and tried again: nothing is lost
    /// meanwhile, but changes stay in memory up to their limit.
    pub fn run(mut self) {
        while !self.tables.inner.lock().is_closed {
            match self.work_due() {
                Ok(true) => {}
                Ok(false) => match self.left() {
                    Some(left) => self.tables.wait_to_apply(left.min(PATIENCE)),
                    None => self.tables.wait_for_work(PATIENCE),
                },
                Err(error) => {
                    let error = mainstem_kernel::fault::chain(&error);
                    tracing::warn!(error, "could not put a checkpoint into the store");
                    self.tables.wait_for_close(PENANCE);
                }
            }
        }
    }

    /// Does what is due now, and lets changes wait for more until they are; whether there was
    /// something.
    ///
    /// # Errors
    /// As `work`.
    pub fn work_due(&mut self) -> Result<bool, TableError> {
        match self.left() {
            Some(left) if !left.is_zero() => self.tidy(),
            _ => self.work(),
        }
    }

    /// How long a checkpoint that waits may still do so; `None` if there is none.
    fn left(&mut self) -> Option<Duration> {
        let pointer = self.tables.pointer();
        if pointer.applied >= pointer.checkpoint {
            self.since = None;
            return None;
        }
        let now = self.tables.clock.monotonic();
        let since = *self.since.get_or_insert(now);
        if self.tables.is_filling() {
            return Some(Duration::ZERO);
        }
        let waited = now.saturating_sub(since);
        Some(self.tables.config.apply_interval.saturating_sub(waited))
    }

    /// Does what there is to do, without waiting for more; whether there was something. For tests
    /// and for whoever has a thread for several applications.
    ///
    /// # Errors
    /// What store and disk say; calling it again goes on.
    pub fn work(&mut self) -> Result<bool, TableError> {
        let target = self.tables.inner.lock().committed;
        if target > self.tables.pointer().applied {
            let is_whole = self.apply(target)?;
            if is_whole {
                self.since = None;
                self.tables.remove_files();
            }
            return Ok(is_whole);
        }
        self.tidy()
    }

    /// Everything but applying.
    fn tidy(&mut self) -> Result<bool, TableError> {
        if self.tables.forget_next()? || self.tables.index_next()? {
            return Ok(true);
        }
        self.tables.remove_files();
        self.refresh()?;
        Ok(false)
    }

    /// Puts everything up to checkpoint `target` into the store; whether it came to the end.
    fn apply(&mut self, target: u64) -> Result<bool, TableError> {
        let tables = Arc::clone(&self.tables);
        let mut writer = Writer::new(&tables);
        // Not the pointer, which would hold on to its snapshot.
        let pointer = tables.pointer();
        let (views, state) = (pointer.tables.clone(), Arc::clone(&pointer.state));
        drop(pointer);
        for (table, view) in &views {
            let sealed = view.stack.sealed(target);
            if !sealed.is_empty() {
                writer.put_rows(*table, view, InOrder::of(&sealed))?;
            }
        }
        writer.put_state(InOrder::of(&state.sealed(target)))?;
        if writer.is_cut {
            return Ok(false);
        }
        let note = tables.inner.lock().note_of(target);
        let (through, note) = note.unwrap_or_default();
        let applied = Applied {
            number: target,
            through,
            note,
        };
        let key = Applied::key(tables.redo.app());
        writer.batch.put(Space::Meta, &key, &applied.record());
        writer.flush()?;
        tables.store.persist()?;
        self.batches = tables.store.stats().batches;
        tables.note_applied(target, tables.store.snapshot()?)?;
        Ok(true)
    }

    /// Takes a newer snapshot, if other applications have written much since the last.
    fn refresh(&mut self) -> Result<(), TableError> {
        let batches = self.tables.store.stats().batches;
        if batches.saturating_sub(self.batches) >= SNAPSHOT_BATCHES {
            self.batches = batches;
            self.tables.take_snapshot()?;
        }
        Ok(())
    }
}

impl Tables {
    /// Readers find in the store what it has now, below the same layers.
    fn take_snapshot(&self) -> Result<(), TableError> {
        let snapshot = self.store.snapshot()?;
        let applied = self.pointer().applied;
        self.note_applied(applied, snapshot)
    }

    /// Readers find in the store what it has now, and no longer in layers.
    fn note_applied(&self, number: u64, snapshot: SharedSnapshot) -> Result<(), TableError> {
        let mut inner = self.inner.lock();
        self.swap(|pointer| {
            pointer.snapshot = snapshot;
            pointer.applied = number;
            pointer.forget_applied(number);
            Ok(())
        })?;
        inner.notes.retain(|own, _| *own > number);
        drop(inner);
        self.moved.notify_all();
        Ok(())
    }

    fn wait_for_work(&self, patience: Duration) {
        self.wait_until(patience, Self::is_applying);
    }

    /// Waits until what waits has to be applied.
    fn wait_to_apply(&self, patience: Duration) {
        self.wait_until(patience, Self::is_filling);
    }

    /// Whether changes have a good part of what they may take.
    fn is_filling(&self) -> bool {
        let limit = self.config.overlay_size_max.as_usize();
        self.overlay_size().as_usize() >= limit / OVERLAY_SHARE
    }

    fn wait_for_close(&self, patience: Duration) {
        self.wait_until(patience, |_| false);
    }
}

impl Pointer {
    /// Forgets layers that the snapshot has.
    fn forget_applied(&mut self, number: u64) {
        for view in self.tables.values_mut() {
            if !view.stack.sealed(number).is_empty() {
                let mut next = TableView::clone(view);
                next.stack.forget_applied(number);
                *view = Arc::new(next);
            }
        }
        if !self.state.sealed(number).is_empty() {
            Arc::make_mut(&mut self.state).forget_applied(number);
        }
    }
}

/// Gathers changes into batches of a bounded size.
pub(super) struct Writer<'a> {
    tables: &'a Tables,
    batch: Batch,
    /// Bytes written since readers got the last snapshot.
    since_snapshot: usize,
    /// The tables were closed: nothing more is written.
    is_cut: bool,
}

impl<'a> Writer<'a> {
    fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            batch: Batch::default(),
            since_snapshot: 0,
            is_cut: false,
        }
    }

    fn put_rows(
        &mut self,
        table: StreamId,
        view: &TableView,
        rows: InOrder<'_>,
    ) -> Result<(), TableError> {
        let prefix = table_prefix(table);
        let snapshot = SharedSnapshot::clone(&self.tables.pointer().snapshot);
        let due = DueWriter::new(view, snapshot, &mut self.batch)?;
        for (layer, row) in rows {
            if self.is_cut {
                return Ok(());
            }
            let key = layer.key(row);
            let written = layer.written(row);
            let is_deleted = layer.is_deleted(row);
            if let Some(due) = &due {
                let written = (!is_deleted).then_some(written);
                due.replace(&mut self.batch, key, written)?;
            }
            if is_deleted {
                self.batch.remove_parts(Space::Rows, &[&prefix, key]);
            } else {
                let header = stored_header(layer.version(), written);
                let value = [header.as_slice(), layer.value(row)];
                self.batch.put_parts(Space::Rows, &[&prefix, key], &value);
            }
            self.flush_if_full()?;
        }
        Ok(())
    }

    fn put_state(&mut self, rows: InOrder<'_>) -> Result<(), TableError> {
        for (layer, row) in rows {
            if self.is_cut {
                return Ok(());
            }
            let key = layer.key(row);
            if layer.is_deleted(row) {
                self.batch.remove(Space::State, key);
            } else {
                self.batch.put(Space::State, key, layer.value(row));
            }
            self.flush_if_full()?;
        }
        Ok(())
    }

    /// Between two rows: what belongs to one row is in one batch.
    fn flush_if_full(&mut self) -> Result<(), TableError> {
        // A row has up to three changes.
        if self.batch.len() + 3 > CHUNK_CHANGES || self.batch.bytes() > CHUNK_BYTES {
            self.flush()?;
            self.is_cut = self.tables.inner.lock().is_closed;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TableError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.since_snapshot += batch.bytes();
        self.tables.store.write(batch)?;
        if self.since_snapshot > SNAPSHOT_BYTES {
            self.since_snapshot = 0;
            self.tables.take_snapshot()?;
        }
        Ok(())
    }
}
