//! `LookupTable`: the rows of a table in memory, as columns, found by key, as of any seq of the
//! step that is under way.
//!
//! # Shape
//!
//! Every key that was ever seen has a number (`slots`, `keys`). Every row that came has a place:
//! its index into `segments` as if they were one. `places` says where the row of a key was when
//! the step began; `pending` has the changes of the step, by seq. A row that looks up as of seq s
//! sees the last change with a smaller seq. Whoever has no steps settles up to the smallest seq that
//! is still asked for.
//!
//! Segments are merged with their neighbour when that is not more than twice as large, so there
//! are few, and places stay what they are. Rows that were replaced are dropped, and places given
//! anew, when they are more than half.
//!
//! It never reads a store: whoever owns it loads it.

mod segments;

use std::{collections::HashMap, sync::Arc, time::Duration};

use datafusion::arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use mainstem_kernel::{Seq, StreamId};

use crate::{
    change::Weighted,
    hash::hash_rows,
    keys::{KeyBytes, KeyColumn, as_key},
    slots::{NONE, Slots, tag_of},
};
use segments::Segments;

/// The tables that a step looks rows up in.
pub(crate) type LookupTables = HashMap<StreamId, Arc<LookupTable>>;

/// The rows of a table, by key.
#[derive(Clone, Debug)]
pub(crate) struct LookupTable {
    /// Which columns of a row are the key, in its order.
    key: Vec<usize>,
    /// The types in which keys are compared.
    key_types: Vec<DataType>,
    slots: Slots,
    keys: KeyBytes,
    places: Vec<u32>,
    pending: HashMap<u32, Vec<(Seq, u32)>>,
    /// Changes in `pending` that have a row.
    waiting: usize,
    segments: Segments,
    /// When the row at each place was written.
    written: Vec<Seq>,
    /// How long a row is there after it was written, in ms.
    ttl_ms: Option<u64>,
    /// Keys that have a row.
    live: usize,
}

