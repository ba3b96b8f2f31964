//! A store that forgets what was not persisted, and fails on demand.

use std::sync::Arc;

use mainstem_store::{
    Batch, Keyed, MemoryStore, SharedSnapshot, SharedStore, StoreError, StoreStats,
};
use parking_lot::Mutex;

use crate::world::Random;

/// A store in memory whose unpersisted batches a crash may take. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrashStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Arc<MemoryStore>,
    persisted: Vec<Batch>,
    pending: Vec<Batch>,
    /// Calls of `write` and `persist` so far.
    calls: u64,
    /// The call that is to fail.
    fail: Option<u64>,
}

impl CrashStore {
    pub(crate) fn shared(&self) -> SharedStore {
        Arc::new(self.clone())
    }

    /// What a crash leaves: what was persisted, and some first ones of the other batches.
    pub(crate) fn crash(&self, random: &mut Random) -> Self {
        let inner = self.inner.lock();
        let kept = random.below(inner.pending.len() + 1);
        let batches = inner
            .persisted
            .iter()
            .chain(inner.pending.iter().take(kept));
        let persisted: Vec<Batch> = batches.cloned().collect();
        let now = MemoryStore::new();
        for batch in &persisted {
            now.write(batch.clone()).unwrap();
        }
        let next = Inner {
            now: Arc::new(now),
            persisted,
            ..Inner::default()
        };
        Self {
            inner: Arc::new(Mutex::new(next)),
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.inner.lock().calls
    }

    pub(crate) fn fail(&self, call: u64) {
        self.inner.lock().fail = Some(call);
    }
}

impl Inner {
    fn call(&mut self) -> Result<(), StoreError> {
        self.calls += 1;
        if self.fail == Some(self.calls - 1) {
            return Err(StoreError::Poisoned {
                folder: "/twin".into(),
            });
        }
        Ok(())
    }
}

impl Keyed for CrashStore {
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
