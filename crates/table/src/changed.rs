//! `Changed`: what a step changed in one table or keyed view, one row per key.
//!
//! For a table it comes from the frames of its change stream: effects, never conditions. Of a key
//! that comes several times the last counts.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array, new_null_array},
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::{concat, take},
    datatypes::{Field, Schema, SchemaRef},
};
use hashbrown::{HashTable, hash_table::Entry};
use mainstem_catalog::DELETED_COLUMN;
use mainstem_kernel::{Column, SchemaVersion, Seq, StreamId};
use mainstem_log::Frame;

use crate::{
    codec::RowCodec,
    errors::TableError,
    layer::{Layer, LayerParts, place},
};

/// What a step changed in one table or keyed view.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The table or view.
    pub table: StreamId,
    /// After images with all columns, hidden ones included, one row per key. Of rows that are gone
    /// only the key's columns mean anything; the others may be NULL whatever they declare.
    pub rows: RecordBatch,
    /// For each row, whether it is gone.
    pub deleted: BooleanBuffer,
    /// For each row, when it was written: the seq of its effect, or of the step.
    pub written: Vec<Seq>,
}

impl Changed {
    /// The changes of frames of a table's change stream, in the order of their seqs; `None` if
    /// they hold no row. The frames may have any declared version of the columns.
    ///
    /// # Errors
    /// `Undeclared`, or `Shape` when a frame is no frame of effects.
    pub fn from_frames(codec: &RowCodec, frames: &[Frame]) -> Result<Option<Self>, TableError> {
        let frames = frames.iter().filter(|frame| frame.batch.num_rows() > 0);
        let frames = frames.map(|frame| (&frame.batch, frame.schema, frame.seq));
        let frames: Vec<_> = frames.collect();
        if frames.is_empty() {
            return Ok(None);
        }
        Self::of_all(codec, &frames).map(Some)
    }

    /// The changes of rows in the columns of a change stream, the newest ones (columns that are
    /// not the table's are left out), with the seq of each, in order.
    ///
    /// # Errors
    /// `Shape` when columns are missing.
    pub fn from_changes(
        codec: &RowCodec,
        rows: &RecordBatch,
        written: &[Seq],
    ) -> Result<Self, TableError> {
        let version = codec.table().version;
        let columns = columns_of(codec, rows, version)?;
        let flags = deleted_of(codec, rows)?.iter();
        let deleted = flags.map(|gone| gone == Some(true)).collect();
        Self::last_of(codec, columns, deleted, written.to_vec())
    }

    /// The changes of rows as a change stream has them, in the newest columns, in order.
    pub(crate) fn of_pieces(
        codec: &RowCodec,
        pieces: &[RecordBatch],
        written: Seq,
    ) -> Result<Self, TableError> {
        let version = codec.table().version;
        let pieces: Vec<_> = pieces.iter().map(|rows| (rows, version, written)).collect();
        Self::of_all(codec, &pieces)
    }

    fn of_all(
        codec: &RowCodec,
        frames: &[(&RecordBatch, SchemaVersion, Seq)],
    ) -> Result<Self, TableError> {
        let mut pieces = Vec::with_capacity(frames.len());
        let mut deleted = Vec::new();
        let mut written = Vec::new();
        for (rows, version, seq) in frames {
            pieces.push(columns_of(codec, rows, *version)?);
            let flags = deleted_of(codec, rows)?.iter();
            deleted.extend(flags.map(|gone| gone == Some(true)));
            written.resize(deleted.len(), *seq);
        }
        let columns = join(codec, &pieces)?;
        Self::last_of(codec, columns, deleted, written)
    }

    /// Of each key the last.
    fn last_of(
        codec: &RowCodec,
        mut columns: Vec<ArrayRef>,
        mut deleted: Vec<bool>,
        mut written: Vec<Seq>,
    ) -> Result<Self, TableError> {
        let kept = last_of_each(codec, &columns)?;
        if kept.len() < deleted.len() {
            let numbers = kept.iter().filter_map(|row| u64::try_from(*row).ok());
            let numbers = UInt64Array::from_iter_values(numbers);
            let taken = columns.iter().map(|column| take(column, &numbers, None));
            columns = taken
                .collect::<Result<_, _>>()
                .map_err(|source| codec.arrange(source))?;
            let flag = |row: &usize| deleted.get(*row).copied().unwrap_or_default();
            let seq = |row: &usize| written.get(*row).copied().unwrap_or_default();
            let seqs = kept.iter().map(seq).collect();
            deleted = kept.iter().map(flag).collect();
            written = seqs;
        }
        let rows = RecordBatch::try_new(nullable(codec), columns);
        Ok(Self {
            table: codec.table().id,
            rows: rows.map_err(|source| codec.arrange(source))?,
            deleted: BooleanBuffer::from(deleted),
            written,
        })
    }

