//! Checkpoints: what changed since the last one becomes one redo file. Its sync is the commit.

use std::sync::Arc;

use bytes::Bytes;
use mainstem_kernel::{Seq, StreamId};

use super::{Inner, Tables, feed::FeedItem, retention::KeptFile};
use crate::{
    errors::TableError,
    layer::{Layer, LayerParts, STATE_VERSION},
    pointer::Pointer,
    redo::{Checkpoint, Mark, Outgoing, Redo, StateDelta, WriteFailure, encode},
    stack::{Merger, Part, Stack},
};

/// A checkpoint that has its changes and is not on the disk yet. Steps may go on meanwhile.
#[derive(Debug)]
pub struct Sealed {
    redo: Redo,
}

/// A checkpoint whose file is synced.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its number: to be told to `Tables::sent` once `outgoing` is appended.
    pub number: u64,
    /// The frontier that it committed.
    pub through: Seq,
    /// What may be appended now.
    pub outgoing: Vec<Outgoing>,
}

impl Sealed {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.redo.mark.number
    }

    /// The frontier that it commits.
    #[must_use]
    pub const fn through(&self) -> Seq {
        self.redo.mark.through
    }
}

impl Tables {
    /// Seals what changed since the last checkpoint, and commits it.
    ///
    /// # Errors
    /// As `seal` and `commit`. An error of `commit` loses the sealed checkpoint's handle, so call
    /// the two by yourself where a disk may recover.
    pub fn checkpoint(&self, checkpoint: Checkpoint) -> Result<Committed, TableError> {
        let sealed = self.seal(checkpoint)?;
        self.commit(&sealed)
    }

    /// Takes everything up to the frontier that no checkpoint has yet. Merges in memory, no I/O.
    ///
    /// # Errors
    /// `Order` while the checkpoint before is not committed, `InDoubt` after one is in doubt,
    /// `TooMuch`. Nothing is sealed then.
    pub fn seal(&self, checkpoint: Checkpoint) -> Result<Sealed, TableError> {
        let state = self.state_layer(checkpoint.state)?;
        let mut inner = self.inner.lock();
        inner.check_healthy()?;
        let (last, previous) = inner.sealed;
        let through = self.frontier();
        if last != inner.committed {
            return Err(TableError::Order {
                through,
                frontier: previous,
            });
        }
        let mark = Mark {
            number: last + 1,
            through,
            previous,
            sent: inner.sent,
        };
        let mut tables = Vec::new();
        self.swap(|pointer| {
            tables = self.seal_tables(pointer, mark.number)?;
            if let Some(state) = &state {
                let stack: &mut Stack = Arc::make_mut(&mut pointer.state);
                stack.put(Arc::clone(state), Part::Sealed(mark.number));
            }
            Ok(())
        })?;
        inner.sealed = (mark.number, through);
        inner
            .notes
            .insert(mark.number, (through, checkpoint.note.clone()));
        Ok(Sealed {
            redo: Redo {
                mark,
                tables,
                state,
                outgoing: checkpoint.outgoing,
                note: checkpoint.note,
            },
        })
    }

    fn seal_tables(
        &self,
        pointer: &mut Pointer,
        number: u64,
    ) -> Result<Vec<(StreamId, Arc<Layer>)>, TableError> {
        let mut tables: Vec<StreamId> = pointer.tables.keys().copied().collect();
        tables.sort_unstable();
        let mut sealed = Vec::new();
        for table in tables {
            pointer.change(table, |view| {
                let merger = Merger {
                    hasher: &self.hasher,
                    codec: Some(&view.codec),
                };
                let layer = view.stack.seal(number, merger)?;
                sealed.extend(layer.map(|layer| (table, layer)));
                Ok(())
            })?;
        }
        Ok(sealed)
    }