impl LookupTable {
    /// An empty table with these columns, of which `key` are the key. A row is there for `ttl`
    /// after it was written, by the seqs of those who look it up.
    ///
    /// # Errors
    /// When a key column has a type that is no key.
    pub(crate) fn new(
        schema: SchemaRef,
        key: Vec<usize>,
        ttl: Option<Duration>,
    ) -> Result<Self, ArrowError> {
        let key_types = key
            .iter()
            .map(|at| {
                let ty = schema.field(*at).data_type();
                crate::keys::key_type(ty)
                    .ok_or_else(|| ArrowError::NotYetImplemented(format!("{ty} is not looked up")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            key,
            key_types,
            slots: Slots::default(),
            keys: KeyBytes::default(),
            places: Vec::new(),
            pending: HashMap::new(),
            waiting: 0,
            segments: Segments::new(schema),
            written: Vec::new(),
            ttl_ms: ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            live: 0,
        })
    }

    /// Takes rows that are there before everything else, with when each was written.
    ///
    /// # Errors
    /// When the columns differ.
    pub(crate) fn load(&mut self, rows: &RecordBatch, written: &[Seq]) -> Result<(), ArrowError> {
        let numbers = self.intern(rows)?;
        let first = self.push(rows, written)?;
        for (number, place) in numbers.into_iter().zip(first..) {
            self.set(number, place);
        }
        Ok(())
    }

    /// Takes changes with their seqs, of a key none smaller than before: after images, and deletes
    /// of which only the key counts.
    ///
    /// # Errors
    /// When the columns differ.
    pub(crate) fn change(
        &mut self,
        rows: &RecordBatch,
        deleted: &BooleanArray,
        seqs: &[Seq],
    ) -> Result<(), ArrowError> {
        let numbers = self.intern(rows)?;
        let first = self.push(rows, seqs)?;
        for (row, (number, place)) in numbers.into_iter().zip(first..).enumerate() {
            let place = if deleted.value(row) { NONE } else { place };
            self.waiting += usize::from(place != NONE);
            let changes = self.pending.entry(number).or_default();
            changes.push((seqs[row], place));
        }
        Ok(())
    }

    /// Adds rows; gives the place of the first.
    fn push(&mut self, rows: &RecordBatch, written: &[Seq]) -> Result<u32, ArrowError> {
        if written.len() != rows.num_rows() {
            let reason = "as many seqs as rows are expected".to_owned();
            return Err(ArrowError::InvalidArgumentError(reason));
        }
        let first = self.segments.push(rows)?;
        self.written.extend_from_slice(written);
        Ok(first)
    }

    /// The step is over: its changes are what the next one begins with.
    ///
    /// # Errors
    /// When Arrow cannot join columns.
    pub(crate) fn settle(&mut self) -> Result<(), ArrowError> {
        self.settle_before(Seq::MAX)
    }

    /// Nobody looks up as of a smaller seq than this any more: of the changes before it only the
    /// last of each key is kept.
    ///
    /// # Errors
    /// When Arrow cannot join columns.
    pub(crate) fn settle_before(&mut self, seq: Seq) -> Result<(), ArrowError> {
        for (number, mut changes) in std::mem::take(&mut self.pending) {
            let settled = changes.partition_point(|(changed, _)| *changed < seq);
            let later = changes.split_off(settled);
            self.waiting -= changes.iter().filter(|(_, place)| *place != NONE).count();
            if let Some((_, place)) = changes.last() {
                self.set(number, *place);
            }
            if !later.is_empty() {
                self.pending.insert(number, later);
            }
        }
        self.segments.merge()?;
        if self.segments.rows() > 2 * (self.live + self.waiting) + SPARE_ROWS {
            self.drop_replaced()?;
        }
        Ok(())
    }

    /// Drops rows that no key has any more. All others get other places.
    fn drop_replaced(&mut self) -> Result<(), ArrowError> {
        let settled = self.places.len();
        let waiting = self.pending.values().flatten();
        self.places.extend(waiting.map(|(_, place)| *place));
        let kept = self.places.iter().filter(|place| **place != NONE);
        let written = kept.map(|place| self.written[*place as usize]);
        self.written = written.collect();
        self.segments.keep(&mut self.places)?;
        let moved = self.places.split_off(settled);
        for ((_, place), moved) in self.pending.values_mut().flatten().zip(moved) {
            *place = moved;
        }
        Ok(())
    }

    fn set(&mut self, number: u32, place: u32) {
        let kept = &mut self.places[number as usize];
        match (*kept == NONE, place == NONE) {
            (true, false) => self.live += 1,
            (false, true) => self.live -= 1,
            (true, true) | (false, false) => {}
        }
        *kept = place;
    }

    /// The numbers of the keys of rows, new ones included.
    fn intern(&mut self, rows: &RecordBatch) -> Result<Vec<u32>, ArrowError> {
        let columns = self.key_columns(
            &self
                .key
                .iter()
                .map(|at| Arc::clone(rows.column(*at)))
                .collect::<Vec<_>>(),
        )?;
        let columns = KeyColumn::all(&columns)?;
        let hashes = hash_rows(&columns, rows.num_rows());
        let mut numbers = Vec::with_capacity(hashes.len());
        let mut key = Vec::new();
        for (row, hash) in hashes.into_iter().enumerate() {
            key.clear();
            columns.iter().for_each(|column| column.put(row, &mut key));
            let next = u32::try_from(self.keys.len()).unwrap_or(NONE);
            let is_it = |number: u32| self.keys.get(number as usize) == key;
            let (number, is_new) = self.slots.find_or_put(tag_of(hash), next, is_it);
            if is_new {
                self.keys.push(&key);
                self.places.push(NONE);
            }
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn key_columns(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>, ArrowError> {
        let typed = columns.iter().zip(&self.key_types).map(|(column, ty)| {
            let column = as_key(column)?;
            if column.data_type() == ty {
                Ok(column)
            } else {
                cast(&column, ty)
            }
        });
        typed.collect()
    }

    /// The places of the rows with these keys, as of the seqs of `rows`; `NONE` where there is
    /// none, or a key is NULL.
    pub(crate) fn find(&self, keys: &[ArrayRef], rows: &Weighted) -> Result<Vec<u32>, ArrowError> {
        let keys = self.key_columns(keys)?;
        let columns = KeyColumn::all(&keys)?;
        let hashes = hash_rows(&columns, rows.rows());
        let mut numbers = self.slots.guess(&hashes);
        for (row, number) in numbers.iter_mut().enumerate() {
            if *number != NONE && !self.is_key(*number, &columns, row) {
                // Another key has the same tag.
                let is_it = |number| self.is_key(number, &columns, row);
                *number = self.slots.find(hashes[row], is_it).unwrap_or(NONE);
            }
        }
        if keys.iter().any(|key| key.null_count() > 0) {
            for (row, number) in numbers.iter_mut().enumerate() {
                if keys.iter().any(|key| key.is_null(row)) {
                    *number = NONE;
                }
            }
        }
        let mut places = self.places_of(numbers, rows);
        if let Some(ttl_ms) = self.ttl_ms {
            self.forget_expired(&mut places, rows, ttl_ms);
        }
        Ok(places)
    }

    /// A row is gone once so much time has passed since it was written: as `Tables::expire` says.
    fn forget_expired(&self, places: &mut [u32], rows: &Weighted, ttl_ms: u64) {
        for (first, run) in rows.runs() {
            let now = run.seq.millis();
            for place in &mut places[first..first + run.rows] {
                if *place != NONE
                    && self.written[*place as usize]
                        .millis()
                        .saturating_add(ttl_ms)
                        <= now
                {
                    *place = NONE;
                }
            }
        }
    }

    #[inline]
    fn is_key(&self, number: u32, columns: &[KeyColumn<'_>], row: usize) -> bool {
        let mut rest = self.keys.get(number as usize);
        columns.iter().all(|column| column.begins(row, &mut rest))
    }

    fn places_of(&self, mut numbers: Vec<u32>, rows: &Weighted) -> Vec<u32> {
        if self.pending.is_empty() {
            for number in &mut numbers {
                if *number != NONE {
                    *number = self.places[*number as usize];
                }
            }
            return numbers;
        }
        for (first, run) in rows.runs() {
            for number in &mut numbers[first..first + run.rows] {
                if *number != NONE {
                    *number = self.place_at(*number, run.seq);
                }
            }
        }
        numbers
    }

    fn place_at(&self, number: u32, seq: Seq) -> u32 {
        let before = self.places[number as usize];
        let Some(changes) = self.pending.get(&number) else {
            return before;
        };
        let at = changes.partition_point(|(changed, _)| *changed < seq);
        at.checked_sub(1)
            .and_then(|at| changes.get(at))
            .map_or(before, |(_, place)| *place)
    }

    /// A column of the rows at some places; NULL at `NONE`.
    pub(crate) fn take(&self, column: &str, places: &[u32]) -> Result<ArrayRef, ArrowError> {
        self.segments.take(column, places)
    }

    /// Rows that are there.
    pub(crate) fn rows(&self) -> usize {
        self.live
    }

    /// Bytes that it takes, about.
    pub(crate) fn size(&self) -> usize {
        self.slots.size()
            + self.keys.size()
            + self.places.capacity() * size_of::<u32>()
            + self.written.capacity() * size_of::<Seq>()
            + self.pending.capacity() * size_of::<(u32, Vec<(Seq, u32)>)>()
            + self.waiting * size_of::<(Seq, u32)>()
            + self.segments.size()
    }
}

/// Replaced rows that are not worth a clean-up.
const SPARE_ROWS: usize = 4_096;

#[cfg(test)]
mod tests;
