//! What every engine promises of rows that carry a stamp.

use mainstem_kernel::{Epoch, ProducerId, Seq, StreamId};

use super::{OTHER, STREAM, append, draft, entry, frames, numbers, put};
use crate::{AppendError, DraftEntry, Log, Repeated, Stamp};

const CLIENT: ProducerId = ProducerId(0xfeed);

fn request(check: u32, rejected: u32) -> Option<Stamp> {
    Some(Stamp::Request {
        producer: CLIENT,
        check,
        rejected,
    })
}

fn load(first: u64, span: u32, rejected: u32) -> Option<Stamp> {
    Some(Stamp::Load {
        producer: CLIENT,
        first,
        span,
        rejected,
    })
}

fn run(epoch: u16, first_sequence: u32) -> Option<Stamp> {
    Some(Stamp::Producer {
        producer: CLIENT,
        epoch: Epoch(epoch),
        first_sequence,
    })
}

fn send(log: &dyn Log, stream: StreamId, entries: &[DraftEntry]) -> Result<Seq, AppendError> {
    append(log, vec![draft(stream, 0, entries)]).map(|appended| appended.last())
}

fn repeated(outcome: Result<Seq, AppendError>) -> Vec<Repeated> {
    match outcome {
        Err(AppendError::Repeated(list)) => list,
        other => panic!("expected a repetition: {other:?}"),
    }
}

fn gap(outcome: Result<Seq, AppendError>) -> (u64, u64) {
    match outcome {
        Err(AppendError::Gap {
            stream: STREAM,
            expected,
            found,
        }) => (expected, found),
        other => panic!("expected a gap: {other:?}"),
    }
}

pub(super) fn requests_are_recognised(log: &dyn Log) {
    let seq = send(log, STREAM, &[entry(0, 5, request(1, 2))]).unwrap();
    put(log, STREAM, 0, 1);
    let first = Repeated {
        frame: 0,
        entry: 1,
        seq,
        rows: 5,
        rejected: 2,
    };
    let again = [entry(0, 1, None), entry(1, 5, request(1, 0))];
    assert_eq!(repeated(send(log, STREAM, &again)), [first]);
    let error = send(log, STREAM, &[entry(0, 5, request(9, 2))]).unwrap_err();
    assert!(
        matches!(error, AppendError::Conflict { stream: STREAM }),
        "{error}"
    );
    assert_eq!(
        numbers(&frames(log, STREAM, Seq::ZERO)).len(),
        6,
        "nothing of it was kept"
    );
    send(log, OTHER, &[entry(0, 5, request(1, 2))]).unwrap();
    // A request whose rows were all rejected is recognised too.
    let other = Some(Stamp::Request {
        producer: ProducerId(2),
        check: 1,
        rejected: 3,
    });
    let seq = send(log, STREAM, &[entry(0, 0, other)]).unwrap();
    let first = Repeated {
        frame: 0,
        entry: 0,
        seq,
        rows: 0,
        rejected: 3,
    };
    assert_eq!(repeated(send(log, STREAM, &[entry(0, 0, other)])), [first]);
}

pub(super) fn a_request_may_go_to_several_partitions(log: &dyn Log) {
    let stamp = request(1, 1);
    let entries = [entry(0, 2, stamp), entry(0, 1, None), entry(3, 4, stamp)];
    let seq = send(log, STREAM, &entries).unwrap();
    let list = repeated(send(log, STREAM, &entries));
    assert_eq!(list.iter().map(|r| r.entry).collect::<Vec<_>>(), [0, 2]);
    assert!(
        list.iter()
            .all(|r| (r.seq, r.rows, r.rejected) == (seq, 6, 1)),
        "{list:?}"
    );
}

