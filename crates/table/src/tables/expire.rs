//! Expiry: which rows have outlived their time. A row goes when the frontier passes the time when
//! it was written plus the table's time to live; both are the log's time, to the millisecond, so a
//! replay decides alike. Whoever drives steps turns the rows into deletes of that step.
//!
//! Entries of `Space::Due` give the rows that the store has; rows in layers are looked at only in
//! layers that have one old enough. It never changes a row.

mod next;

use std::{collections::BTreeSet, ops::Bound, ops::ControlFlow, time::Duration};

use arrow::{
    array::{BooleanArray, RecordBatch},
    buffer::BooleanBuffer,
    compute::filter_record_batch,
};
use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{KeyRange, Space};

use super::Tables;
use crate::{
    changed::Changed,
    codec::{RowKeys, table_prefix},
    errors::TableError,
    layer::Strings,
    pointer::{Pointer, TableView},
};

/// Rows of one table that have outlived their time.
#[derive(Clone, Debug)]
pub struct Expired {
    /// The table.
    pub table: StreamId,
    /// The rows as they are at the frontier.
    pub rows: RecordBatch,
    /// Whether there are no others: if not, ask again after the step.
    pub is_all: bool,
}

/// What the last search of `Space::Due` found.
#[derive(Clone, Debug, Default)]
pub(super) struct DueHint {
    /// Whether the store has an entry for each row.
    pub(super) is_indexed: bool,
    /// The checkpoint that the store held, and the frontier, when it was searched.
    at: (u64, Seq),
    /// Where that search began: it begins there again until a step was taken.
    from: Place,
    /// Where it ended.
    to: Place,
    /// When the next row is due.
    next: Option<next::Known>,
}

/// Where a search of `Space::Due` stands.
#[derive(Clone, Debug, Default)]
struct Place {
    /// The entry before it. Rows up to there were given to a step.
    cursor: Option<Vec<u8>>,
    /// No entry behind it is older.
    next: Seq,
}

impl DueHint {
    /// Of a table whose rows all have an entry; nothing was searched yet.
    pub(super) fn indexed() -> Self {
        Self {
            is_indexed: true,
            ..Self::default()
        }
    }

    /// Where a search at a pointer begins.
    fn start(&self, pointer: &Pointer) -> Place {
        let (applied, frontier) = self.at;
        if applied != pointer.applied {
            Place::default()
        } else if frontier == pointer.frontier {
            self.from.clone()
        } else {
            self.to.clone()
        }
    }
}

impl Expired {
    /// The deletes of a step through `at`.
    #[must_use]
    pub fn into_changed(self, at: Seq) -> Changed {
        let rows = self.rows.num_rows();
        Changed {
            table: self.table,
            rows: self.rows,
            deleted: BooleanBuffer::new_set(rows),
            written: vec![at; rows],
        }
    }
}

impl Tables {
    /// The rows that have outlived their time when the frontier moves to `through`, at most about
    /// `rows_max` of each table. The step that goes there must delete them; until it is taken, the
    /// same question has the same answer.
    ///
    /// # Errors
    /// What the store says.
    pub fn expire(&self, through: Seq, rows_max: usize) -> Result<Vec<Expired>, TableError> {
        let pointer = self.pointer();
        let mut found = Vec::new();
        for (table, view) in &pointer.tables {
            let Some(ttl) = view.codec.table().ttl else {
                continue;
            };
            let Some(end) = due_before(through, ttl) else {
                continue;
            };
            let mut keys = BTreeSet::new();
            let overlay = pointer.due_in_layers(view, end, (&mut keys, rows_max));
            let store = self.due_in_store(&pointer, *table, (end, rows_max), &mut keys)?;
            if keys.is_empty() {
                continue;
            }
            let rows = pointer.rows_before(*table, &keys, end)?;
            let is_all = overlay && store;
            if rows.num_rows() > 0 || !is_all {
                found.push(Expired {
                    table: *table,
                    rows,
                    is_all,
                });
            }
        }
        found.sort_by_key(|expired| expired.table);
        Ok(found)
    }

