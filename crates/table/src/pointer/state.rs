//! State of operators as of the last checkpoint, whether the store has it yet or not.
//! Never interprets a key or a value.

use std::ops::ControlFlow;

use bytes::Bytes;
use mainstem_store::{KeyRange, Space, Visit};

use super::{
    Pointer,
    merge::{Merge, Pair},
};
use crate::errors::TableError;

/// Pairs that are read of the store at a time.
const CHUNK_PAIRS: usize = 1_024;

impl Pointer {
    /// The state of a key.
    ///
    /// # Errors
    /// What the store says.
    pub fn state(&self, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        let hash = self.state_hasher.hash(key);
        for entry in self.state.newest_first() {
            if let Some(row) = entry.layer.find(key, hash) {
                let is_there = !entry.layer.is_deleted(row);
                return Ok(is_there.then(|| entry.layer.shared_value(row)));
            }
        }
        Ok(self.snapshot.get(Space::State, key)?)
    }

    /// Calls `visit` with the state of all keys in a range, in the order of bytes, until it breaks.
    ///
    /// # Errors
    /// What the store says.
    pub fn scan_state(&self, range: &KeyRange, visit: &mut Visit<'_>) -> Result<(), TableError> {
        let mut merge = Merge::new(
            &self.state,
            (&self.snapshot, self.frontier),
            (Space::State, &[]),
            range,
        );
        loop {
            let sources = merge.advance(CHUNK_PAIRS)?;
            if sources.is_empty() {
                return Ok(());
            }
            for source in sources {
                let flow = match merge.pair(source) {
                    Some(Pair::Layer(layer, row)) => visit(layer.key(row), layer.value(row)),
                    Some(Pair::Stored(key, value)) => visit(key, value),
                    None => ControlFlow::Continue(()),
                };
                if flow == ControlFlow::Break(()) {
                    return Ok(());
                }
            }
        }
    }
}
