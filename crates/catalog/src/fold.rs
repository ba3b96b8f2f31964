//! The catalog: definitions as a fold over stream 0.

use std::sync::Arc;

use mainstem_kernel::{Answer, Code, Fault, Seq};
use mainstem_log::SharedLog;
use parking_lot::RwLock;

use crate::{change::ChangeSet, definition::Definitions};

/// All definitions, kept current.
#[derive(Debug)]
pub struct Catalog {
    log: SharedLog,
    current: RwLock<Arc<Definitions>>,
}

impl Catalog {
    /// Folds stream 0 of the log.
    ///
    /// # Errors
    /// When stream 0 cannot be read or a newer program wrote it.
    pub fn open(_log: SharedLog) -> Result<Arc<Self>, CatalogError> {
        unimplemented!("owner: catalog")
    }

    /// What is defined now. Cheap; the answer never changes.
    #[must_use]
    pub fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.current.read())
    }

    /// Makes a change set durable and folds it in; blocks until then. `based_on` is the seq of the
    /// definitions that the change set was planned on.
    ///
    /// # Errors
    /// `Stale` when somebody else has changed the definitions since.
    pub fn apply(&self, _changes: ChangeSet, _based_on: Seq) -> Result<Arc<Definitions>, CatalogError> {
        unimplemented!("owner: catalog; {:?}", self.log)
    }
}

/// Why a definition could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Caller: plan again.
    #[error("definitions changed since the plan was made")]
    Stale,
}

impl Fault for CatalogError {
    fn answer(&self) -> Answer {
        match self {
            Self::Stale => Answer::caller(Code::Log001),
        }
    }
}
