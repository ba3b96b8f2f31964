//! `Outbox`: rows of stream views, dead letters and late rows between a step and the log.
//!
//! Rows are numbered by sender: rows that the log has already had of a sender, because they were
//! computed once before, are left out. So a rebuild appends nothing twice. It never appends.

use std::collections::BTreeMap;

use bytes::Bytes;
use datafusion::arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};
use mainstem_kernel::{ProducerId, SchemaVersion, StreamId};
use mainstem_log::{Log, frame::rows_size};
use mainstem_table::Outgoing;

/// Rows are put together up to so many bytes: each piece costs the log a frame, and putting together
/// costs a copy.
const PIECE_ENOUGH: usize = 1 << 20;
/// More than so many bytes of rows are cut: the log takes no frame of any size.
const PIECE_MOST: usize = 4 << 20;

/// Which rows of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Letters,
    Late,
}

/// Rows that wait for the next checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    senders: BTreeMap<(StreamId, ProducerId), Sender>,
}

#[derive(Debug, Default)]
struct Sender {
    /// Number of the next row.
    next: u64,
    /// The log has had the rows before this one.
    known: u64,
    waiting: Vec<RecordBatch>,
}

/// Whom the log knows as the sender of a view's rows.
pub(crate) fn producer(view: StreamId, kind: Kind) -> ProducerId {
    let kind = match kind {
        Kind::Rows => 1,
        Kind::Letters => 2,
        Kind::Late => 3,
    };
    ProducerId(u64::from(view.0) << 8 | kind)
}

impl Outbox {
    /// Goes on with the numbers that a note has kept.
    pub(crate) fn restore(&mut self, kept: &[(StreamId, ProducerId, u64)]) {
        for (stream, producer, next) in kept {
            self.senders.entry((*stream, *producer)).or_default().next = *next;
        }
    }

    /// The number of each sender's next row.
    pub(crate) fn numbers(&self) -> Vec<(StreamId, ProducerId, u64)> {
        let senders = self.senders.iter();
        senders
            .map(|((stream, producer), sender)| (*stream, *producer, sender.next))
            .collect()
    }

    /// Learns from the log what it has had of a sender; to be called before its first row.
    fn sender(&mut self, log: &dyn Log, stream: StreamId, producer: ProducerId) -> &mut Sender {
        let sender = self.senders.entry((stream, producer)).or_default();
        if sender.known == 0 {
            sender.known = log.next_row(stream, producer).unwrap_or(0).max(sender.next);
        }
        sender
    }

    /// Takes rows; gives those that the log has not had.
    pub(crate) fn put(
        &mut self,
        log: &dyn Log,
        (stream, producer): (StreamId, ProducerId),
        rows: RecordBatch,
    ) -> Option<RecordBatch> {
        let sender = self.sender(log, stream, producer);
        let count = rows.num_rows();
        let behind = sender.known.saturating_sub(sender.next);
        let old = usize::try_from(behind).unwrap_or(usize::MAX).min(count);
        sender.next += old as u64;
        if old == count {
            return None;
        }
        let rows = rows.slice(old, count - old);
        sender.waiting.push(rows.clone());
        Some(rows)
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.senders
            .values()
            .all(|sender| sender.waiting.is_empty())
    }

    /// Takes out all that waits, numbered.
    pub(crate) fn seal(&mut self) -> Result<Vec<Outgoing>, ArrowError> {
        let mut all = Vec::new();
        for ((stream, producer), sender) in &mut self.senders {
            for rows in pieces(std::mem::take(&mut sender.waiting))? {
                let count = rows.num_rows() as u64;
                all.push(Outgoing {
                    stream: *stream,
                    // Streams beside views, and of views, have had one version of their columns.
                    schema: SchemaVersion(1),
                    producer: *producer,
                    first: sender.next,
                    rows,
                    body: Bytes::new(),
                });
                sender.next += count;
            }
            sender.known = sender.known.max(sender.next);
        }
        Ok(all)
    }

    /// Forgets the senders of a view.
    pub(crate) fn forget(&mut self, view: StreamId) {
        let own = [Kind::Rows, Kind::Letters, Kind::Late].map(|kind| producer(view, kind));
        self.senders
            .retain(|(_, producer), _| !own.contains(producer));
    }

    /// Rows of a view are counted from the first again.
    pub(crate) fn begin_again(&mut self, view: StreamId) {
        let own = [Kind::Rows, Kind::Letters, Kind::Late].map(|kind| producer(view, kind));
        for ((_, producer), sender) in &mut self.senders {
            if own.contains(producer) {
                sender.known = sender.known.max(sender.next);
                sender.next = 0;
                sender.waiting.clear();
            }
        }
    }
}

/// Rows of a sender as batches that are neither small nor large, without a copy where they were
/// neither before.
fn pieces(waiting: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut pieces = Vec::new();
    let mut small = Vec::new();
    let mut bytes = 0;
    for batch in waiting {
        let size = rows_size(&batch)?;
        bytes += size;
        for part in cut(batch, size) {
            small.push(part);
            if bytes >= PIECE_ENOUGH {
                pieces.extend(together(&mut small)?);
            }
        }
        bytes = if small.is_empty() { 0 } else { bytes };
    }
    pieces.extend(together(&mut small)?);
    Ok(pieces)
}

/// A batch in parts of the same number of rows, none much larger than the most.
fn cut(batch: RecordBatch, size: usize) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let parts = size.div_ceil(PIECE_MOST).max(1);
    let each = rows.div_ceil(parts).max(1);
    let starts = (0..rows).step_by(each);
    starts
        .map(|start| batch.slice(start, each.min(rows - start)))
        .collect()
}

/// Several batches as one; `None` of none.
fn together(batches: &mut Vec<RecordBatch>) -> Result<Option<RecordBatch>, ArrowError> {
    let batches = std::mem::take(batches);
    match batches.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, ..] => concat_batches(&first.schema(), &batches).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[test]
    fn rows_leave_in_their_order_in_pieces_that_are_neither_small_nor_large() {
        let ends = [
            0, 10, 20, 200_000, 200_010, 2_000_000, 2_000_001, 2_400_000, 2_400_007,
        ];
        let waiting = ends.windows(2).map(|pair| batch(pair[0]..pair[1]));
        let pieces = pieces(waiting.collect()).unwrap();
        let sizes = pieces.iter().map(|piece| rows_size(piece).unwrap());
        let sizes: Vec<usize> = sizes.collect();
        let (_, but_last) = sizes.split_last().unwrap();
        assert!(
            but_last.iter().all(|size| *size >= PIECE_ENOUGH),
            "{sizes:?}"
        );
        assert!(
            sizes.iter().all(|size| *size < PIECE_ENOUGH + PIECE_MOST),
            "{sizes:?}"
        );
        let rows = pieces.iter().flat_map(|piece| {
            let column = piece.column(0);
            column
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
                .values()
                .to_vec()
        });
        assert!(rows.eq(0..2_400_007));
        // A batch of a good size is passed on as it is.
        let one = batch(0..150_000);
        let same = super::pieces(vec![one.clone()]).unwrap();
        let bytes = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
                .values()
                .as_ptr()
        };
        assert_eq!(bytes(&same[0]), bytes(&one));
    }
}
