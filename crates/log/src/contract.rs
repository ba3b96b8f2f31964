//! The promises of [`Log`] as tests that every engine passes: it never looks behind the trait.
//!
//! [`keeps_every_promise`] panics with the name of the promise that was broken. It takes a way to
//! make an empty log; each promise gets one of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

mod stamps;

use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use mainstem_kernel::{Offset, PartitionId, SchemaVersion, Seq, StreamId};

use crate::{
    Append, AppendError, Appended, Chunk, Draft, DraftEntry, Frame, Log, ReadError, ReadFrom,
    SharedLog, Stamp, append_and_wait,
};

/// A stream for tests.
pub const STREAM: StreamId = StreamId(16);
/// Another one.
pub const OTHER: StreamId = StreamId(17);

/// One promise: its name, and what tries to break it.
pub type Promise = (&'static str, fn(&dyn Log));

/// What every engine promises.
pub const PROMISES: &[Promise] = &[
    ("an empty log is empty", an_empty_log_is_empty),
    (
        "what was appended is read back",
        what_was_appended_is_read_back,
    ),
    ("offsets go on per partition", offsets_go_on_per_partition),
    (
        "an append over streams is visible at once",
        an_append_over_streams_is_visible_at_once,
    ),
    (
        "reading goes on where it ended",
        reading_goes_on_where_it_ended,
    ),
    (
        "reading stops where it was asked to",
        reading_stops_where_it_was_asked_to,
    ),
    ("trimmed rows are named", trimmed_rows_are_named),
    (
        "misshapen appends are refused",
        misshapen_appends_are_refused,
    ),
    ("senders at once lose nothing", senders_at_once_lose_nothing),
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

fn an_empty_log_is_empty(log: &dyn Log) {
    assert!(frames(log, STREAM, Seq::ZERO).is_empty());
    assert_eq!((log.extent(STREAM), log.extents()), (None, vec![]));
    log.trim(STREAM, Seq::MAX);
    assert!(
        frames(log, STREAM, Seq::ZERO).is_empty(),
        "there was nothing to trim"
    );
}

fn what_was_appended_is_read_back(log: &dyn Log) {
    let watch = log.watch();
    let draft = draft(
        STREAM,
        7,
        &[entry(3, 2, None), entry(1, 0, None), entry(0, 1, None)],
    );
    let batch = draft.batch.clone();
    let appended = append(log, vec![draft]).unwrap();
    assert_eq!(appended.first_offsets, [[Offset(0), Offset(0), Offset(0)]]);
    assert!(
        log.frontier() >= appended.last(),
        "durable rows are visible when done is called"
    );
    assert!(watch.has_changed().unwrap() && *watch.borrow() == log.frontier());

    let frames = frames(log, STREAM, Seq::ZERO);
    let [frame] = frames.as_slice() else {
        panic!("one frame was appended: {frames:?}")
    };
    assert_eq!(
        (frame.seq, frame.schema),
        (appended.last(), SchemaVersion(1))
    );
    assert_eq!(frame.batch, batch);
    let runs = frame
        .entries
        .iter()
        .map(|run| (run.partition.0, run.rows, run.offset_span));
    assert_eq!(runs.collect::<Vec<_>>(), [(3, 2, 2), (1, 0, 0), (0, 1, 1)]);
    let extent = log.extent(STREAM).unwrap();
    assert_eq!(
        (extent.first, extent.last, extent.rows),
        (frame.seq, frame.seq, 3)
    );
    assert_eq!(log.extents(), [(STREAM, extent)]);
}

fn offsets_go_on_per_partition(log: &dyn Log) {
    let mut next = [0_u64; 3];
    for round in 0..20_u16 {
        let (a, b) = (round % 3, (round + 1) % 3);
        let runs = [entry(a, 2, None), entry(b, 3, None)];
        let appended = append(log, vec![draft(STREAM, 0, &runs)]).unwrap();
        for ((partition, rows), first) in
            [(a, 2), (b, 3)].into_iter().zip(&appended.first_offsets[0])
        {
            assert!(
                first.0 >= next[usize::from(partition)],
                "an offset came twice"
            );
            next[usize::from(partition)] = first.0 + rows;
        }
    }
    put(log, OTHER, 0, 1);
    assert_eq!(
        frames(log, OTHER, Seq::ZERO)[0].entries[0].first_offset,
        Offset(0)
    );
}

fn an_append_over_streams_is_visible_at_once(log: &dyn Log) {
    let before = put(log, STREAM, 0, 1);
    let run = [entry(0, 5, None)];
    let both = vec![draft(OTHER, 10, &run), draft(STREAM, 20, &run)];
    let appended = append(log, both).unwrap();
    assert!(before < appended.seqs[0] && appended.seqs[0] < appended.seqs[1]);
    let (own, other) = (frames(log, STREAM, before), frames(log, OTHER, Seq::ZERO));
    assert_eq!([other[0].seq, own[0].seq], appended.seqs[..]);
    assert_eq!((numbers(&other)[0], numbers(&own)[0]), (10, 20));
}

fn reading_goes_on_where_it_ended(log: &dyn Log) {
    for n in 0..30 {
        put(log, STREAM, n * 10, 10);
        put(log, OTHER, 0, 1);
    }
    let (mut after, mut read, mut chunks) = (Seq::ZERO, Vec::new(), 0);
    loop {
        let from = ReadFrom {
            after,
            through: Seq::MAX,
            bytes_max: 1,
        };
        let chunk = log.read(STREAM, from).unwrap();
        assert!(chunk.frames.len() <= 1, "one frame is more than a byte");
        assert!(
            chunk.through > after || chunk.is_end,
            "reading does not stand still"
        );
        after = chunk.through;
        chunks += 1;
        read.extend(numbers(&chunk.frames));
        if chunk.is_end {
            break;
        }
    }
    assert_eq!(read, (0..300).collect::<Vec<_>>());
    assert!(chunks >= 30);
    assert!(frames(log, STREAM, after).is_empty(), "the end is the end");
    assert!(
        frames(log, STREAM, Seq(Seq::MAX.0 - 1)).is_empty(),
        "the future is empty"
    );
}

fn reading_stops_where_it_was_asked_to(log: &dyn Log) {
    let seqs: Vec<Seq> = (0..6).map(|n| put(log, STREAM, n, 1)).collect();
    let from = ReadFrom {
        after: seqs[1],
        through: seqs[3],
        bytes_max: usize::MAX,
    };
    let chunk = log.read(STREAM, from).unwrap();
    assert_eq!((numbers(&chunk.frames), chunk.is_end), (vec![2, 3], true));
    assert_eq!(chunk.through, seqs[3]);
    let from = ReadFrom {
        after: seqs[3],
        through: seqs[1],
        bytes_max: usize::MAX,
    };
    assert!(
        log.read(STREAM, from).unwrap().frames.is_empty(),
        "nothing lies between"
    );
}

fn trimmed_rows_are_named(log: &dyn Log) {
    let seqs: Vec<Seq> = (0..6).map(|n| put(log, STREAM, n, 1)).collect();
    let kept = put(log, OTHER, 100, 1);
    log.trim(STREAM, seqs[2]);
    log.trim(STREAM, seqs[0]);
    for after in [Seq::ZERO, seqs[1]] {
        let error = log.read(STREAM, all(after)).unwrap_err();
        assert!(
            matches!(error, ReadError::Trimmed { stream: STREAM, trimmed } if trimmed == seqs[2])
        );
    }
    assert_eq!(numbers(&frames(log, STREAM, seqs[2])), [3, 4, 5]);
    let extent = log.extent(STREAM).unwrap();
    assert_eq!(
        (extent.first, extent.last, extent.rows),
        (seqs[3], seqs[5], 3)
    );
    assert_eq!(
        frames(log, OTHER, Seq::ZERO)[0].seq,
        kept,
        "another stream keeps its rows"
    );

    log.trim(STREAM, Seq::MAX);
    assert_eq!(log.extent(STREAM), None);
    log.read(STREAM, all(seqs[4])).unwrap_err();
    assert!(frames(log, STREAM, seqs[5]).is_empty());
    put(log, STREAM, 6, 1);
    assert_eq!(
        numbers(&frames(log, STREAM, seqs[5])),
        [6],
        "trimming says nothing of later rows"
    );
    assert!(frames(log, STREAM, seqs[5])[0].entries[0].first_offset.0 >= 6);
}

fn misshapen_appends_are_refused(log: &dyn Log) {
    let run = [entry(0, 2, None)];
    let mut uncovered = draft(STREAM, 0, &run);
    uncovered.entries[0].rows = 3;
    let twice = vec![draft(STREAM, 0, &run), draft(STREAM, 2, &run)];
    for frames in [
        vec![],
        vec![uncovered],
        twice,
        vec![draft(StreamId(u32::MAX), 0, &run)],
    ] {
        let error = append(log, frames).unwrap_err();
        assert!(matches!(error, AppendError::Shape { .. }), "{error}");
    }
    let large = batch((0..2_500_000_i64).map(|n| n.wrapping_mul(0x5851_f42d_4c95_7f2d)));
    let runs = vec![entry(0, 2_500_000, None)];
    let large = Draft::encode(STREAM, SchemaVersion(1), runs, large).unwrap();
    let error = append(log, vec![large]).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert!(frames(log, STREAM, Seq::ZERO).is_empty());
    put(log, STREAM, 0, 1);
}

fn senders_at_once_lose_nothing(log: &dyn Log) {
    std::thread::scope(|scope| {
        for sender in 0..4_u16 {
            scope.spawn(move || {
                for n in 0..50 {
                    let run = [entry(sender, 1, None)];
                    append(log, vec![draft(STREAM, i64::from(sender) * 50 + n, &run)]).unwrap();
                }
            });
        }
        scope.spawn(|| {
            let (mut after, mut seen) = (Seq::ZERO, 0);
            while seen < 200 {
                let chunk = log.read(STREAM, all(after)).unwrap();
                assert!(chunk.through >= after, "the frontier moved back");
                assert!(chunk.frames.iter().all(|frame| frame.seq > after));
                after = chunk.through;
                seen += chunk.frames.len();
            }
            assert_eq!(seen, 200, "a row came twice");
        });
    });
    let frames = frames(log, STREAM, Seq::ZERO);
    for sender in 0..4_u16 {
        let own = frames
            .iter()
            .filter(|frame| frame.entries[0].partition.0 == sender);
        let own: Vec<Frame> = own.cloned().collect();
        let first = i64::from(sender) * 50;
        assert_eq!(
            numbers(&own),
            (first..first + 50).collect::<Vec<_>>(),
            "in the sender's order"
        );
        assert!(
            own.iter()
                .map(|frame| frame.entries[0].first_offset)
                .is_sorted()
        );
    }
}
