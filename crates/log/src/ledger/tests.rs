//! Places at the end of a millisecond, whose seqs run out.

use std::time::Duration;

use mainstem_kernel::{Seq, StreamId, Timestamp};

use super::{APPEND_FRAMES_MAX, Ledger, Place, StampLimits, check_shape};
use crate::{
    AppendError, Draft, Stamp,
    contract::{draft, entry},
};

const LIMITS: StampLimits = StampLimits {
    producers_max: 100,
    request_keep: Duration::from_secs(60),
};

fn drafts(count: usize, stamp: Option<Stamp>) -> Vec<Draft> {
    let streams = (16..).take(count).map(StreamId);
    streams
        .map(|stream| draft(stream, 0, &[entry(0, 1, stamp)]))
        .collect()
}

fn millis(places: &[Place]) -> Vec<u64> {
    let mut millis: Vec<u64> = places.iter().map(|place| place.seq.millis()).collect();
    millis.dedup();
    millis
}

#[test]
fn an_append_is_in_one_millisecond_however_few_seqs_are_left() {
    let now = Timestamp::from_millis(1_000);
    for left in 0..7 {
        for count in 1..6 {
            let mut ledger = Ledger::new(LIMITS);
            let end = Seq::from_millis(1_001).0;
            ledger.raise_last(Seq(end - 1 - left));
            let frames = drafts(count, None);
            let places = ledger.place(frames.iter(), now).unwrap();
            let fits = u64::try_from(count).unwrap() <= left;
            assert_eq!(
                millis(&places),
                [if fits { 1_000 } else { 1_001 }],
                "{left} seqs for {count} frames"
            );
            let seqs: Vec<u64> = places.iter().map(|place| place.seq.0).collect();
            assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
            // Seqs never repeat, also when the clock comes to where they are already.
            let next = ledger.place(frames.iter(), Timestamp::from_millis(1_001));
            assert!(next.unwrap()[0].seq > places[places.len() - 1].seq);
        }
    }
}

#[test]
fn a_repetition_is_told_the_seqs_that_were_given() {
    let mut ledger = Ledger::new(LIMITS);
    ledger.raise_last(Seq(Seq::from_millis(1_001).0 - 2));
    let stamp = Stamp::Request {
        producer: mainstem_kernel::ProducerId(5),
        check: 1,
        rejected: 0,
    };
    let frames = drafts(3, Some(stamp));
    let now = Timestamp::from_millis(1_000);
    let places = ledger.place(frames.iter(), now).unwrap();
    ledger.settle();
    let Err(AppendError::Repeated(repeated)) = ledger.place(frames.iter(), now) else {
        panic!("it was appended before");
    };
    let told: Vec<Seq> = repeated.iter().map(|repeated| repeated.seq).collect();
    let given: Vec<Seq> = places.iter().map(|place| place.seq).collect();
    assert_eq!(told, given);
}

#[test]
fn more_frames_than_a_millisecond_has_seqs_are_refused() {
    let size = (mainstem_kernel::ByteSize(0), mainstem_kernel::ByteSize(1));
    let one = draft(StreamId(16), 0, &[entry(0, 1, None)]);
    let again = |stream: usize| Draft {
        stream: StreamId(u32::try_from(16 + stream).unwrap()),
        schema: one.schema,
        key: one.key,
        entries: one.entries.clone(),
        batch: one.batch.clone(),
        body: one.body.clone(),
        body_crc: one.body_crc,
    };
    let mut frames: Vec<Draft> = (0..APPEND_FRAMES_MAX).map(again).collect();
    assert!(check_shape(&frames, size).is_ok());
    let mut ledger = Ledger::new(LIMITS);
    ledger.raise_last(Seq::from_millis(1_000));
    let places = ledger.place(frames.iter(), Timestamp::from_millis(1_000));
    assert_eq!(millis(&places.unwrap()), [1_001]);
    frames.push(again(APPEND_FRAMES_MAX));
    let refused = check_shape(&frames, size).unwrap_err();
    assert!(matches!(refused, AppendError::Shape { .. }), "{refused}");
}
