//! `FeedBuffer`: the newest changes, in memory, for those who follow them: steps without a gap, and
//! checkpoints. It never decodes a row.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use mainstem_kernel::{ByteSize, Seq, StreamId};

use super::Portion;
use crate::{layer::Layer, redo::Mark};

/// What a step or a checkpoint takes beside its rows, at least.
const ITEM_BYTES: usize = 128;

/// Changes in memory, the newest last.
#[derive(Debug, Default)]
pub(in crate::tables) struct FeedBuffer {
    /// Each begins where the one before ends.
    steps: VecDeque<FeedItem>,
    checkpoints: VecDeque<Arc<FeedItem>>,
    bytes: usize,
}

/// The changes of a step or of a checkpoint.
#[derive(Debug)]
pub(in crate::tables) struct FeedItem {
    /// Number of the checkpoint; 0 of a step.
    number: u64,
    previous: Seq,
    through: Seq,
    tables: HashMap<StreamId, Arc<Layer>>,
    bytes: usize,
}

impl FeedItem {
    pub(in crate::tables) fn of_checkpoint(mark: Mark, tables: &[(StreamId, Arc<Layer>)]) -> Self {
        Self {
            number: mark.number,
            ..Self::of_step(mark.previous, mark.through, tables.to_vec())
        }
    }

    pub(super) fn of_step(
        previous: Seq,
        through: Seq,
        tables: Vec<(StreamId, Arc<Layer>)>,
    ) -> Self {
        let bytes: usize = tables.iter().map(|(_, layer)| layer.bytes()).sum();
        Self {
            number: 0,
            previous,
            through,
            bytes: bytes + ITEM_BYTES,
            tables: tables.into_iter().collect(),
        }
    }

    pub(super) fn layer(&self, table: StreamId) -> Option<Arc<Layer>> {
        self.tables.get(&table).cloned()
    }
}

impl FeedBuffer {
    pub(in crate::tables) fn push_checkpoint(&mut self, item: FeedItem, size_max: ByteSize) {
        self.bytes += item.bytes;
        self.checkpoints.push_back(Arc::new(item));
        self.settle(size_max);
    }

    pub(super) fn push_step(&mut self, item: FeedItem, size_max: ByteSize) {
        self.bytes += item.bytes;
        self.steps.push_back(item);
        self.settle(size_max);
    }

    /// Nobody follows.
    pub(super) fn forget_steps(&mut self) {
        self.bytes -= self.steps.iter().map(|item| item.bytes).sum::<usize>();
        self.steps.clear();
    }

    /// Lets the oldest go beyond the limit: checkpoints first, which are in redo files too, then
    /// steps, but for the newest.
    fn settle(&mut self, size_max: ByteSize) {
        while self.bytes > size_max.as_usize() {
            let oldest = self.checkpoints.pop_front().map(|item| item.bytes);
            let oldest = oldest.or_else(|| self.oldest_step());
            let Some(bytes) = oldest else { return };
            self.bytes -= bytes;
        }
    }

    /// Takes the oldest step out, if there is a newer one; gives its size.
    fn oldest_step(&mut self) -> Option<usize> {
        let is_newest = self.steps.len() == 1;
        let oldest = self.steps.pop_front_if(|_oldest| !is_newest)?;
        Some(oldest.bytes)
    }

    pub(super) fn checkpoint(&self, number: u64) -> Option<Arc<FeedItem>> {
        let at = self
            .checkpoints
            .partition_point(|item| item.number < number);
        let item = self.checkpoints.get(at)?;
        (item.number == number).then(|| Arc::clone(item))
    }

    /// The steps that changed a table behind `after`, if they reach back so far.
    pub(super) fn steps_behind(
        &self,
        (table, after, bytes_max): (StreamId, Seq, usize),
    ) -> Option<Portion> {
        let first = self.steps.partition_point(|item| item.through <= after);
        if self.steps.get(first)?.previous > after {
            return None;
        }
        let (mut layers, mut through, mut bytes) = (Vec::new(), after, 0);
        for item in self.steps.range(first..) {
            if bytes >= bytes_max && !layers.is_empty() {
                break;
            }
            if let Some(layer) = item.layer(table) {
                bytes += layer.bytes();
                layers.push(layer);
            }
            through = item.through;
        }
        Some((layers, through))
    }
}
