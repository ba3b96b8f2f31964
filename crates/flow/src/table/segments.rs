//! `Segments`: batches of rows that are addressed as if they were one. Merging neighbours changes
//! no address.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, RecordBatch, UInt32Array, new_empty_array, new_null_array},
    buffer::NullBuffer,
    compute::{concat_batches, interleave, take, take_record_batch},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};

use crate::slots::NONE;

/// Batches of rows.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    /// All columns may be NULL here: of a delete only the key is known.
    schema: SchemaRef,
    /// First address of each batch, and the batch.
    batches: Vec<(u32, RecordBatch)>,
    rows: usize,
}

impl Segments {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let fields = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self {
            schema,
            batches: Vec::new(),
            rows: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows; gives the address of the first.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> Result<u32, ArrowError> {
        let first = u32::try_from(self.rows);
        let first = first.map_err(|_large| {
            ArrowError::ComputeError("a lookup table has more than 2^32 rows".to_owned())
        })?;
        let columns = self.schema.fields().iter().map(|field| {
            let column = rows.column_by_name(field.name());
            column.cloned().ok_or_else(|| {
                ArrowError::SchemaError(format!("expected a column \"{}\"", field.name()))
            })
        });
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?)?;
        self.rows += batch.num_rows();
        self.batches.push((first, batch));
        Ok(first)
    }

    /// Merges each batch with the one before it unless that is more than twice as large.
    pub(crate) fn merge(&mut self) -> Result<(), ArrowError> {
        while let [.., (_, before), (_, last)] = self.batches.as_slice()
            && before.num_rows() <= 2 * last.num_rows()
        {
            // As many of the last ones as that makes small, at once.
            let mut sum = 0;
            let fits = |(_, batch): &&(u32, RecordBatch)| {
                let is_small = sum == 0 || batch.num_rows() <= 2 * sum;
                sum += batch.num_rows();
                is_small
            };
            let count = self.batches.iter().rev().take_while(fits).count();
            let merged = self.batches.split_off(self.batches.len() - count);
            let first = merged.first().map_or(0, |(first, _)| *first);
            let batch = concat_batches(&self.schema, merged.iter().map(|(_, batch)| batch))?;
            self.batches.push((first, batch));
        }
        Ok(())
    }

    /// Keeps only the rows at these places, and gives them new ones.
    pub(crate) fn keep(&mut self, places: &mut [u32]) -> Result<(), ArrowError> {
        let kept: Vec<u32> = places
            .iter()
            .copied()
            .filter(|place| *place != NONE)
            .collect();
        let pieces = self
            .batches
            .iter()
            .map(|(_, batch)| batch)
            .collect::<Vec<_>>();
        let all = concat_batches(&self.schema, pieces)?;
        let batch = take_record_batch(&all, &UInt32Array::from(kept))?;
        let live = places.iter_mut().filter(|place| **place != NONE);
        for (place, next) in live.zip(0..) {
            *place = next;
        }
        self.rows = batch.num_rows();
        self.batches = vec![(0, batch)];
        Ok(())
    }

    /// A column of the rows at some places; NULL at `NONE`.
    pub(crate) fn take(&self, column: &str, places: &[u32]) -> Result<ArrayRef, ArrowError> {
        let at = self.schema.index_of(column)?;
        let ty = self.schema.field(at).data_type();
        match self.batches.as_slice() {
            [] => Ok(new_null_array(ty, places.len())),
            [(_, only)] => take_one(only.column(at), places),
            [(_, first), rest @ ..] => {
                let end = rest.first().map_or(0, |(first, _)| *first);
                if places.iter().all(|place| *place < end || *place == NONE) {
                    return take_one(first.column(at), places);
                }
                self.take_many(at, places)
            }
        }
    }

    fn take_many(&self, at: usize, places: &[u32]) -> Result<ArrayRef, ArrowError> {
        let null = new_null_array(self.schema.field(at).data_type(), 1);
        let mut arrays: Vec<&dyn Array> = self
            .batches
            .iter()
            .map(|(_, batch)| batch.column(at).as_ref())
            .collect();
        arrays.push(null.as_ref());
        let address = |place: &u32| {
            if *place == NONE {
                return (self.batches.len(), 0);
            }
            let behind = self.batches.partition_point(|(first, _)| first <= place);
            let segment = behind.saturating_sub(1);
            (segment, (*place - self.batches[segment].0) as usize)
        };
        let addresses: Vec<(usize, usize)> = places.iter().map(address).collect();
        interleave(&arrays, &addresses)
    }

    pub(crate) fn size(&self) -> usize {
        self.batches
            .iter()
            .map(|(_, batch)| batch.get_array_memory_size())
            .sum()
    }
}

fn take_one(column: &ArrayRef, places: &[u32]) -> Result<ArrayRef, ArrowError> {
    if places.is_empty() {
        return Ok(new_empty_array(column.data_type()));
    }
    let indices = if places.contains(&NONE) {
        let valid = NullBuffer::from_iter(places.iter().map(|place| *place != NONE));
        let clipped = places
            .iter()
            .map(|place| if *place == NONE { 0 } else { *place });
        UInt32Array::new(clipped.collect(), Some(valid))
    } else {
        UInt32Array::from(places.to_vec())
    };
    take(column, &indices, None)
}
