//! When the next row outlives its time: for whoever lets the log move on, so that it goes though nothing
//! comes. It looks into the store alone; rows that are not there yet get there with a checkpoint.
//!
//! Of each table the oldest row of the store that is not due yet is remembered. What a later checkpoint
//! puts there was written later, so what is remembered is never too late; of one that may be there in part, because it
//! is on its way, older rows may still come, so it is looked for anew once it is there. It is too early if that row was
//! written anew: then the next one is looked for when the frontier has passed it. So the store is looked into once
//! for each time that rows go, and, while it has none, once per checkpoint.

use std::{
    ops::{Bound, ControlFlow},
    time::Duration,
};

use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{KeyRange, Space};

use super::due_before;
use crate::{codec::table_prefix, errors::TableError, pointer::Pointer, tables::Tables};

/// What was found last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The checkpoint that the store held.
    applied: u64,
    /// Whether none was on its way there.
    is_whole: bool,
    /// When the oldest row is due, if there is one.
    due: Option<Seq>,
}

impl Known {
    fn holds(&self, pointer: &Pointer) -> bool {
        let is_same = self.applied == pointer.applied;
        match self.due {
            Some(due) => due > pointer.frontier && (self.is_whole || is_same),
            None => is_same,
        }
    }
}

impl Tables {
    /// A seq behind the frontier such that no row of the store outlives its time before it, and one may
    /// there; `None` if no row of the store ever does.
    ///
    /// # Errors
    /// What the store says.
    pub fn next_expiry(&self) -> Result<Option<Seq>, TableError> {
        let pointer = self.pointer();
        let mut next: Option<Seq> = None;
        for (table, view) in &pointer.tables {
            let Some(ttl) = view.codec.table().ttl else {
                continue;
            };
            if let Some(due) = self.next_of(&pointer, *table, ttl)? {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        Ok(next)
    }

    fn next_of(
        &self,
        pointer: &Pointer,
        table: StreamId,
        ttl: Duration,
    ) -> Result<Option<Seq>, TableError> {
        let known = self.inner.lock().due.get(&table).and_then(|hint| hint.next);
        if let Some(known) = known.filter(|known| known.holds(pointer)) {
            return Ok(known.due);
        }
        // What is due by now was given to a step.
        let from = due_before(pointer.frontier, ttl).unwrap_or(Seq::ZERO);
        let written = pointer.first_written(table, from)?;
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let due = written.map(|written| Seq::from_millis(written.millis().saturating_add(ttl)));
        let known = Known {
            applied: pointer.applied,
            is_whole: pointer.applied == pointer.checkpoint,
            due,
        };
        self.inner.lock().due.entry(table).or_default().next = Some(known);
        Ok(due)
    }
}

impl Pointer {
    /// When the oldest row of the store was written, of those that were written at a seq or later.
    fn first_written(&self, table: StreamId, from: Seq) -> Result<Option<Seq>, TableError> {
        let prefix = table_prefix(table);
        let mut range = KeyRange::prefix(&prefix);
        let start = [prefix.as_slice(), &from.0.to_be_bytes()].concat();
        range.start = Bound::Included(start);
        let mut first = None;
        let mut visit = |entry: &[u8], _: &[u8]| {
            let rest = entry.get(prefix.len()..).unwrap_or_default();
            let written = rest.first_chunk::<8>();
            first = written.map(|written| Seq(u64::from_be_bytes(*written)));
            ControlFlow::Break(())
        };
        self.snapshot.scan(Space::Due, &range, &mut visit)?;
        Ok(first)
    }
}
