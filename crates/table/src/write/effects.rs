//! Effects as rows of a change stream: all columns, `_deleted`, `_extra`. No I/O.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array},
    compute::{concat, concat_batches},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use mainstem_catalog::DELETED_COLUMN;
use mainstem_kernel::{ColumnType, PartitionId, types::EXTRA_COLUMN};
use mainstem_log::{Draft, DraftEntry};

use super::{Effects, WriteError};
use crate::codec::RowCodec;

/// The partition of all effects: one sequencer gives them their order.
const PARTITION: PartitionId = PartitionId(0);

/// Effects as rows of the table's change stream; `None` if there are none.
pub(super) fn change_rows(
    codec: &RowCodec,
    effects: &Effects,
) -> Result<Option<RecordBatch>, WriteError> {
    let (upserts, deletes) = (effects.upserts.num_rows(), effects.deletes.num_rows());
    if upserts + deletes == 0 {
        return Ok(None);
    }
    let misfit = |reason: String| WriteError::Effects {
        table: codec.table().id,
        reason,
    };
    let expected = codec.schema().fields().len();
    if upserts > 0 && effects.upserts.num_columns() != expected {
        let found = effects.upserts.num_columns();
        return Err(misfit(format!("{found} columns, expected {expected}")));
    }
    if deletes > 0 && effects.deletes.num_columns() != codec.key().len() {
        let (found, expected) = (effects.deletes.num_columns(), codec.key().len());
        return Err(misfit(format!("{found} key columns, expected {expected}")));
    }
    let columns = (0..expected).map(|at| column(codec, effects, at));
    let columns = columns.collect::<Result<Vec<_>, _>>();
    let batch = columns.and_then(|mut columns| {
        let flags = (0..upserts + deletes).map(|row| Some(row >= upserts));
        columns.push(Arc::new(BooleanArray::from_iter(flags)));
        columns.push(new_null_array(&DataType::Utf8, upserts + deletes));
        RecordBatch::try_new(change_schema(codec), columns)
    });
    batch.map(Some).map_err(|error| misfit(error.to_string()))
}

/// One column: of the upserts, then of the deletes.
fn column(codec: &RowCodec, effects: &Effects, at: usize) -> Result<ArrayRef, ArrowError> {
    let (upserts, deletes) = (effects.upserts.num_rows(), effects.deletes.num_rows());
    let of_upserts = effects.upserts.columns().get(at);
    if deletes == 0 {
        return of_upserts.cloned().ok_or_else(missing);
    }
    let key = codec.key().iter().position(|key| *key == at);
    let of_deletes = match key {
        Some(key) => effects.deletes.columns().get(key).cloned(),
        None => {
            let field = codec.schema().fields().get(at);
            field.map(|field| new_null_array(field.data_type(), deletes))
        }
    };
    let of_deletes = of_deletes.ok_or_else(missing)?;
    match of_upserts {
        Some(of_upserts) if upserts > 0 => concat(&[of_upserts.as_ref(), &of_deletes]),
        _ => Ok(of_deletes),
    }
}

fn missing() -> ArrowError {
    ArrowError::InvalidArgumentError("a column is missing".to_owned())
}

/// The columns of a table's change stream as a frame has them.
fn change_schema(codec: &RowCodec) -> SchemaRef {
    let fields = codec.schema().fields().iter().enumerate();
    let fields = fields.map(|(at, field)| {
        let is_key = codec.key().contains(&at);
        Field::clone(field).with_nullable(!is_key)
    });
    let more = [
        ColumnType::Boolean.field(DELETED_COLUMN, false),
        ColumnType::Json.field(EXTRA_COLUMN, true),
    ];
    Arc::new(Schema::new(fields.chain(more).collect::<Vec<_>>()))
}

/// The frame of some effects on one table, in order.
pub(super) fn draft(codec: &RowCodec, pieces: &[RecordBatch]) -> Result<Draft, ArrowError> {
    let batch = match pieces {
        [only] => only.clone(),
        _ => concat_batches(&change_schema(codec), pieces)?,
    };
    let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    let entry = DraftEntry {
        partition: PARTITION,
        rows,
        stamp: None,
    };
    Draft::encode(codec.table().id, codec.table().version, vec![entry], batch)
}

/// Bytes of rows, without what they share with others.
pub(super) fn size_of(rows: &RecordBatch) -> usize {
    let columns = rows.columns().iter();
    let sizes = columns.map(|column| column.to_data().get_slice_memory_size());
    sizes.map(Result::unwrap_or_default).sum()
}
