//! `Scan`: the rows of a table in the order of their keys, in batches. Never a lookup by key.

use std::sync::Arc;

use arrow::array::RecordBatch;
use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{KeyRange, Space};

use super::{
    Pointer, TableView,
    merge::{Merge, Pair},
};
use crate::{codec::table_prefix, errors::TableError};

/// The rows of a table in the order of their keys, in batches that are never empty. It keeps what
/// it reads alive, so it should not be held for long.
#[derive(Debug)]
pub struct Scan {
    view: Arc<TableView>,
    merge: Merge,
    batch_rows: usize,
    written: Vec<Seq>,
    is_over: bool,
}

impl Pointer {
    /// The rows of a table whose row keys are in a range, in their order.
    ///
    /// # Errors
    /// `Unknown`. The scan itself gives what the store says.
    pub fn scan(
        &self,
        table: StreamId,
        range: &KeyRange,
        batch_rows: usize,
    ) -> Result<Scan, TableError> {
        let view = self.view(table)?;
        let merge = Merge::new(
            &view.stack,
            (&self.snapshot, self.frontier),
            (Space::Rows, &table_prefix(table)),
            range,
        );
        Ok(Scan {
            view: Arc::clone(view),
            merge,
            batch_rows: batch_rows.max(1),
            written: Vec::new(),
            is_over: false,
        })
    }
}

impl Scan {
    /// For each row of the last batch, when it was written.
    #[must_use]
    pub fn written(&self) -> &[Seq] {
        &self.written
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, TableError> {
        let sources = self.merge.advance(self.batch_rows)?;
        let mut rows = Vec::with_capacity(sources.len());
        self.written.clear();
        for source in sources {
            let (row, written) = match self.merge.pair(source) {
                Some(Pair::Layer(layer, row)) => (layer.row(row), layer.written(row)),
                Some(Pair::Stored(key, value)) => self.view.stored(key, value)?,
                None => continue,
            };
            rows.push(row);
            self.written.push(written);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        self.view.codec.decode(&rows).map(Some)
    }
}

impl Iterator for Scan {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.read().transpose();
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }
}