    /// The layer of changed state; of a key that comes several times the last counts.
    fn state_layer(&self, delta: StateDelta) -> Result<Option<Arc<Layer>>, TableError> {
        if delta.is_empty() {
            return Ok(None);
        }
        let parts = LayerParts {
            version: STATE_VERSION,
            keys: delta.keys.finish(),
            values: delta.values.finish(),
            deleted: delta.deleted.into(),
            written: Vec::new().into(),
        };
        Ok(Some(Arc::new(parts.build_last(&self.hasher)?)))
    }

    /// Writes and syncs the file of a sealed checkpoint. May run beside steps, in another thread.
    ///
    /// # Errors
    /// `Disk` when nothing of it is on the disk: call it again with the same checkpoint. `InDoubt`
    /// when only a restart tells.
    pub fn commit(&self, sealed: &Sealed) -> Result<Committed, TableError> {
        let redo = &sealed.redo;
        let mark = redo.mark;
        self.inner.lock().check_healthy()?;
        let parts = encode(self.redo.app(), redo).map_err(|source| TableError::Encode {
            number: mark.number,
            source,
        })?;
        let written = self.redo.write(mark.number, &parts);
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(WriteFailure::Nothing(error)) => return Err(error),
            Err(WriteFailure::InDoubt(error)) => {
                tracing::error!(number = mark.number, %error, "could not sync a checkpoint");
                self.inner.lock().poisoned = Some(mark.number);
                return Err(TableError::InDoubt {
                    number: mark.number,
                });
            }
        };
        self.note_committed(redo, bytes)?;
        Ok(Committed {
            number: mark.number,
            through: mark.through,
            outgoing: redo.outgoing.clone(),
        })
    }

    fn note_committed(&self, redo: &Redo, bytes: u64) -> Result<(), TableError> {
        let mark = redo.mark;
        let mut inner = self.inner.lock();
        self.swap(|pointer| {
            pointer.committed = mark.through;
            pointer.checkpoint = mark.number;
            self.settle(pointer, redo)
        })?;
        inner.committed = mark.number;
        if redo.outgoing.is_empty() && inner.sent + 1 == mark.number {
            inner.sent = mark.number;
        }
        inner.files.push_back(KeptFile::new(mark, bytes));
        let item = FeedItem::new(mark, &redo.tables);
        inner.feed.push(item, self.config.feed_size_max);
        drop(inner);
        self.committed.send_replace(mark.through);
        self.moved.notify_all();
        Ok(())
    }

    /// Merges checkpoints of the tables that this one changed.
    fn settle(&self, pointer: &mut Pointer, redo: &Redo) -> Result<(), TableError> {
        for (table, _) in &redo.tables {
            // It may have been forgotten meanwhile.
            if pointer.tables.contains_key(table) {
                pointer.change(*table, |view| {
                    let merger = Merger {
                        hasher: &self.hasher,
                        codec: Some(&view.codec),
                    };
                    view.stack.settle_sealed(merger)
                })?;
            }
        }
        if redo.state.is_some() {
            let merger = Merger {
                hasher: &self.hasher,
                codec: None,
            };
            Arc::make_mut(&mut pointer.state).settle_sealed(merger)?;
        }
        Ok(())
    }

    /// Says that the outgoing rows of all checkpoints up to `number` are in the log: they are not
    /// appended again after a crash, once another checkpoint is committed.
    pub fn sent(&self, number: u64) {
        let mut inner = self.inner.lock();
        inner.sent = inner.sent.max(number);
        drop(inner);
        self.moved.notify_all();
    }

    /// Number and note of the last committed checkpoint.
    #[must_use]
    pub fn last_checkpoint(&self) -> (u64, Seq) {
        (self.inner.lock().committed, self.pointer().committed())
    }
}

impl Inner {
    /// Whether checkpoints may go on.
    fn check_healthy(&self) -> Result<(), TableError> {
        match self.poisoned {
            Some(number) => Err(TableError::InDoubt { number }),
            None => Ok(()),
        }
    }

    /// The note of the last committed checkpoint that the store does not have yet.
    pub(super) fn note_of(&self, number: u64) -> Option<(Seq, Bytes)> {
        self.notes.get(&number).cloned()
    }
}
