//! Removes from the store what was forgotten, in chunks. Never anything that a reader can ask for.

use std::ops::ControlFlow;

use mainstem_kernel::StreamId;
use mainstem_store::{Batch, KeyRange, Space};

use super::{super::open::due_mark, CHUNK_CHANGES};
use crate::{
    codec::table_prefix,
    errors::TableError,
    tables::{Forget, Tables},
};

impl Tables {
    /// Removes the next thing that was forgotten; whether there was one.
    pub(super) fn forget_next(&self) -> Result<bool, TableError> {
        let applied = self.pointer().applied;
        let inner = self.inner.lock();
        let next = inner
            .forgotten
            .iter()
            .find(|(after, _)| *after <= applied)
            .cloned();
        drop(inner);
        let Some(next) = next else { return Ok(false) };
        match &next.1 {
            Forget::Table(table) => self.remove_table(*table)?,
            Forget::State(prefix) => self.remove_all(Space::State, prefix)?,
        }
        self.store.persist()?;
        self.inner.lock().forgotten.retain(|other| *other != next);
        Ok(true)
    }

    fn remove_table(&self, table: StreamId) -> Result<(), TableError> {
        let prefix = table_prefix(table);
        self.remove_all(Space::Rows, &prefix)?;
        self.remove_all(Space::Due, &prefix)?;
        let mut batch = Batch::default();
        batch.remove(Space::Meta, &due_mark(table));
        Ok(self.store.write(batch)?)
    }

    fn remove_all(&self, space: Space, prefix: &[u8]) -> Result<(), TableError> {
        let snapshot = self.store.snapshot()?;
        let mut range = KeyRange::prefix(prefix);
        loop {
            let mut batch = Batch::default();
            let mut last = Vec::new();
            let mut visit = |key: &[u8], _: &[u8]| {
                batch.remove(space, key);
                last.clear();
                last.extend_from_slice(key);
                if batch.len() < CHUNK_CHANGES {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            snapshot.scan(space, &range, &mut visit)?;
            if batch.is_empty() {
                return Ok(());
            }
            range = range.after(&last);
            self.store.write(batch)?;
        }
    }
}
