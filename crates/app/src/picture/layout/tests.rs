//! Cards do not overlap, and lines lead from left to right past them.

use super::*;

const CARD: Size = Size {
    width: 100.0,
    height: 40.0,
};

fn check(cards: usize, edges: &[(usize, usize)]) -> Layout {
    let layout = layout(&vec![CARD; cards], edges);
    assert_eq!(
        (layout.cards.len(), layout.lines.len()),
        (cards, edges.len())
    );
    for (index, a) in layout.cards.iter().enumerate() {
        assert!(a.x >= 0.0 && a.x + CARD.width <= layout.width + 0.01);
        assert!(a.y >= -0.01 && a.y + CARD.height <= layout.height + 0.01);
        for b in layout.cards.iter().skip(index + 1) {
            let is_apart = (a.x - b.x).abs() >= CARD.width || (a.y - b.y).abs() >= CARD.height;
            assert!(is_apart, "cards overlap: {a:?} {b:?}");
        }
    }
    for ((from, to), line) in edges.iter().zip(&layout.lines) {
        let (from, to) = (layout.cards[*from], layout.cards[*to]);
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            assert_eq!((first.x, last.x), (from.x + CARD.width, to.x));
            assert!(first.x < last.x, "lines go from left to right");
            assert!((from.y..=from.y + CARD.height).contains(&first.y));
            assert!((to.y..=to.y + CARD.height).contains(&last.y));
        }
    }
    layout
}

#[test]
fn a_chain_is_one_straight_line() {
    let layout = check(4, &[(0, 1), (1, 2), (2, 3)]);
    assert!(layout.cards.iter().all(|card| card.y.abs() < 0.01));
    assert!((layout.height - CARD.height).abs() < 0.01);
}

#[test]
fn what_nothing_leads_to_stands_before_what_it_leads_to() {
    let layout = check(5, &[(0, 1), (1, 2), (4, 2), (2, 3)]);
    assert!((layout.cards[4].x - layout.cards[1].x).abs() < 0.01);
}

#[test]
fn a_line_does_not_run_through_cards_that_it_passes() {
    let layout = check(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    let way = &layout.lines[3];
    assert_eq!(way.len(), 6, "it passes two columns");
    for point in &way[1..5] {
        for card in &layout.cards[1..3] {
            let is_inside = (card.x..=card.x + CARD.width).contains(&point.x)
                && (card.y..=card.y + CARD.height).contains(&point.y);
            assert!(!is_inside, "{point:?} in {card:?}");
        }
    }
}

#[test]
fn lines_that_need_not_cross_do_not() {
    let edges = [(0, 5), (1, 4), (2, 3), (2, 4), (3, 6), (5, 7)];
    let layers = Layers::of(8, &edges);
    assert!(order::crossings(&layers.columns(), &layers) > 0);
    assert_eq!(order::crossings(&order::ordered(&layers), &layers), 0);
    check(8, &edges);
}

#[test]
fn a_circle_and_nothing_at_all_are_drawn_too() {
    check(0, &[]);
    check(3, &[]);
    check(3, &[(0, 1), (1, 2), (2, 0), (1, 1)]);
}

#[test]
fn forty_cards_joined_at_random_do_not_overlap() {
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..20 {
        let edges: Vec<(usize, usize)> = (0..60)
            .map(|_| {
                let from = next(39);
                (from, from + 1 + next(40 - from - 1))
            })
            .collect();
        check(40, &edges);
    }
}
