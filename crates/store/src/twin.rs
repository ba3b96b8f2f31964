//! `TwinStore`: a store in memory that loses what was not persisted, and fails on demand.
//!
//! For tests of the parts above, as `disk::TwinDisk` is for files: what no real store promises to
//! keep, this one may lose. It never touches the machine.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use crate::{Batch, Keyed, MemoryStore, SharedSnapshot, StoreError, StoreStats};

/// A store in memory whose unpersisted batches a crash may take. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct TwinStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Arc<MemoryStore>,
    persisted: Vec<Batch>,
    pending: Vec<Batch>,
    calls: u64,
    /// The call that is to fail.
    fail: Option<u64>,
}

impl TwinStore {
    /// What a crash leaves, as a store of its own: what was persisted, and some first ones of the
    /// other batches, by this seed.
    ///
    /// # Errors
    /// What the memory store says of the batches that it has had before.
    pub fn crash(&self, seed: u64) -> Result<Self, StoreError> {
        let inner = self.inner.lock();
        let batches = u64::try_from(inner.pending.len()).unwrap_or(u64::MAX);
        let kept = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % (batches + 1);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let kept = inner.pending.iter().take(kept);
        let persisted: Vec<Batch> = inner.persisted.iter().chain(kept).cloned().collect();
        let now = MemoryStore::new();
        for batch in &persisted {
            now.write(batch.clone())?;
        }
        let next = Inner {
            now: Arc::new(now),
            persisted,
            ..Inner::default()
        };
        Ok(Self {
            inner: Arc::new(Mutex::new(next)),
        })
    }

    /// How often `write` and `persist` were called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.lock().calls
    }

    /// Lets a call fail, counted from 0 as [`TwinStore::calls`] counts them.
    pub fn fail(&self, call: u64) {
        self.inner.lock().fail = Some(call);
    }
}

impl Inner {
    fn call(&mut self) -> Result<(), StoreError> {
        self.calls += 1;
        if self.fail == Some(self.calls - 1) {
            return Err(StoreError::Poisoned {
                folder: PathBuf::from("/twin"),
            });
        }
        Ok(())
    }
}

impl Keyed for TwinStore {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.call()?;
        inner.now.write(batch.clone())?;
        inner.pending.push(batch);
        Ok(())
    }

    fn snapshot(&self) -> Result<SharedSnapshot, StoreError> {
        self.inner.lock().now.snapshot()
    }

    fn persist(&self) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.call()?;
        let pending = std::mem::take(&mut inner.pending);
        inner.persisted.extend(pending);
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        self.inner.lock().now.stats()
    }
}
