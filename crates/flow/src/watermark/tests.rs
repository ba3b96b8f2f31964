use super::*;

fn seq(millis: u64) -> Seq {
    Seq::from_millis(millis)
}

fn times(times: &[i64]) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::from(times.to_vec())
}

#[test]
fn rows_are_judged_by_rows_of_smaller_seqs_alone() {
    let (mut watermarks, mut trace) = (Watermarks::new((10, None)), Trace::new());
    assert_eq!(
        watermarks.observe(seq(1), &times(&[100, 50]), &mut trace),
        NO_WATERMARK
    );
    assert_eq!(
        watermarks.observe(seq(1), &times(&[300]), &mut trace),
        NO_WATERMARK,
        "the same seq in two chunks"
    );
    assert_eq!(watermarks.observe(seq(2), &times(&[200]), &mut trace), 290);
    assert_eq!(watermarks.observe(seq(3), &times(&[]), &mut trace), 290);
    assert_eq!(watermarks.as_of(Seq::ZERO), 290);
    assert_eq!(trace, [(seq(1), 290)]);
}

#[test]
fn times_far_ahead_of_their_arrival_do_not_move_it() {
    let (mut watermarks, mut trace) = (Watermarks::new((0, None)), Trace::new());
    let ahead = ahead_limit(seq(1_000));
    watermarks.observe(seq(1_000), &times(&[5, ahead + 1, 7]), &mut trace);
    assert_eq!(watermarks.as_of(Seq::ZERO), 7);
    watermarks.observe(seq(1_000), &times(&[ahead]), &mut trace);
    assert_eq!(watermarks.as_of(Seq::ZERO), ahead);
    assert_eq!(trace, [(seq(1_000), ahead)]);
}

#[test]
fn goes_on_from_what_was_kept() {
    let (mut watermarks, mut trace) = (Watermarks::new((10, None)), Trace::new());
    watermarks.observe(seq(1), &times(&[100]), &mut trace);
    watermarks.observe(seq(2), &times(&[200]), &mut trace);
    let mut again = Watermarks::from_parts((10, None), watermarks.parts());
    assert_eq!(again, watermarks);
    assert_eq!(again.observe(seq(2), &times(&[400]), &mut trace), 90);
    assert_eq!(again.observe(seq(3), &times(&[]), &mut trace), 390);
}

#[test]
fn a_window_closes_at_the_first_seq_that_reaches_its_end() {
    let trace = vec![(seq(1), 10), (seq(2), 20), (seq(5), 30)];
    assert_eq!(reached_at(&trace, 10, seq(9)), seq(1));
    assert_eq!(reached_at(&trace, 11, seq(9)), seq(2));
    assert_eq!(reached_at(&trace, 30, seq(9)), seq(5));
    assert_eq!(reached_at(&trace, 31, seq(9)), seq(9));
}

#[test]
fn before_its_first_row_it_counts_beside_others_and_stays_there() {
    let second = |seconds: u64| Seq(seq(seconds * 1_000).0 - 1);
    let idle = Idle::after(std::time::Duration::from_secs(5), seq(100_000));
    let pace = (10, Some(idle));
    let (mut watermarks, mut trace) = (Watermarks::new(pace), Trace::new());
    watermarks.begin(Seq::ZERO);
    assert_eq!(watermarks.lift_as_of(seq(104_999)), NO_WATERMARK);
    let first = [
        (second(105), 105_000_000 - 10),
        (second(110), 110_000_000 - 10),
    ];
    assert_eq!(watermarks.lift_moves(seq(112_000)), first);
    assert_eq!(
        watermarks.as_of(seq(112_000)),
        NO_WATERMARK,
        "not by itself"
    );
    assert_eq!(watermarks.next_move(seq(112_000)), Some(second(115)));
    // A row without a time is none.
    watermarks.begin(seq(112_000));
    let none: TimestampMicrosecondArray = [None::<i64>].into_iter().collect();
    watermarks.observe(seq(113_000), &none, &mut trace);
    watermarks.observe(seq(117_000), &times(&[30_000_000]), &mut trace);
    assert_eq!(trace, [(seq(117_000), 30_000_000 - 10)]);
    let last = [(second(115), 115_000_000 - 10)];
    assert_eq!(watermarks.lift_moves(seq(121_000)), last);
    for at in [seq(117_000), seq(900_000)] {
        assert_eq!(watermarks.lift_as_of(at), 115_000_000 - 10);
    }
    let kept = serde_json::to_string(&watermarks.parts()).unwrap();
    let kept: KeptWatermark = serde_json::from_str(&kept).unwrap();
    let mut again = Watermarks::from_parts(pace, kept);
    again.begin(seq(121_000));
    assert_eq!(again.lift_as_of(seq(900_000)), 115_000_000 - 10);
    assert_eq!(again.lift_moves(seq(130_000)), []);
}

#[test]
fn what_was_kept_before_there_were_lifts_is_read() {
    let kept: KeptWatermark = serde_json::from_str("[90, 65536, 200]").unwrap();
    let watermarks = Watermarks::from_parts((10, None), kept);
    assert_eq!(watermarks.as_of(seq(2)), 190);
    assert_eq!(watermarks.lift_as_of(seq(2)), NO_WATERMARK);
    let written = serde_json::to_string(&watermarks.parts()).unwrap();
    assert_eq!(written, "[90,65536,200]");
    assert!(serde_json::from_str::<KeptWatermark>("[1, 2]").is_err());
}
