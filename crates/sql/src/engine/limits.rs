//! What a question may take: a turn, memory, time. Never anything about its meaning.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use datafusion::{
    common::{DataFusionError, Result},
    execution::memory_pool::{GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation},
};
use mainstem_kernel::{ByteSize, TenantId};
use parking_lot::Mutex;

use crate::error::QueryError;

/// Turns of tenants: each has so many at once.
#[derive(Debug)]
pub(crate) struct Turns {
    limit: usize,
    taken: Mutex<HashMap<TenantId, usize>>,
}

/// A turn, given back on drop.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    tenant: TenantId,
}

impl Turns {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            taken: Mutex::default(),
        })
    }

    /// Takes a turn.
    ///
    /// # Errors
    /// `Busy` when the tenant has all of its turns.
    pub(crate) fn take(self: &Arc<Self>, tenant: TenantId) -> Result<Turn, QueryError> {
        let mut taken = self.taken.lock();
        let count = taken.entry(tenant).or_default();
        if *count >= self.limit {
            return Err(QueryError::Busy {
                tenant,
                limit: self.limit,
            });
        }
        *count = count.saturating_add(1);
        Ok(Turn {
            turns: Arc::clone(self),
            tenant,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock();
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

/// A query asked for more memory than there is for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("more than {limit}")]
pub(crate) struct OutOfMemory {
    limit: ByteSize,
    of_all: bool,
}

impl From<OutOfMemory> for QueryError {
    fn from(out: OutOfMemory) -> Self {
        match out.of_all {
            true => Self::MemoryOfAll { limit: out.limit },
            false => Self::Memory { limit: out.limit },
        }
    }
}

/// Memory of all queries.
#[derive(Debug)]
pub(crate) struct Memory {
    pool: GreedyMemoryPool,
    limit: usize,
}

impl Memory {
    pub(crate) fn new(limit: ByteSize) -> Arc<Self> {
        let limit = limit.as_usize();
        Arc::new(Self {
            pool: GreedyMemoryPool::new(limit),
            limit,
        })
    }
}

/// Memory of one query, within the memory of all.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    all: Arc<Memory>,
    limit: usize,
    used: AtomicUsize,
}

impl QueryMemory {
    pub(crate) fn new(all: &Arc<Memory>, limit: ByteSize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::clone(all),
            limit: limit.as_usize(),
            used: AtomicUsize::new(0),
        })
    }

    fn refuse(limit: usize, of_all: bool) -> DataFusionError {
        DataFusionError::External(Box::new(OutOfMemory {
            limit: ByteSize::from(limit),
            of_all,
        }))
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query memory of {}", ByteSize::from(self.limit))
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &'static str {
        "query"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
        self.all.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
        self.all.pool.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let grown = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(additional)
                    .filter(|sum| *sum <= self.limit)
            });
        if grown.is_err() {
            return Err(Self::refuse(self.limit, false));
        }
        self.all
            .pool
            .try_grow(reservation, additional)
            .map_err(|_full| {
                self.used.fetch_sub(additional, Ordering::Relaxed);
                Self::refuse(self.all.limit, true)
            })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
