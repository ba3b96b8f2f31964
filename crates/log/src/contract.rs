//! The promises of [`Log`] as tests that every engine passes: it never looks behind the trait.
//!
//! [`keeps_every_promise`] panics with the name of the promise that was broken. It takes a way to
//! make an empty log; each promise gets one of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a broken promise is told by a panic"
)]

mod rows;
mod stamps;

use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use mainstem_kernel::{PartitionId, SchemaVersion, Seq, StreamId};

use crate::{
    Append, AppendError, Appended, Chunk, Draft, DraftEntry, Frame, Log, ReadFrom, SharedLog,
    Stamp, append_and_wait,
};

/// A stream for tests.
pub const STREAM: StreamId = StreamId(16);
/// Another one.
pub const OTHER: StreamId = StreamId(17);

/// One promise: its name, and what tries to break it.
pub type Promise = (&'static str, fn(&dyn Log));

/// What every engine promises.
pub const PROMISES: &[Promise] = &[
    ("an empty log is empty", rows::an_empty_log_is_empty),
    (
        "what was appended is read back",
        rows::what_was_appended_is_read_back,
    ),
    (
        "offsets go on per partition",
        rows::offsets_go_on_per_partition,
    ),
    (
        "an append over streams is visible at once",
        rows::an_append_over_streams_is_visible_at_once,
    ),
    (
        "reading goes on where it ended",
        rows::reading_goes_on_where_it_ended,
    ),
    (
        "reading stops where it was asked to",
        rows::reading_stops_where_it_was_asked_to,
    ),
    ("trimmed rows are named", rows::trimmed_rows_are_named),
    (
        "misshapen appends are refused",
        rows::misshapen_appends_are_refused,
    ),
    (
        "senders at once lose nothing",
        rows::senders_at_once_lose_nothing,
    ),
    (
        "a heartbeat moves the frontier",
        rows::a_heartbeat_moves_the_frontier,
    ),
    ("requests are recognised", stamps::requests_are_recognised),
    (
        "a request may go to several partitions",
        stamps::a_request_may_go_to_several_partitions,
    ),
    ("loaders go on", stamps::loaders_go_on),
    (
        "producers follow Kafka's rules",
        stamps::producers_follow_kafkas_rules,
    ),
    (
        "a refused append leaves nothing",
        stamps::a_refused_append_leaves_nothing,
    ),
];

/// Tries every promise on a log of its own.
pub fn keeps_every_promise(mut make: impl FnMut() -> SharedLog) {
    for (name, promise) in PROMISES {
        let log = make();
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(&*log)));
        assert!(kept.is_ok(), "the log broke its promise: {name}");
    }
}

/// One column of numbers.
#[must_use]
pub fn batch(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let numbers: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(numbers));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

/// A run of rows.
#[must_use]
pub const fn entry(partition: u16, rows: u32, stamp: Option<Stamp>) -> DraftEntry {
    DraftEntry {
        partition: PartitionId(partition),
        rows,
        stamp,
    }
}

/// Numbers from `first` on in the given runs.
#[must_use]
pub fn draft(stream: StreamId, first: i64, entries: &[DraftEntry]) -> Draft {
    let rows: u32 = entries.iter().map(|entry| entry.rows).sum();
    let batch = batch(first..first + i64::from(rows));
    Draft::encode(stream, SchemaVersion(1), entries.to_vec(), batch).unwrap()
}

/// Appends frames and waits.
///
/// # Errors
/// As `Log::append`.
pub fn append(log: &dyn Log, frames: Vec<Draft>) -> Result<Appended, AppendError> {
    append_and_wait(log, Append { frames })
}

/// Appends so many numbers to partition 0.
pub fn put(log: &dyn Log, stream: StreamId, first: i64, rows: u32) -> Seq {
    append(log, vec![draft(stream, first, &[entry(0, rows, None)])])
        .unwrap()
        .last()
}

/// Everything behind `after`.
#[must_use]
pub const fn all(after: Seq) -> ReadFrom {
    ReadFrom {
        after,
        through: Seq::MAX,
        bytes_max: usize::MAX,
    }
}

/// A stream's frames behind `after`, checked to be one whole answer.
#[must_use]
pub fn frames(log: &dyn Log, stream: StreamId, after: Seq) -> Vec<Frame> {
    let frontier = log.frontier();
    let Chunk {
        frames,
        through,
        is_end,
    } = log.read(stream, all(after)).unwrap();
    assert!(
        is_end && through >= frontier.max(after),
        "all was asked for"
    );
    assert!(
        frames.windows(2).all(|pair| pair[0].seq < pair[1].seq),
        "in the order of seqs"
    );
    assert!(
        frames
            .iter()
            .all(|frame| frame.seq > after && frame.stream == stream)
    );
    frames
}

/// The numbers of frames, in order.
#[must_use]
pub fn numbers(frames: &[Frame]) -> Vec<i64> {
    let column = |frame: &Frame| {
        let column: &Int64Array = frame.batch.column(0).as_any().downcast_ref().unwrap();
        column.values().to_vec()
    };
    frames.iter().flat_map(column).collect()
}
