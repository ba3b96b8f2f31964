use super::*;

#[test]
fn finds_what_was_put_and_nothing_else_while_it_grows() {
    // Few different hashes, so that searches go far and tags collide.
    let hash = |key: u64| (key % 7) << 32 | (key % 3);
    let (mut slots, mut hashes) = (Slots::default(), Vec::new());
    for key in 0..500_u64 {
        slots.make_room(1, &hashes);
        let next = u32::try_from(key).unwrap();
        let found = slots.find_or_put(hash(key), next, |number| u64::from(number) == key);
        assert_eq!(found, (next, true));
        hashes.push(hash(key));
        let again = slots.find_or_put(hash(key), 9_999, |number| u64::from(number) == key);
        assert_eq!(again, (next, false));
    }
    for key in 0..500 {
        let found = slots.find(hash(key), |number| u64::from(number) == key);
        assert_eq!(found.map(u64::from), Some(key));
    }
    assert_eq!(slots.find(hash(3), |_| false), None);
    assert_eq!(slots.find(0xdead_beef_0000_0000, |_| true), None);
}

#[test]
fn guesses_are_keys_with_the_same_tag() {
    let hashes: Vec<u64> = (0..1_000_u64)
        .map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let mut slots = Slots::with_room(hashes.len());
    for (number, hash) in (0..).zip(&hashes) {
        slots.find_or_put(*hash, number, |_| false);
    }
    let guesses = slots.guess(&hashes);
    assert!(
        guesses
            .iter()
            .zip(0..)
            .all(|(guess, number)| *guess == number)
    );
    assert_eq!(slots.guess(&[0x1234_5678_9abc_def0]), [NONE]);
    assert_eq!(Slots::default().guess(&[1, 2]), [NONE, NONE]);
}
