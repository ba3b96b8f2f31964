use super::*;

fn at(millis: u64) -> Seq {
    Seq::from_millis(millis)
}

fn just_before(millis: u64) -> Seq {
    Seq(at(millis).0 - 1)
}

#[test]
fn goes_on_by_the_timeout_whenever_it_has_passed() {
    let idle = Idle::after(Duration::from_secs(2), Seq::ZERO);
    // Arrival within a millisecond does not count.
    let last = Seq(at(10_000).0 + 77);
    assert_eq!(idle.gone_on(last, last), 0);
    assert_eq!(idle.gone_on(last, Seq(just_before(12_000).0 - 1)), 0);
    assert_eq!(idle.gone_on(last, just_before(12_000)), 2_000_000);
    assert_eq!(idle.gone_on(last, at(13_999)), 2_000_000);
    assert_eq!(idle.gone_on(last, at(14_000)), 4_000_000);
    assert_eq!(idle.next(last, last), just_before(12_000));
    assert_eq!(idle.next(last, just_before(12_000)), just_before(14_000));
}

#[test]
fn moves_are_the_same_however_they_are_asked_for() {
    let idle = Idle::after(Duration::from_millis(1_500), Seq::ZERO);
    let last = at(1_000_000);
    let end = at(1_000_000 + 1_500 * 123_456 + 7);
    let all: Vec<_> = idle.moves(last, (last, end)).collect();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
    // 1,000 one by one, 900 in tens, 900 in hundreds, 23 in thousands.
    assert_eq!(all.len(), 999 + 900 + 900 + 24);
    for (seq, gone_on) in &all {
        assert_eq!(idle.gone_on(last, *seq), *gone_on);
        assert!(idle.gone_on(last, Seq(seq.0 - 1)) < *gone_on, "not before");
    }
    for cut in [
        1_000_001, 1_001_499, 1_001_500, 2_499_999, 2_500_000, 9_000_000,
    ] {
        let cut = Seq(at(cut).0 + 3);
        let mut parts: Vec<_> = idle.moves(last, (last, cut)).collect();
        parts.extend(idle.moves(last, (cut, end)));
        assert_eq!(parts, all, "cut at {cut}");
        let next = all.iter().find(|(seq, _)| *seq > cut);
        assert_eq!(next.map(|(seq, _)| *seq), Some(idle.next(last, cut)));
    }
    // Never ahead of arrival, and within a hundredth of it.
    for millis in (0..1_500 * 123_456).step_by(1_000_003) {
        let gone_on = u64::try_from(idle.gone_on(last, at(1_000_000 + millis))).unwrap() / 1_000;
        assert!(gone_on <= millis && millis - gone_on < 1_500 + millis / 1_000 * 10);
    }
}

#[test]
fn without_rows_it_goes_on_from_when_the_stream_was_declared() {
    let declared = Seq(at(10_000).0 + 5);
    let idle = Idle::after(Duration::from_secs(2), declared);
    assert_eq!(idle.unseen(Seq::ZERO), NO_WATERMARK, "before it was there");
    assert_eq!(idle.unseen(Seq(just_before(12_000).0 - 1)), NO_WATERMARK);
    assert_eq!(idle.unseen(just_before(12_000)), 12_000_000);
    assert_eq!(idle.unseen(at(15_999)), 14_000_000);
    let moves: Vec<_> = idle.unseen_moves((Seq::ZERO, at(14_000))).collect();
    let expected = [
        (just_before(12_000), 12_000_000),
        (just_before(14_000), 14_000_000),
    ];
    assert_eq!(moves, expected);
    let moves: Vec<_> = idle.unseen_moves((at(12_000), at(14_000))).collect();
    assert_eq!(moves, expected[1..]);
    assert_eq!(idle.next_unseen(Seq::ZERO), just_before(12_000));
    assert_eq!(idle.next_unseen(at(12_000)), just_before(14_000));
}
