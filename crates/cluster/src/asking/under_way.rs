//! `UnderWay`: what a question holds until its answer is read or dropped: a turn, and relations in
//! Spark's session.

use std::{fmt, sync::Arc};

use mainstem_kernel::{TenantId, fault::chain, spawn::SharedSpawn};
use mainstem_sql::QueryError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::quoted;
use crate::spark::Spark;

/// How many questions may be under way at once.
#[derive(Debug)]
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    limit: usize,
}

impl Turns {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// A turn, if there is one.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn take(&self, tenant: TenantId) -> Result<OwnedSemaphorePermit, QueryError> {
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        turn.map_err(|_none| QueryError::Busy {
            tenant,
            limit: self.limit,
        })
    }
}

/// What a question holds. Dropped, it gives all of it back.
pub(super) struct UnderWay {
    pub(super) spark: Spark,
    pub(super) spawn: SharedSpawn,
    /// Names of relations.
    pub(super) views: Vec<String>,
    pub(super) _turn: OwnedSemaphorePermit,
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay")
            .field("views", &self.views)
            .finish_non_exhaustive()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let views = std::mem::take(&mut self.views);
        if views.is_empty() {
            return;
        }
        let spark = self.spark.clone();
        let forget = async move {
            for view in views {
                let statement = format!("DROP VIEW IF EXISTS {}", quoted(&view));
                if let Err(error) = spark.run(&statement).await {
                    // A session that is gone has forgotten it.
                    tracing::debug!(view, error = chain(&error), "a relation was not dropped");
                }
            }
        };
        self.spawn.task("asking-forget", Box::pin(forget));
    }
}
