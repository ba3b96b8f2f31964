//! `MemoryStore`: a store in memory, for tests of the parts above, and as the model of the others.
//!
//! It keeps every promise of [`Keyed`] but durability. A key keeps the versions that some snapshot
//! still sees, and no others.

use std::{collections::BTreeMap, fmt, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use mainstem_kernel::ByteSize;
use parking_lot::RwLock;

use crate::{
    Batch, KeyRange, Keyed, SharedSnapshot, Snapshot, Space, StoreError, StoreStats, Visit,
};

/// Versions of a key, oldest first, each with the batch that wrote it; `None` is a removal.
type Versions = Vec<(u64, Option<Bytes>)>;

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    spaces: BTreeMap<Space, BTreeMap<Bytes, Versions>>,
    /// Number of the last batch.
    batch: u64,
    /// How many snapshots see each batch as the last one.
    seen: BTreeMap<u64, usize>,
    /// Keys that may be gone altogether once no snapshot sees their last value.
    removed: Vec<(Space, Bytes)>,
    bytes: usize,
}

struct MemorySnapshot {
    inner: Arc<RwLock<Inner>>,
    batch: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Inner {
    fn put(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        let oldest = self.seen.keys().next().copied().unwrap_or(self.batch);
        let versions = self.spaces.entry(space).or_default().entry(key.clone());
        let versions = versions.or_default();
        let before = size_of_versions(versions);
        if value.is_none() {
            self.removed.push((space, key));
        }
        // What no snapshot saw needs not be kept.
        let newest = self.seen.keys().next_back().copied();
        versions.retain(|(batch, _)| newest.is_some_and(|newest| *batch <= newest));
        versions.push((self.batch, value));
        prune(versions, oldest);
        self.bytes = self.bytes + size_of_versions(versions) - before;
    }

    /// Takes out keys that no snapshot sees any more.
    fn sweep(&mut self) {
        let oldest = self.seen.keys().next().copied().unwrap_or(self.batch);
        let mut waiting = Vec::new();
        for (space, key) in std::mem::take(&mut self.removed) {
            let Some(keys) = self.spaces.get_mut(&space) else {
                continue;
            };
            let Some(versions) = keys.get_mut(&key) else {
                continue;
            };
            let before = size_of_versions(versions);
            prune(versions, oldest);
            self.bytes = self.bytes + size_of_versions(versions) - before;
            match versions.as_slice() {
                [(batch, None)] if *batch <= oldest => drop(keys.remove(&key)),
                [(_, Some(_))] => {}
                _ => waiting.push((space, key)),
            }
        }
        self.removed = waiting;
    }
}

/// Leaves the newest version that the oldest snapshot sees, and all after it.
fn prune(versions: &mut Versions, oldest: u64) {
    let seen = versions.partition_point(|(batch, _)| *batch <= oldest);
    versions.drain(..seen.saturating_sub(1));
}

fn size_of_versions(versions: &Versions) -> usize {
    let values = versions.iter().map(|(_, value)| value.as_ref());
    values.map(|value| value.map_or(0, Bytes::len)).sum()
}

fn visible(versions: &Versions, batch: u64) -> Option<&Bytes> {
    let seen = versions.partition_point(|(written, _)| *written <= batch);
    let (_, value) = versions.get(seen.checked_sub(1)?)?;
    value.as_ref()
}

impl Keyed for MemoryStore {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let changes = batch.into_changes()?;
        let mut inner = self.inner.write();
        inner.batch += 1;
        for change in changes {
            inner.put(change.space, change.key, change.value);
        }
        inner.sweep();
        Ok(())
    }

    fn snapshot(&self) -> Result<SharedSnapshot, StoreError> {
        let mut inner = self.inner.write();
        let batch = inner.batch;
        *inner.seen.entry(batch).or_default() += 1;
        Ok(Arc::new(MemorySnapshot {
            inner: Arc::clone(&self.inner),
            batch,
        }))
    }

    fn persist(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        let inner = self.inner.read();
        StoreStats {
            batches: inner.batch,
            size: ByteSize::from(inner.bytes),
            buffered: ByteSize(0),
        }
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        // A visitor may read too, while a writer waits.
        let inner = self.inner.read_recursive();
        let versions = inner.spaces.get(&space).and_then(|keys| keys.get(key));
        Ok(versions.and_then(|versions| visible(versions, self.batch).cloned()))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let inner = self.inner.read_recursive();
        let Some(keys) = inner.spaces.get(&space) else {
            return Ok(());
        };
        for (key, versions) in keys.range::<[u8], _>(range.bounds()) {
            if let Some(value) = visible(versions, self.batch)
                && visit(key, value) == ControlFlow::Break(())
            {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        let mut inner = self.inner.write();
        if let Some(count) = inner.seen.get_mut(&self.batch) {
            *count -= 1;
            if *count == 0 {
                inner.seen.remove(&self.batch);
            }
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MemorySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySnapshot")
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
