//! `Catalog`: the definitions, kept current. Opens by folding stream 0, and changes only by
//! appending to it.
//!
//! It never lets a change set into the log that would not fold: what is there must open again.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use mainstem_kernel::{Code, Fault, Seq, StreamId};
use mainstem_log::{Append, AppendError, Frame, ReadFrom, SharedLog, append::append_and_wait};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    change::{ChangeSet, FORMAT, RowError},
    definitions::Definitions,
    errors::CatalogError,
    fold::fold,
};

/// Bytes of definitions that are read at once while opening.
const READ_BYTES_MAX: usize = 8 << 20;

/// All definitions, kept current.
#[derive(Debug)]
pub struct Catalog {
    log: SharedLog,
    current: watch::Sender<Arc<Definitions>>,
    /// Held from the check for staleness to the swap of the pointer: one change at a time.
    applying: Mutex<()>,
}

impl Catalog {
    /// Folds stream 0 of the log.
    ///
    /// # Errors
    /// When stream 0 cannot be read or a newer program wrote it.
    pub fn open(log: SharedLog) -> Result<Arc<Self>, CatalogError> {
        let definitions = fold_on(&log, Definitions::default())?;
        let (streams, apps) = (definitions.names.len(), definitions.apps.len());
        tracing::info!(streams, apps, seq = %definitions.seq, "catalog opened");
        let current = watch::Sender::new(Arc::new(definitions));
        Ok(Arc::new(Self {
            log,
            current,
            applying: Mutex::new(()),
        }))
    }

    /// What is defined now. Cheap; the answer never changes.
    #[must_use]
    pub fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.current.borrow())
    }

    /// The definitions as they change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Definitions>> {
        self.current.subscribe()
    }

    /// Folds what other nodes have appended to stream 0; whether there was something.
    ///
    /// # Errors
    /// As `open`.
    pub fn catch_up(&self) -> Result<bool, CatalogError> {
        let _applying = self.applying.lock();
        let current = self.definitions();
        let next = fold_on(&self.log, current.as_ref().clone())?;
        let is_new = next.seq != current.seq;
        if is_new {
            tracing::info!(seq = %next.seq, "definitions changed by another node");
            self.current.send_replace(Arc::new(next));
        }
        Ok(is_new)
    }

    /// Makes a change set durable and folds it in; blocks until then. `based_on` is the seq of the
    /// definitions that the change set was planned on. A change set that is returned as refused or
    /// stale has left nothing in the log.
    ///
    /// # Errors
    /// `Stale` when somebody else has changed the definitions since, `Refused` when the set does
    /// not fit, and what the log says.
    pub fn apply(
        &self,
        changes: ChangeSet,
        based_on: Seq,
    ) -> Result<Arc<Definitions>, CatalogError> {
        let _applying = self.applying.lock();
        let current = self.definitions();
        if current.seq != based_on {
            return Err(CatalogError::Stale);
        }
        // Nothing in a fold depends on which later seq it is, so what folds here folds there.
        let later = Seq(current.seq.0.saturating_add(1));
        let mut next = fold(current.as_ref().clone(), &changes, later)?;
        let append = Append {
            frames: vec![changes.encode()?],
        };
        let appended = append_and_wait(self.log.as_ref(), append).map_err(stale)?;
        let seq = appended.last();
        if seq != later {
            next = fold(current.as_ref().clone(), &changes, seq)?;
        }
        let next = Arc::new(next);
        self.current.send_replace(Arc::clone(&next));
        tracing::info!(app = %changes.app, changes = changes.changes.len(), %seq, "definitions changed");
        Ok(next)
    }
}

/// Folds what stream 0 has behind these definitions.
fn fold_on(log: &SharedLog, mut definitions: Definitions) -> Result<Definitions, CatalogError> {
    let mut after = definitions.seq;
    loop {
        let from = ReadFrom {
            after,
            through: Seq::MAX,
            bytes_max: READ_BYTES_MAX,
        };
        let chunk = log.read(StreamId::CATALOG, from)?;
        for frame in &chunk.frames {
            definitions = fold_frame(definitions, frame)?;
        }
        if chunk.is_end {
            return Ok(definitions);
        }
        after = chunk.through;
    }
}

/// Where several nodes share stream 0, another one may have been faster.
fn stale(error: AppendError) -> CatalogError {
    match error.answer().code {
        Code::Clus007 | Code::Clus008 => CatalogError::Stale,
        _ => error.into(),
    }
}

fn fold_frame(mut definitions: Definitions, frame: &Frame) -> Result<Definitions, CatalogError> {
    let seq = frame.seq;
    let sets = ChangeSet::decode(&frame.batch).map_err(|error| match error {
        RowError::Newer { format } => CatalogError::Newer {
            seq,
            format,
            known: FORMAT,
        },
        source @ (RowError::Shape | RowError::Json(_)) => CatalogError::Damaged {
            seq,
            source: Box::new(source),
        },
    })?;
    for set in &sets {
        definitions = fold(definitions, set, seq).map_err(|source| CatalogError::Damaged {
            seq,
            source: Box::new(source),
        })?;
    }
    Ok(definitions)
}