pub(super) fn loaders_go_on(log: &dyn Log) {
    assert_eq!(log.next_row(STREAM, CLIENT), None);
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 1, load(5, 1, 0))])),
        (0, 5)
    );
    // Two requests in one frame, each in two partitions; entries are sorted by partition.
    let (a, b) = (load(0, 10, 1), load(10, 20, 0));
    let entries = [
        entry(0, 4, a),
        entry(0, 10, b),
        entry(1, 5, a),
        entry(1, 10, b),
    ];
    send(log, STREAM, &entries).unwrap();
    assert_eq!(log.next_row(STREAM, CLIENT), Some(30));
    let list = repeated(send(log, STREAM, &entries));
    let rows: Vec<_> = list.iter().map(|r| (r.entry, r.rows, r.rejected)).collect();
    assert!(
        rows.contains(&(0, 9, 1)) && rows.contains(&(3, 20, 0)),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 4);
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 1, load(31, 1, 0))])),
        (30, 31)
    );
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 9, load(25, 9, 0))])),
        (30, 25)
    );
    send(log, STREAM, &[entry(0, 0, load(30, 7, 7))]).unwrap();
    assert_eq!(log.next_row(STREAM, CLIENT), Some(37));
    assert_eq!(log.next_row(OTHER, CLIENT), None);
}

pub(super) fn producers_follow_kafkas_rules(log: &dyn Log) {
    // An unknown producer may begin anywhere, in each partition for itself.
    let mut seqs = Vec::new();
    for n in 0..7 {
        seqs.push(send(log, STREAM, &[entry(0, 10, run(1, 100 + n * 10))]).unwrap());
    }
    send(log, STREAM, &[entry(1, 10, run(1, 0))]).unwrap();
    for n in 2..7_u32 {
        let seq = seqs[usize::try_from(n).unwrap()];
        let first = Repeated {
            frame: 0,
            entry: 0,
            seq,
            rows: 10,
            rejected: 0,
        };
        assert_eq!(
            repeated(send(log, STREAM, &[entry(0, 10, run(1, 100 + n * 10))])),
            [first]
        );
    }
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 10, run(1, 110))])),
        (170, 110),
        "only five runs"
    );
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 1, run(1, 180))])),
        (170, 180)
    );
    assert_eq!(
        gap(send(log, STREAM, &[entry(0, 1, run(2, 170))])),
        (0, 170),
        "a new epoch"
    );
    send(log, STREAM, &[entry(0, 1, run(2, 0))]).unwrap();
    let error = send(log, STREAM, &[entry(0, 1, run(1, 170))]).unwrap_err();
    assert!(
        matches!(error, AppendError::Fenced { stream: STREAM }),
        "{error}"
    );
    // Sequences wrap.
    send(log, OTHER, &[entry(0, 2, run(0, 0x7fff_ffff))]).unwrap();
    send(log, OTHER, &[entry(0, 1, run(0, 1))]).unwrap();
}

pub(super) fn a_refused_append_leaves_nothing(log: &dyn Log) {
    send(log, STREAM, &[entry(0, 1, request(1, 0))]).unwrap();
    let before = log.frontier();
    // A new request, a new loader and a new producer beside one that is refused.
    let other = |producer| Stamp::Request {
        producer: ProducerId(producer),
        check: 1,
        rejected: 0,
    };
    let fresh = [
        entry(0, 1, Some(other(1))),
        entry(0, 1, load(0, 1, 0)),
        entry(
            0,
            1,
            Some(Stamp::Producer {
                producer: ProducerId(3),
                epoch: Epoch(0),
                first_sequence: 0,
            }),
        ),
    ];
    let with_repeated = [fresh[0], entry(0, 1, request(1, 0)), fresh[1], fresh[2]];
    let frames_of = |entries: &[DraftEntry]| {
        vec![
            draft(OTHER, 0, &[entry(0, 1, None)]),
            draft(STREAM, 0, entries),
        ]
    };
    let outcome = append(log, frames_of(&with_repeated)).map(|appended| appended.last());
    let list = repeated(outcome);
    assert_eq!((list.len(), list[0].frame, list[0].entry), (1, 1, 1));
    assert_eq!((log.frontier(), log.extent(OTHER)), (before, None));
    // What was new in the refused append is still new.
    append(log, frames_of(&fresh)).unwrap();
    assert_eq!(log.next_row(STREAM, CLIENT), Some(1));
}
