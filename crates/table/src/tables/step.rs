//! Steps: the frontier moves, and all changes of a step become visible at once. No I/O.

use std::sync::Arc;

use arrow::array::RecordBatch;
use mainstem_kernel::{Seq, StreamId};
use mainstem_log::Frame;

use super::Tables;
use crate::{
    changed::Changed,
    errors::TableError,
    pointer::{Pointer, StreamRows, TableView},
    stack::{Merger, Part},
};

/// What one step did.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Where the frontier moves.
    pub through: Seq,
    /// Net changes, at most one entry per table or keyed view.
    pub changed: Vec<Changed>,
    /// Rows of views that are streams of the log, to be seen before they are in it.
    pub emitted: Vec<(StreamId, RecordBatch)>,
}

/// Whether changes may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Go on.
    Ample,
    /// Changes have reached their limit: checkpoint, then wait with `Tables::wait_for_room` before the
    /// next step.
    Full,
}

impl Tables {
    /// Takes in a step: its changes are visible, all at once, when this returns. Costs 100 to
    /// 200 ns per changed row.
    ///
    /// # Errors
    /// `Order`, `Unknown`, or `Shape`, `KeyTooLong` and `TooMuch` of a change: nothing is visible
    /// of the step then.
    pub fn advance(&self, step: Step) -> Result<Room, TableError> {
        // Encoding is most of the work, and needs no lock: one thread drives steps.
        let before = self.pointer();
        let mut layers = Vec::with_capacity(step.changed.len());
        for changed in &step.changed {
            if changed.rows.num_rows() > 0 {
                let layer = changed.layer(before.codec(changed.table)?)?;
                layers.push((changed.table, Arc::new(layer)));
            }
        }
        let previous = before.frontier;
        drop(before);
        let mut inner = self.inner.lock();
        let told = layers.clone();
        self.swap(|pointer| {
            if step.through < pointer.frontier {
                return Err(TableError::Order {
                    through: step.through,
                    frontier: pointer.frontier,
                });
            }
            pointer.frontier = step.through;
            for (table, layer) in layers {
                pointer.change(table, |view| {
                    let merger = Merger {
                        hasher: &self.hasher,
                        codec: Some(&view.codec),
                    };
                    view.stack.push(layer, Part::Step, merger)
                })?;
            }
            for (view, rows) in step.emitted {
                let stream = pointer.streams.entry(view).or_default();
                Arc::make_mut(stream).waiting.push(rows);
            }
            Ok(())
        })?;
        self.feed_step(&mut inner.feed, (previous, step.through), told);
        drop(inner);
        self.frontier.send_replace(step.through);
        self.moved.notify_all();
        Ok(self.room())
    }

    /// The net changes of a table in frames of its change stream; `None` if they hold no row.
    ///
    /// # Errors
    /// `Unknown`, or as `Changed::from_frames`.
    pub fn changed(
        &self,
        table: StreamId,
        frames: &[Frame],
    ) -> Result<Option<Changed>, TableError> {
        let pointer = self.pointer();
        Changed::from_frames(pointer.codec(table)?, frames)
    }

    /// Says that the first `batches` that wait of a stream view are in the log, the last of them
    /// at `at`: readers find them there from now on.
    ///
    /// # Errors
    /// None of its own; see `Tables`.
    pub fn appended(&self, view: StreamId, batches: usize, at: Seq) -> Result<(), TableError> {
        let _inner = self.inner.lock();
        self.swap(|pointer| {
            let stream = pointer.streams.entry(view).or_default();
            let stream: &mut StreamRows = Arc::make_mut(stream);
            stream.waiting.drain(..batches.min(stream.waiting.len()));
            stream.cut = stream.cut.max(at);
            Ok(())
        })
    }
}

impl Pointer {
    /// Changes one table of a pointer that nobody sees yet.
    pub(crate) fn change(
        &mut self,
        table: StreamId,
        change: impl FnOnce(&mut TableView) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let view = self.tables.get_mut(&table);
        let view = view.ok_or(TableError::Unknown { table })?;
        let mut next = TableView::clone(view);
        change(&mut next)?;
        *view = Arc::new(next);
        Ok(())
    }
}
