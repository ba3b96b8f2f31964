//! What every engine promises of rows: order, offsets, visibility, trimming.

use mainstem_kernel::{Offset, SchemaVersion, Seq, StreamId};

use super::{OTHER, STREAM, all, append, batch, draft, entry, frames, numbers, put};
use crate::{AppendError, Draft, Frame, Log, ReadError, ReadFrom};

pub(super) fn an_empty_log_is_empty(log: &dyn Log) {
    assert!(frames(log, STREAM, Seq::ZERO).is_empty());
    assert_eq!((log.extent(STREAM), log.extents()), (None, vec![]));
    log.trim(STREAM, Seq::MAX);
    assert!(
        frames(log, STREAM, Seq::ZERO).is_empty(),
        "there was nothing to trim"
    );
}

pub(super) fn what_was_appended_is_read_back(log: &dyn Log) {
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

pub(super) fn a_heartbeat_moves_the_frontier(log: &dyn Log) {
    let first = put(log, STREAM, 1, 2);
    let mut watch = log.watch();
    watch.mark_unchanged();
    let beat = log.heartbeat().unwrap();
    assert!(beat > first && log.frontier() == beat);
    assert!(watch.has_changed().unwrap() && *watch.borrow() == beat);
    let chunk = frames(log, STREAM, Seq::ZERO);
    assert_eq!(chunk.len(), 1, "a heartbeat has no rows");
    let second = put(log, STREAM, 3, 1);
    assert!(second > beat, "what comes behind a heartbeat is behind it");
}

pub(super) fn offsets_go_on_per_partition(log: &dyn Log) {
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

pub(super) fn an_append_over_streams_is_visible_at_once(log: &dyn Log) {
    let before = put(log, STREAM, 0, 1);
    let run = [entry(0, 5, None)];
    let both = vec![draft(OTHER, 10, &run), draft(STREAM, 20, &run)];
    let appended = append(log, both).unwrap();
    assert!(before < appended.seqs[0] && appended.seqs[0] < appended.seqs[1]);
    assert_eq!(
        appended.seqs[0].millis(),
        appended.seqs[1].millis(),
        "whoever stops between two milliseconds has whole appends"
    );
    let (own, other) = (frames(log, STREAM, before), frames(log, OTHER, Seq::ZERO));
    assert_eq!([other[0].seq, own[0].seq], appended.seqs[..]);
    assert_eq!((numbers(&other)[0], numbers(&own)[0]), (10, 20));
}

pub(super) fn reading_goes_on_where_it_ended(log: &dyn Log) {
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

pub(super) fn reading_stops_where_it_was_asked_to(log: &dyn Log) {
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

pub(super) fn trimmed_rows_are_named(log: &dyn Log) {
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

pub(super) fn misshapen_appends_are_refused(log: &dyn Log) {
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

pub(super) fn senders_at_once_lose_nothing(log: &dyn Log) {
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
