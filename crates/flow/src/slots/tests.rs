use super::*;

#[test]
fn finds_what_was_put_and_nothing_else_while_it_grows() {
    // Few different hashes, so that searches go far and tags collide.
    let hash = |key: u64| (key % 7) << 29 | (key % 3) << 40;
    let mut slots = Slots::default();
    for key in 0..500_u64 {
        let next = u32::try_from(key).unwrap();
        let found = slots.find_or_put(tag_of(hash(key)), next, |number| u64::from(number) == key);
        assert_eq!(found, (next, true));
        let again = slots.find_or_put(tag_of(hash(key)), 9_999, |number| u64::from(number) == key);
        assert_eq!(again, (next, false));
    }
    for key in 0..500 {
        let found = slots.find(hash(key), |number| u64::from(number) == key);
        assert_eq!(found.map(u64::from), Some(key));
    }
    assert_eq!(slots.find(hash(3), |_| false), None);
    assert_eq!(slots.find(0xdead_beef, |_| true), None);
}

#[test]
fn guesses_are_keys_with_the_same_tag() {
    let hashes: Vec<u64> = (0..1_000_u64)
        .map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let mut slots = Slots::with_room(hashes.len());
    for (number, hash) in (0..).zip(&hashes) {
        slots.find_or_put(tag_of(*hash), number, |_| false);
    }
    let guesses = slots.guess(&hashes);
    assert!(
        guesses
            .iter()
            .zip(0..)
            .all(|(guess, number)| *guess == number)
    );
    assert_eq!(slots.guess(&[0x1234_5678_9abc_def1]), [NONE]);
    assert_eq!(Slots::default().guess(&[1, 2]), [NONE, NONE]);
}

#[test]
fn tags_are_given_back_by_number() {
    let mut slots = Slots::default();
    let tag = |number: u32| number.wrapping_mul(0x9e37_79b9) ^ 0x00ff_0000;
    for number in 0..70_000 {
        slots.put_new(tag(number), number);
    }
    assert_eq!(
        slots.tags(0, 70_000),
        (0..70_000).map(tag).collect::<Vec<_>>()
    );
    assert_eq!(slots.tags(69_998, 70_000), [tag(69_998), tag(69_999)]);
    assert!(slots.tags(5, 5).is_empty());
}

#[test]
fn a_key_takes_few_bytes_however_many_there_are() {
    let mut slots = Slots::default();
    for number in 0..200_000_u32 {
        slots.put_new(number.wrapping_mul(0x9e37_79b9), number);
        if number > 20_000 {
            assert!(slots.size() / (number as usize) < 18, "{number}");
        }
    }
}
