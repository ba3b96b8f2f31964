//! Checkpoints: what changed since the last one becomes one redo file. Its sync is the commit.
//!
//! Sealing takes what there is and merges nothing, because steps wait for it; committing, which
//! may run beside steps, does the rest.

use std::sync::Arc;

use bytes::Bytes;
use mainstem_kernel::{Seq, StreamId};
use mainstem_log::frame::encode_body;

use super::{Inner, Tables, feed::FeedItem, retention::KeptFile};
use crate::{
    codec::RowCodec,
    errors::TableError,
    layer::{Layer, LayerParts, STATE_VERSION, Strings, Values},
    pointer::Pointer,
    redo::{Checkpoint, Mark, Outgoing, Redo, StateDelta, WriteFailure, encode},
    stack::{Entry, Merger, Part, Stack},
};

/// A checkpoint that has its changes and is not on the disk yet. Steps may go on meanwhile.
#[derive(Debug)]
pub struct Sealed {
    mark: Mark,
    tables: Vec<SealedTable>,
    state: StateDelta,
    outgoing: Vec<Outgoing>,
    note: Bytes,
}

/// The changes of one table, in the layers that steps have made.
#[derive(Debug)]
struct SealedTable {
    id: StreamId,
    codec: Arc<RowCodec>,
    layers: Vec<Entry>,
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
        self.mark.number
    }

    /// The frontier that it commits.
    #[must_use]
    pub const fn through(&self) -> Seq {
        self.mark.through
    }

    /// The outgoing rows, with the bytes that both the file and the log get.
    fn encoded(&self) -> Result<Vec<Outgoing>, TableError> {
        let number = self.mark.number;
        let encoded = self.outgoing.iter().map(|outgoing| {
            let body = encode_body(&outgoing.rows);
            let body = body.map_err(|source| TableError::Encode { number, source })?;
            Ok(Outgoing {
                body,
                ..outgoing.clone()
            })
        });
        encoded.collect()
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

    /// Takes everything up to the frontier that no checkpoint has yet. Merges nothing, no I/O.
    ///
    /// # Errors
    /// `Order` while the checkpoint before is not committed, `InDoubt` after one is in doubt.
    /// Nothing is sealed then.
    pub fn seal(&self, checkpoint: Checkpoint) -> Result<Sealed, TableError> {
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
            tables = seal_tables(pointer, mark.number)?;
            Ok(())
        })?;
        inner.sealed = (mark.number, through);
        inner
            .notes
            .insert(mark.number, (through, checkpoint.note.clone()));
        Ok(Sealed {
            mark,
            tables,
            state: checkpoint.state,
            outgoing: checkpoint.outgoing,
            note: checkpoint.note,
        })
    }

    /// A sealed checkpoint as its file has it: of each key one row.
    fn merged(&self, sealed: &Sealed) -> Result<Redo, TableError> {
        let tables = sealed.tables.iter().map(|table| {
            let merger = Merger {
                hasher: &self.hasher,
                codec: Some(&table.codec),
            };
            Ok((table.id, merger.merge(&table.layers)?))
        });
        Ok(Redo {
            mark: sealed.mark,
            tables: tables.collect::<Result<_, TableError>>()?,
            state: self.state_layer(&sealed.state)?,
            outgoing: sealed.encoded()?,
            note: sealed.note.clone(),
        })
    }

    /// The layer of changed state, which shares its values; of a key that comes several times the
    /// last counts.
    fn state_layer(&self, delta: &StateDelta) -> Result<Option<Arc<Layer>>, TableError> {
        if delta.is_empty() {
            return Ok(None);
        }
        let mut keys = Strings::with_capacity(delta.len(), 0);
        for (key, _) in &delta.changes {
            keys.push(key)?;
        }
        let values = delta.changes.iter().map(|(_, value)| value.clone());
        let values: Values = values.map(Option::unwrap_or_default).collect();
        let deleted = delta.changes.iter().map(|(_, value)| value.is_none());
        let parts = LayerParts {
            version: STATE_VERSION,
            keys: keys.finish(),
            values,
            deleted: deleted.collect(),
            written: Vec::new().into(),
        };
        Ok(Some(Arc::new(parts.build_last(&self.hasher)?)))
    }

    /// Merges, writes and syncs a sealed checkpoint. May run beside steps, in another thread.
    ///
    /// # Errors
    /// `Disk` when nothing of it is on the disk: call it again with the same checkpoint. `InDoubt`
    /// when only a restart tells. `TooMuch` when it does not fit into a file.
    pub fn commit(&self, sealed: &Sealed) -> Result<Committed, TableError> {
        self.inner.lock().check_healthy()?;
        let redo = &self.merged(sealed)?;
        let mark = redo.mark;
        let parts = encode(self.redo.app(), redo)?;
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
        let item = FeedItem::of_checkpoint(mark, &redo.tables);
        self.feed_checkpoint(&mut inner.feed, item);
        drop(inner);
        self.moved.notify_all();
        Ok(())
    }

    /// Puts the merged layers in the place of those that they are made of, and merges checkpoints
    /// of the tables that this one changed.
    fn settle(&self, pointer: &mut Pointer, redo: &Redo) -> Result<(), TableError> {
        let number = redo.mark.number;
        for (table, layer) in &redo.tables {
            // It may have been forgotten meanwhile.
            if pointer.tables.contains_key(table) {
                pointer.change(*table, |view| {
                    let merger = Merger {
                        hasher: &self.hasher,
                        codec: Some(&view.codec),
                    };
                    view.stack.put_merged(number, Arc::clone(layer));
                    view.stack.settle_sealed(merger)
                })?;
            }
        }
        if let Some(state) = &redo.state {
            let merger = Merger {
                hasher: &self.hasher,
                codec: None,
            };
            let stack: &mut Stack = Arc::make_mut(&mut pointer.state);
            stack.put(Arc::clone(state), Part::Sealed(number));
            stack.settle_sealed(merger)?;
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

/// Takes the changes of all tables.
fn seal_tables(pointer: &mut Pointer, number: u64) -> Result<Vec<SealedTable>, TableError> {
    let mut tables: Vec<StreamId> = pointer.tables.keys().copied().collect();
    tables.sort_unstable();
    let mut sealed = Vec::new();
    for id in tables {
        pointer.change(id, |view| {
            let layers = view.stack.seal(number);
            let codec = Arc::clone(&view.codec);
            if !layers.is_empty() {
                sealed.push(SealedTable { id, codec, layers });
            }
            Ok(())
        })?;
    }
    Ok(sealed)
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
