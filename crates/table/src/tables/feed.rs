//! Change feeds: what changed of one table between two frontiers, net.
//!
//! # What leaves, and when
//!
//! Steps leave as they are taken, if somebody follows. They are functions of the synced log: after
//! a crash the steps behind the last checkpoint are taken again and come to the same rows at every
//! frontier, though they may end at others. So a reader who resumes at a position of an earlier
//! life waits until steps have come there, and then gets what changed in the step or checkpoint
//! that its position lies in, and behind it. He misses nothing; what he has seen may come again, as
//! it is at the end of what it comes with.
//!
//! # Where it is read
//!
//! ```text
//! redo files ────────► checkpoints in memory ──► steps in memory ──► frontier
//!      (oldest that is kept)         (last committed)
//! ```
//!
//! From the steps, if they reach back to the position without a gap; from checkpoints otherwise.
//! A reader for whom neither goes on yet waits for the next checkpoint. It never waits here.

mod buffer;

use std::sync::Arc;

use arrow::array::RecordBatch;
use mainstem_kernel::{Seq, StreamId};
use tokio::sync::watch;

pub(super) use buffer::{FeedBuffer, FeedItem};

use super::Tables;
use crate::{codec::RowCodec, errors::TableError, layer::Layer, redo::Mark, stack::Merger};

/// What changed of one table between two frontiers: of each key one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Everything up to here is in them or was before: the position of these changes.
    pub through: Seq,
    /// After images.
    pub upserts: RecordBatch,
    /// Keys of rows that are gone: the key's columns in the order of the key.
    pub deletes: RecordBatch,
}

impl Changes {
    /// How many.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.upserts.num_rows() + self.deletes.num_rows()
    }
}

/// Layers of one table, oldest first, and the frontier that they lead to.
pub(super) type Portion = (Vec<Arc<Layer>>, Seq);

impl Tables {
    /// Follows changes from the frontier, which is its value now. It is told whenever `changes`
    /// may have more.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Seq> {
        // Steps that are taken from now on know of it.
        let _inner = self.inner.lock();
        self.followed.send_replace(self.frontier());
        self.followed.subscribe()
    }

    /// What changed of a table behind `after`: about `bytes_max` of it, but something if there is
    /// something. `through` is `after` as long as there is nothing. Reads redo files if the
    /// changes are no longer in memory, so it may block on the disk.
    ///
    /// # Errors
    /// `Gone` when some of what was asked for is no longer kept; `Unknown`; what the disk says.
    pub fn changes(
        &self,
        table: StreamId,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Changes, TableError> {
        let pointer = self.pointer();
        let codec = pointer.codec(table)?;
        let wanted = (table, after, bytes_max);
        let steps = self.inner.lock().feed.steps_behind(wanted);
        let (layers, through) = match steps {
            Some(portion) => portion,
            None => self.checkpoints_behind(wanted)?,
        };
        let merger = Merger {
            hasher: &self.hasher,
            codec: Some(codec),
        };
        let merged = match layers.is_empty() {
            true => None,
            false => Some(merger.merge_layers(&layers)?),
        };
        changes_of(merged.as_deref(), codec, through)
    }

    /// Some committed checkpoints.
    fn checkpoints_behind(
        &self,
        (table, after, bytes_max): (StreamId, Seq, usize),
    ) -> Result<Portion, TableError> {
        let (mut layers, mut through, mut bytes) = (Vec::new(), after, 0);
        for mark in self.marks_behind(after)? {
            if bytes >= bytes_max && !layers.is_empty() {
                break;
            }
            if let Some(layer) = self.changed_in(mark, table)? {
                bytes += layer.bytes();
                layers.push(layer);
            }
            through = mark.through;
        }
        Ok((layers, through))
    }

    /// The checkpoints that committed something behind `after`, in order.
    fn marks_behind(&self, after: Seq) -> Result<Vec<Mark>, TableError> {
        let inner = self.inner.lock();
        let committed = self.pointer().committed();
        if after >= committed {
            return Ok(Vec::new());
        }
        let files = inner.files.iter().map(|file| file.mark);
        match inner.files.front() {
            Some(first) if first.mark.previous <= after => {
                Ok(files.filter(|mark| mark.through > after).collect())
            }
            Some(first) => Err(TableError::Gone {
                first: first.mark.previous,
            }),
            None => Err(TableError::Gone { first: committed }),
        }
    }

    /// What a checkpoint changed in a table.
    fn changed_in(&self, mark: Mark, table: StreamId) -> Result<Option<Arc<Layer>>, TableError> {
        if let Some(item) = self.inner.lock().feed.checkpoint(mark.number) {
            return Ok(item.layer(table));
        }
        let read = || {
            let (header, _) = self.redo.header(mark.number)?;
            let place = header.table(table);
            let layer = place.map(|place| self.redo.layer(mark.number, &place, &self.hasher));
            Ok(layer.transpose()?.map(Arc::new))
        };
        match read() {
            // It was removed after its mark was found.
            Err(TableError::Disk { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Err(TableError::Gone {
                    first: mark.through,
                })
            }
            other => other,
        }
    }

    /// Keeps a step for those who follow, if there are any. `inner` is held since before the step
    /// was seen.
    pub(super) fn feed_step(
        &self,
        feed: &mut FeedBuffer,
        (previous, through): (Seq, Seq),
        layers: Vec<(StreamId, Arc<Layer>)>,
    ) {
        if self.followed.receiver_count() == 0 {
            return feed.forget_steps();
        }
        let item = FeedItem::of_step(previous, through, layers);
        feed.push_step(item, self.config.feed_size_max);
        self.followed.send_replace(through);
    }

    /// Tells those who follow that a checkpoint is committed: some may wait for that.
    pub(super) fn feed_checkpoint(&self, feed: &mut FeedBuffer, item: FeedItem) {
        feed.push_checkpoint(item, self.config.feed_size_max);
        self.followed.send_modify(|_same| {});
    }
}

/// The rows of a layer, or none.
fn changes_of(
    layer: Option<&Layer>,
    codec: &RowCodec,
    through: Seq,
) -> Result<Changes, TableError> {
    let (mut live, mut gone) = (Vec::new(), Vec::new());
    if let Some(layer) = layer {
        for row in 0..layer.len() {
            if layer.is_deleted(row) {
                gone.push(layer.key(row));
            } else {
                live.push(layer.row(row));
            }
        }
    }
    Ok(Changes {
        through,
        upserts: codec.decode(&live)?,
        deletes: codec.decode_keys(&gone)?,
    })
}
