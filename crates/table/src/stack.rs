//! `Stack`: the layers of one table over the store, the newest counts.
//!
//! Four neighbours of one level become one of the next, so that a table with `n` layers put on it
//! is read in at most `3·log₄ n` of them, and each row is copied `log₄ n` times. Large ones are not
//! merged: those of steps only while that takes few milliseconds, because all readers wait for a
//! step, and the next checkpoint merges the rest; those of checkpoints because the store has them
//! before they are many. Of state, that is of few keys and large values, few bytes are. Layers of steps are not mixed with those of checkpoints: a
//! committed checkpoint is one layer, and goes when the store has it. It never touches the store.

use std::sync::Arc;

use mainstem_kernel::Seq;

use crate::{
    codec::{RowCodec, RowHasher},
    errors::TableError,
    layer::{LAYER_BYTES_MAX, Layer, LayerParts, Strings, merge},
};

/// Layers of one level that become one of the next.
const FAN: usize = 4;

/// Bytes of layers of steps that are merged at once.
const STEP_MERGE_BYTES_MAX: usize = 4 << 20;

/// Bytes of layers of checkpoints that are merged at once.
const SEALED_MERGE_BYTES_MAX: usize = 32 << 20;

/// The same of state.
const STATE_MERGE_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(SEALED_MERGE_BYTES_MAX < LAYER_BYTES_MAX);

/// Where a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From checkpoints up to this number.
    Sealed(u64),
    /// From steps after the last checkpoint.
    Step,
    /// From writes that no step has taken in yet: only its rows behind the frontier count.
    Flight,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) layer: Arc<Layer>,
    pub(crate) part: Part,
    level: u8,
}

/// How layers of a table are merged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merger<'a> {
    pub(crate) hasher: &'a RowHasher,
    /// `None` for state.
    pub(crate) codec: Option<&'a RowCodec>,
}

/// The layers of one table over the store, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    entries: Vec<Entry>,
}

impl Stack {
    /// The layers, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Number of layers.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Memory of all layers.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.layer.bytes()).sum()
    }

    /// Puts a layer on top.
    pub(crate) fn push(
        &mut self,
        layer: Arc<Layer>,
        part: Part,
        merger: Merger<'_>,
    ) -> Result<(), TableError> {
        self.entries.push(Entry {
            layer,
            part,
            level: 0,
        });
        self.settle(self.entries.len(), merger)
    }

    /// Puts a layer on top without merging.
    pub(crate) fn put(&mut self, layer: Arc<Layer>, part: Part) {
        self.entries.push(Entry {
            layer,
            part,
            level: 0,
        });
    }

    /// Makes all layers from steps those of checkpoint `number`, and gives them. They are not mixed
    /// with others before it is committed: the store must be able to take it alone.
    pub(crate) fn seal(&mut self, number: u64) -> Vec<Entry> {
        let mut sealed = Vec::new();
        for entry in &mut self.entries {
            if entry.part == Part::Step {
                entry.part = Part::Sealed(number);
                sealed.push(entry.clone());
            }
        }
        sealed
    }

    /// Puts one layer in the place of those of checkpoint `number`.
    pub(crate) fn put_merged(&mut self, number: u64, layer: Arc<Layer>) {
        let is_own = |entry: &Entry| entry.part == Part::Sealed(number);
        let Some(first) = self.entries.iter().position(is_own) else {
            return;
        };
        self.entries.retain(|entry| !is_own(entry));
        let merged = Entry {
            layer,
            part: Part::Sealed(number),
            level: 0,
        };
        self.entries.insert(first, merged);
    }

    /// Whether no newer layer has the key of this row.
    pub(crate) fn is_newest(&self, layer: &Arc<Layer>, row: usize, hasher: &RowHasher) -> bool {
        let key = layer.key(row);
        let hash = hasher.hash(key);
        let newest = self
            .newest_first()
            .find(|entry| entry.layer.find(key, hash).is_some());
        newest.is_some_and(|entry| Arc::ptr_eq(&entry.layer, layer))
    }

    /// Merges checkpoints, all of which are committed.
    pub(crate) fn settle_sealed(&mut self, merger: Merger<'_>) -> Result<(), TableError> {
        let is_sealed = |entry: &Entry| matches!(entry.part, Part::Sealed(_));
        let end = self.entries.iter().take_while(|entry| is_sealed(entry));
        let end = end.count();
        self.settle(end, merger)
    }

    /// The layers of checkpoints up to `number`, oldest first.
    pub(crate) fn sealed(&self, number: u64) -> Vec<Entry> {
        let own = |entry: &&Entry| matches!(entry.part, Part::Sealed(own) if own <= number);
        self.entries.iter().filter(own).cloned().collect()
    }

    /// Forgets layers that the store holds up to checkpoint `number`.
    pub(crate) fn forget_applied(&mut self, number: u64) {
        self.entries.retain(|entry| match entry.part {
            Part::Sealed(own) => own > number,
            Part::Step | Part::Flight => true,
        });
    }

    /// Forgets layers of writes that are all at or before the frontier.
    pub(crate) fn forget_seen(&mut self, frontier: Seq) {
        self.entries.retain(|entry| {
            let rows = 0..entry.layer.len();
            let is_ahead = rows
                .into_iter()
                .any(|row| entry.layer.written(row) > frontier);
            entry.part != Part::Flight || is_ahead
        });
    }

    /// Merges neighbours of one level below `end` until there are fewer than four of each.
    fn settle(&mut self, mut end: usize, merger: Merger<'_>) -> Result<(), TableError> {
        while let Some(first) = end.checked_sub(FAN) {
            let last = self.entries.get(first..end).unwrap_or_default();
            let Some(newest) = last.last() else { break };
            let (level, part) = (newest.level, newest.part);
            let alike = |entry: &Entry| entry.level == level && entry.part.is_like(part);
            let bytes: usize = last.iter().map(|entry| entry.layer.bytes()).sum();
            let most = match part {
                Part::Step => STEP_MERGE_BYTES_MAX,
                Part::Sealed(_) if merger.codec.is_none() => STATE_MERGE_BYTES_MAX,
                Part::Sealed(_) => SEALED_MERGE_BYTES_MAX,
                Part::Flight => LAYER_BYTES_MAX,
            };
            if bytes > most || !last.iter().all(alike) {
                break;
            }
            let merged = Entry {
                layer: merger.merge(last)?,
                part,
                level: level.saturating_add(1),
            };
            drop(self.entries.splice(first..end, [merged]));
            end = first + 1;
        }
        Ok(())
    }
}