    /// The changes of rows as a change stream has them, one per key, in the newest columns.
    pub(crate) fn of_rows(
        codec: &RowCodec,
        change: &RecordBatch,
        written: Seq,
    ) -> Result<Self, TableError> {
        let columns = change.columns().iter().take(codec.schema().fields().len());
        let rows = RecordBatch::try_new(nullable(codec), columns.cloned().collect());
        let flags = deleted_of(codec, change)?.iter();
        Ok(Self {
            table: codec.table().id,
            rows: rows.map_err(|source| codec.arrange(source))?,
            deleted: flags.map(|gone| gone == Some(true)).collect(),
            written: vec![written; change.num_rows()],
        })
    }

    /// The layer of these changes.
    pub(crate) fn layer(&self, codec: &RowCodec) -> Result<Layer, TableError> {
        let rows = self.rows.num_rows();
        if self.deleted.len() != rows || self.written.len() != rows {
            let (flags, seqs) = (self.deleted.len(), self.written.len());
            return Err(codec.shape(format!("{rows} rows, {flags} flags and {seqs} seqs")));
        }
        let values = codec.values(&self.rows)?;
        let (keys, hashes) = codec.keys(&codec.key_columns(&self.rows))?.into_parts();
        let parts = LayerParts {
            version: codec.table().version,
            keys,
            values: values.into(),
            deleted: self.deleted.clone(),
            written: self
                .written
                .iter()
                .map(|seq| seq.0)
                .collect::<ScalarBuffer<_>>(),
        };
        parts
            .build(&hashes)
            .map_err(|row| codec.shape(format!("row {row} has the key of another")))
    }
}

/// The rows of a frame in the newest columns; those that its version did not have are NULL.
fn columns_of(
    codec: &RowCodec,
    rows: &RecordBatch,
    version: SchemaVersion,
) -> Result<Vec<ArrayRef>, TableError> {
    let table = codec.table();
    let undeclared = || TableError::Undeclared {
        table: table.name.clone(),
        version,
    };
    let own = table.versions.get(&version).ok_or_else(undeclared)?;
    let column = |column: &Column| {
        let name = own.0.iter().find(|own| own.id == column.id);
        let Some(name) = name.map(|own| own.name.as_str()) else {
            return Ok(new_null_array(&column.ty.arrow(), rows.num_rows()));
        };
        let array = rows.column_by_name(name);
        let missing = || codec.shape(format!("an effect has no column \"{name}\""));
        array.cloned().ok_or_else(missing)
    };
    table.columns.0.iter().map(column).collect()
}

fn deleted_of<'a>(
    codec: &RowCodec,
    change: &'a RecordBatch,
) -> Result<&'a BooleanArray, TableError> {
    let column = change.column_by_name(DELETED_COLUMN);
    let flags = column.and_then(|column| column.as_any().downcast_ref());
    flags.ok_or_else(|| codec.shape(format!("an effect has no column \"{DELETED_COLUMN}\"")))
}

/// The columns of all frames, one after the other.
fn join(codec: &RowCodec, pieces: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>, TableError> {
    if let [only] = pieces {
        return Ok(only.clone());
    }
    let count = pieces.first().map_or(0, Vec::len);
    let column = |at: usize| {
        let arrays = pieces.iter().filter_map(|piece| piece.get(at));
        let arrays: Vec<&dyn Array> = arrays.map(AsRef::as_ref).collect();
        concat(&arrays).map_err(|source| codec.arrange(source))
    };
    (0..count).map(column).collect()
}

/// The numbers of the rows that are the last of their key, in order.
fn last_of_each(codec: &RowCodec, columns: &[ArrayRef]) -> Result<Vec<usize>, TableError> {
    let key = codec.key().iter().filter_map(|at| columns.get(*at));
    let key: Vec<ArrayRef> = key.map(Arc::clone).collect();
    let (keys, hashes) = codec.keys(&key)?.into_parts();
    let mut index: HashTable<u32> = HashTable::with_capacity(keys.len());
    let mut is_last = vec![true; keys.len()];
    for (row, hash) in (0_u32..).zip(&hashes) {
        let key = keys.value(place(row));
        let is_it = |other: &u32| keys.value(place(*other)) == key;
        let hash_of = |other: &u32| hashes.get(place(*other)).copied().unwrap_or_default();
        match index.entry(*hash, is_it, hash_of) {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => {
                let earlier = std::mem::replace(entry.get_mut(), row);
                if let Some(flag) = is_last.get_mut(place(earlier)) {
                    *flag = false;
                }
            }
        }
    }
    let rows = is_last.into_iter().enumerate();
    Ok(rows
        .filter_map(|(row, is_last)| is_last.then_some(row))
        .collect())
}

/// The columns of a table, all of which may be NULL: those of a row that is gone are.
pub(crate) fn nullable(codec: &RowCodec) -> SchemaRef {
    let fields = codec.schema().fields().iter();
    let fields = fields.map(|field| Field::clone(field).with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests;
