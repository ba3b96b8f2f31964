use super::*;

#[test]
fn numbers_stay_what_they_are_when_one_does_not_fit() {
    let mut longs = Longs::default();
    longs.grow(3);
    longs.set(0, -7);
    longs.add(1, i64::from(i32::MAX));
    assert!(matches!(longs, Whole::Short(_)));
    longs.add(1, 1);
    assert!(matches!(longs, Whole::Long(_)));
    longs.grow(4);
    longs.set(3, i64::MIN);
    let expected = [-7, i64::from(i32::MAX) + 1, 0, i64::MIN];
    assert_eq!(longs.iter().collect::<Vec<_>>(), expected);

    let mut wides = Wides::default();
    wides.grow(2);
    wides.add(0, i128::from(i64::MIN));
    wides.add(0, -1);
    assert_eq!((wides.get(0), wides.get(1)), (i128::from(i64::MIN) - 1, 0));
}

#[test]
fn little_is_spare() {
    let mut column = Vec::new();
    for count in 1..10_000_usize {
        resize(&mut column, count, 0_u64);
        assert!(column.capacity() <= count + count / 4 + 8, "{count}");
    }
    resize(&mut column, 5, 0);
    assert_eq!(column.len(), 9_999);
}
