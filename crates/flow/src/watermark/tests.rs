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