impl Part {
    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Merger<'_> {
    /// One layer of several, which are given oldest first.
    pub(crate) fn merge(&self, entries: &[Entry]) -> Result<Arc<Layer>, TableError> {
        let layers: Vec<_> = entries
            .iter()
            .map(|entry| Arc::clone(&entry.layer))
            .collect();
        self.merge_layers(&layers)
    }

    /// The same, of layers.
    pub(crate) fn merge_layers(&self, layers: &[Arc<Layer>]) -> Result<Arc<Layer>, TableError> {
        if let [only] = layers {
            return Ok(Arc::clone(only));
        }
        let mut layers: Vec<_> = layers.iter().rev().collect();
        let mut versions = layers.iter().map(|layer| layer.version());
        let first = versions.next();
        let is_mixed = versions.any(|version| Some(version) != first);
        let mut newest = Vec::new();
        if let (true, Some(codec)) = (is_mixed, self.codec) {
            // Columns change rarely, so this may take its time.
            let upgraded = layers.iter().map(|layer| upgrade(layer, codec));
            newest = upgraded.collect::<Result<_, _>>()?;
            layers = newest.iter().collect();
        }
        let layers: Vec<&Layer> = layers.into_iter().map(AsRef::as_ref).collect();
        let merged = merge(&layers, self.hasher)?;
        drop(newest);
        Ok(Arc::new(merged))
    }
}

/// A layer with the newest columns of a table.
fn upgrade(layer: &Arc<Layer>, codec: &RowCodec) -> Result<Arc<Layer>, TableError> {
    if layer.version() == codec.table().version {
        return Ok(Arc::clone(layer));
    }
    let live = |row: &usize| !layer.is_deleted(*row);
    let rows: Vec<usize> = (0..layer.len()).filter(live).collect();
    let refs: Vec<_> = rows.iter().map(|row| layer.row(*row)).collect();
    let newest = codec.values(&codec.decode(&refs)?)?;
    let parts = layer.parts();
    let mut values = Strings::with_capacity(layer.len(), newest.value_data().len());
    let mut next = 0;
    for row in 0..layer.len() {
        if layer.is_deleted(row) {
            values.push(&[])?;
        } else {
            values.push(newest.value(next))?;
            next += 1;
        }
    }
    let parts = LayerParts {
        version: codec.table().version,
        values: values.finish().into(),
        ..parts
    };
    let built = parts.build_hashing(codec.hasher());
    built
        .map(Arc::new)
        .map_err(|row| codec.shape(format!("row {row} has the key of another")))
}

#[cfg(test)]
mod tests;
