//! Change feeds: the net changes of each committed checkpoint, from memory or from redo files.
//!
//! Only what is committed leaves: a reader never sees a change that a crash could take back. A
//! feed that was cut goes on from the position of its last change; what it has seen of a checkpoint
//! may come again, and is then the same after image. It never waits.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use arrow::array::RecordBatch;
use mainstem_kernel::{ByteSize, Seq, StreamId};

use super::Tables;
use crate::{codec::RowCodec, errors::TableError, layer::Layer, redo::Mark};

/// Net changes of one table in one checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// The frontier that the checkpoint committed: the position of these changes.
    pub at: Seq,
    /// After images.
    pub upserts: RecordBatch,
    /// Keys of rows that are gone: the key's columns in the order of the key.
    pub deletes: RecordBatch,
}

/// Some changes of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// In the order of checkpoints; those that did not change the table are left out.
    pub entries: Vec<FeedEntry>,
    /// Everything committed up to here is in them or was before; ask on from here.
    pub through: Seq,
}

/// Checkpoints in memory, the newest last.
#[derive(Debug, Default)]
pub(super) struct FeedBuffer {
    items: VecDeque<Arc<FeedItem>>,
    bytes: usize,
}

/// A checkpoint's changes.
#[derive(Debug)]
pub(super) struct FeedItem {
    mark: Mark,
    tables: HashMap<StreamId, Arc<Layer>>,
    bytes: usize,
}

impl FeedItem {
    pub(super) fn new(mark: Mark, tables: &[(StreamId, Arc<Layer>)]) -> Self {
        Self {
            mark,
            bytes: tables.iter().map(|(_, layer)| layer.bytes()).sum(),
            tables: tables.iter().cloned().collect(),
        }
    }
}

impl FeedBuffer {
    pub(super) fn push(&mut self, item: FeedItem, size_max: ByteSize) {
        self.bytes += item.bytes;
        self.items.push_back(Arc::new(item));
        while self.bytes > size_max.as_usize()
            && let Some(oldest) = self.items.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    fn find(&self, number: u64) -> Option<Arc<FeedItem>> {
        let at = self.items.partition_point(|item| item.mark.number < number);
        let item = self.items.get(at)?;
        (item.mark.number == number).then(|| Arc::clone(item))
    }
}

impl Tables {
    /// The changes of a table behind `after`, of some checkpoints: about `bytes_max` of them, but
    /// at least one if there is one. Reads redo files if they are no longer in memory, so it may
    /// block on the disk.
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
        let mut changes = Changes {
            entries: Vec::new(),
            through: after,
        };
        let mut bytes = 0;
        for mark in self.marks_behind(after)? {
            if bytes >= bytes_max && !changes.entries.is_empty() {
                break;
            }
            if let Some(layer) = self.changed_in(mark, table)? {
                bytes += layer.bytes();
                changes.entries.push(entry(mark, &layer, codec)?);
            }
            changes.through = mark.through;
        }
        Ok(changes)
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
        if let Some(item) = self.inner.lock().feed.find(mark.number) {
            return Ok(item.tables.get(&table).cloned());
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
}

fn entry(mark: Mark, layer: &Layer, codec: &RowCodec) -> Result<FeedEntry, TableError> {
    let (mut live, mut gone) = (Vec::new(), Vec::new());
    for row in 0..layer.len() {
        if layer.is_deleted(row) {
            gone.push(layer.key(row));
        } else {
            live.push(layer.row(row));
        }
    }
    Ok(FeedEntry {
        at: mark.through,
        upserts: codec.decode(&live)?,
        deletes: codec.decode_keys(&gone)?,
    })
}
