//! `Replay`: what is in history of a stream once more, in the order of the log, one row group at a
//! time. Never more than that is in memory, and only the columns that were asked for are read.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, UInt32Array},
    compute::take,
    datatypes::{Int32Type, Int64Type},
    error::ArrowError,
};
use mainstem_disk::SharedDisk;
use mainstem_kernel::{
    Seq, StreamId,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};

use crate::{
    History,
    errors::HistoryError,
    file::GroupReader,
    pinned::{DataFile, Pinned},
};

/// Reads a stream's history in the order of the log.
#[derive(Debug)]
pub struct Replay {
    disk: SharedDisk,
    pinned: Arc<Pinned>,
    /// Physical name of each column that was asked for.
    columns: Vec<Option<String>>,
    after: Seq,
    files: VecDeque<Arc<DataFile>>,
    reader: Option<GroupReader>,
}

/// Some rows, ordered by seq, partition and offset.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The columns that were asked for, in that order; `None` if the file has no such column.
    pub columns: Vec<Option<ArrayRef>>,
    /// `_seq`.
    pub seqs: Int64Array,
    /// `_partition`.
    pub partitions: Int32Array,
    /// `_offset`.
    pub offsets: Int64Array,
}

impl History {
    /// Reads what is in history of a stream with seqs above `after`. Each column is given by the
    /// names that it has had, the newest first. `None` if history does not know the stream.
    #[must_use]
    pub fn replay(&self, stream: StreamId, after: Seq, columns: &[Vec<String>]) -> Option<Replay> {
        let pinned = self.pin(stream)?;
        let physical = |names: &Vec<String>| {
            names.iter().find_map(|name| {
                let index = pinned.schema.index_of(name).ok()?;
                pinned.physical.get(index).cloned()
            })
        };
        let files = pinned.files.iter().filter(|file| file.last_seq > after);
        Some(Replay {
            disk: Arc::clone(&self.shared.disk),
            columns: columns.iter().map(physical).collect(),
            after,
            files: files.cloned().collect(),
            reader: None,
            pinned,
        })
    }
}

impl Replay {
    /// Up to here rows are in history, above it in the log.
    #[must_use]
    pub fn archived(&self) -> Seq {
        self.pinned.archived
    }

    /// Rows in the files that are not opened yet.
    #[must_use]
    pub fn rows_left(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// `Disk` or `Damaged` of a file.
    pub fn next_rows(&mut self) -> Result<Option<Replayed>, HistoryError> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    let Some(file) = self.files.pop_front() else {
                        return Ok(None);
                    };
                    let path = self.pinned.folder.join(&file.path);
                    let mut reader = GroupReader::open(self.disk.as_ref(), &path)?;
                    let system = [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];
                    let wanted = self.columns.iter().flatten().map(String::as_str);
                    reader.project(&wanted.chain(system).collect::<Vec<_>>());
                    none.insert(reader)
                }
            };
            let Some(batch) = reader.next_group()? else {
                self.reader = None;
                continue;
            };
            let rows = ordered(&batch, &self.columns, self.after);
            let rows = rows.map_err(|error| HistoryError::Damaged {
                path: self.pinned.folder.clone(),
                reason: error.to_string(),
            })?;
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
    }
}

impl Replayed {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.seqs.values().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }
}

/// The rows of a row group above `after`, in the order of the log.
fn ordered(
    batch: &RecordBatch,
    columns: &[Option<String>],
    after: Seq,
) -> Result<Replayed, ArrowError> {
    let system = |name: &str| {
        let missing = || ArrowError::SchemaError(format!("a file has no column {name}"));
        batch.column_by_name(name).ok_or_else(missing)
    };
    let seqs = system(SEQ_COLUMN)?.as_primitive::<Int64Type>().values();
    // Rows are in the order of partition and offset, which a stable sort keeps within a seq.
    let mut order: Vec<u32> = (0..).take(seqs.len()).collect();
    let seq = |row: &u32| usize::try_from(*row).ok().and_then(|row| seqs.get(row));
    let is_sorted = seqs.is_sorted();
    if !is_sorted {
        order.sort_by_key(seq);
    }
    let old = order.partition_point(|row| seq(row).is_none_or(|seq| *seq <= after.to_i64()));
    order.drain(..old);
    let is_whole = is_sorted && old == 0;
    let order = UInt32Array::from(order);
    let placed = |column: &ArrayRef| match is_whole {
        true => Ok(Arc::clone(column)),
        false => take(column, &order, None),
    };
    let columns = columns.iter().map(|name| {
        let column = name.as_ref().and_then(|name| batch.column_by_name(name));
        column.map(placed).transpose()
    });
    Ok(Replayed {
        columns: columns.collect::<Result<_, _>>()?,
        seqs: placed(system(SEQ_COLUMN)?)?
            .as_primitive::<Int64Type>()
            .clone(),
        partitions: placed(system(PARTITION_COLUMN)?)?
            .as_primitive::<Int32Type>()
            .clone(),
        offsets: placed(system(OFFSET_COLUMN)?)?
            .as_primitive::<Int64Type>()
            .clone(),
    })
}
