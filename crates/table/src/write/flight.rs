//! `Flight`: effects that are durable and that no step has taken in yet. Never anything that is
//! not durable.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{Seq, StreamId};

use crate::{
    codec::RowCodec,
    errors::TableError,
    layer::Layer,
    pointer::Pointer,
    stack::{Merger, Part, Stack},
};

/// Effects that are durable and that no step has taken in yet.
#[derive(Debug, Default)]
pub(super) struct Flight {
    tables: BTreeMap<StreamId, Stack>,
    /// The last of them.
    last: Seq,
}

impl Flight {
    /// The last effect that was made durable here.
    pub(super) const fn last(&self) -> Seq {
        self.last
    }

    /// Memory of all.
    pub(super) fn bytes(&self) -> usize {
        self.tables.values().map(Stack::bytes).sum()
    }

    /// Adds effects that have become durable.
    pub(super) fn add(
        &mut self,
        codec: &RowCodec,
        layer: Layer,
        seq: Seq,
    ) -> Result<(), TableError> {
        let merger = Merger {
            hasher: codec.hasher(),
            codec: Some(codec),
        };
        let stack = self.tables.entry(codec.table().id).or_default();
        stack.push(Arc::new(layer), Part::Flight, merger)?;
        self.last = self.last.max(seq);
        Ok(())
    }

    /// Forgets what the frontier has reached, and puts the rest over a pointer.
    pub(super) fn put_over(&mut self, mut pointer: Pointer) -> Pointer {
        let frontier = pointer.frontier();
        self.tables.retain(|_, stack| {
            stack.forget_seen(frontier);
            stack.newest_first().next().is_some()
        });
        for (table, stack) in &self.tables {
            let put = pointer.change(*table, |view| {
                let mut entries: Vec<_> = stack.newest_first().collect();
                entries.reverse();
                for entry in entries {
                    view.stack.put(Arc::clone(&entry.layer), Part::Flight);
                }
                Ok(())
            });
            if put.is_err() {
                // The table was forgotten: nobody can ask for its rows.
                tracing::debug!(%table, "left out effects on a table that is not defined");
            }
        }
        pointer
    }
}