    /// Adds keys that the store says are due; whether it said all.
    fn due_in_store(
        &self,
        pointer: &Pointer,
        table: StreamId,
        (end, rows_max): (Seq, usize),
        keys: &mut BTreeSet<Vec<u8>>,
    ) -> Result<bool, TableError> {
        let from = {
            let inner = self.inner.lock();
            let hint = inner.due.get(&table);
            hint.map_or_else(Place::default, |hint| hint.start(pointer))
        };
        let mut to = from.clone();
        if from.next < end {
            to.next = Seq::MAX;
            pointer.search_due(table, (&from, &mut to), (end, rows_max), keys)?;
        }
        let is_all = to.next >= end;
        let mut inner = self.inner.lock();
        let hint = inner.due.entry(table).or_default();
        hint.at = (pointer.applied, pointer.frontier);
        (hint.from, hint.to) = (from, to);
        Ok(is_all)
    }
}

impl Pointer {
    /// Adds the keys of entries before `end`, at most `rows_max`; moves `to` behind them.
    fn search_due(
        &self,
        table: StreamId,
        (from, to): (&Place, &mut Place),
        (end, rows_max): (Seq, usize),
        keys: &mut BTreeSet<Vec<u8>>,
    ) -> Result<(), TableError> {
        let prefix = table_prefix(table);
        let mut range = KeyRange::prefix(&prefix);
        if let Some(cursor) = &from.cursor {
            range.start = Bound::Excluded(cursor.clone());
        }
        let mut left = rows_max.max(1);
        let mut visit = |entry: &[u8], _: &[u8]| {
            let rest = entry.get(prefix.len()..).unwrap_or_default();
            let Some((written, key)) = rest.split_first_chunk::<8>() else {
                return ControlFlow::Continue(());
            };
            let written = Seq(u64::from_be_bytes(*written));
            if written >= end || left == 0 {
                to.next = written;
                return ControlFlow::Break(());
            }
            left -= 1;
            keys.insert(key.to_vec());
            to.cursor = Some(entry.to_vec());
            ControlFlow::Continue(())
        };
        Ok(self.snapshot.scan(Space::Due, &range, &mut visit)?)
    }

    /// Adds keys of rows in layers that are old enough; whether these are all.
    fn due_in_layers(
        &self,
        view: &TableView,
        end: Seq,
        (keys, rows_max): (&mut BTreeSet<Vec<u8>>, usize),
    ) -> bool {
        for entry in view.stack.newest_first() {
            let layer = &entry.layer;
            if layer.oldest() >= end {
                continue;
            }
            for row in 0..layer.len() {
                if !layer.is_deleted(row)
                    && layer.written(row) < end
                    && view.stack.is_newest(layer, row, &self.state_hasher)
                {
                    if keys.len() >= rows_max.max(1) {
                        return false;
                    }
                    keys.insert(layer.key(row).to_vec());
                }
            }
        }
        true
    }

    /// The rows of these keys that were written before `end`.
    fn rows_before(
        &self,
        table: StreamId,
        keys: &BTreeSet<Vec<u8>>,
        end: Seq,
    ) -> Result<RecordBatch, TableError> {
        let view = self.view(table)?;
        let mut strings = Strings::with_capacity(keys.len(), 0);
        for key in keys {
            strings.push(key)?;
        }
        let keys = RowKeys::new(strings.finish(), view.codec.hasher());
        let found = self.get(table, &keys)?;
        let is_due = found.written.iter().map(|written| *written < end);
        let is_due: BooleanBuffer = is_due.collect();
        if is_due.count_set_bits() == found.rows.num_rows() {
            return Ok(found.rows);
        }
        filter_record_batch(&found.rows, &BooleanArray::new(is_due, None))
            .map_err(|source| view.codec.arrange(source))
    }
}

/// Rows that were written before this have outlived their time at `through`.
fn due_before(through: Seq, ttl: Duration) -> Option<Seq> {
    let ttl = u64::try_from(ttl.as_millis()).ok()?;
    let last = through.millis().checked_sub(ttl)?;
    Some(Seq::from_millis(last.saturating_add(1)))
}
