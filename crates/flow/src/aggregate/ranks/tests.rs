//! Lists of first entries against a model that keeps all of them, cut into chunks, merged, written
//! and read back.

use datafusion::arrow::array::BinaryArray;

use super::*;
use crate::samples::Random;

const GROUPS: usize = 5;

fn entry(random: &mut Random) -> Vec<u8> {
    // Of several lengths, so that lists do not fit into their places.
    let length = 1 + random.below(9);
    (0..length)
        .map(|_| u8::try_from(random.below(4)).unwrap())
        .collect()
}

fn rows(ranks: &Ranks) -> Vec<Vec<Vec<u8>>> {
    let answers = ranks.answers(&[0, 1, 2, 3, 4]).unwrap();
    let lists: &BinaryArray = answers.column.as_binary();
    let lists = lists.iter().map(Option::unwrap);
    lists
        .map(|list| listed(list).map(<[u8]>::to_vec).collect())
        .collect()
}

fn round_trip(ranks: &Ranks, (limit, retracts): (usize, bool)) -> Ranks {
    let order = [4, 1, 0, 3, 2];
    let mut bytes = Vec::new();
    ranks.write(&order, &mut bytes);
    let mut again = Ranks::new(limit, retracts);
    again.grow(GROUPS);
    let mut from = Cursor(&bytes);
    again.read(&order, &mut from).unwrap();
    assert!(from.is_empty());
    again
}

fn check(seed: u64, limit: usize, retracts: bool) -> usize {
    let mut random = Random(seed);
    let mut there: Vec<Vec<Vec<u8>>> = vec![Vec::new(); GROUPS];
    let mut all = Ranks::new(limit, retracts);
    all.grow(GROUPS);
    for _ in 0..30 {
        let mut chunk: Vec<(u32, i64, Vec<u8>)> = Vec::new();
        for _ in 0..random.below(20) {
            let group = random.below(GROUPS);
            let at = u32::try_from(group).unwrap();
            let own = &mut there[group];
            if retracts && random.below(3) == 0 && !own.is_empty() {
                let gone = own.swap_remove(random.below(own.len()));
                chunk.push((at, -1, gone));
            } else {
                let entry = entry(&mut random);
                own.push(entry.clone());
                chunk.push((at, 1, entry));
            }
        }
        let groups: Vec<u32> = chunk.iter().map(|row| row.0).collect();
        let weights: Vec<i64> = chunk.iter().map(|row| row.1).collect();
        let column = BinaryArray::from_iter_values(chunk.iter().map(|row| &row.2));
        let taken = Taken {
            groups: &groups,
            weights: retracts.then_some(weights.as_slice()),
            chosen: None,
        };
        let mut part = Ranks::new(limit, retracts);
        part.grow(GROUPS);
        part.update(&taken, &(Arc::new(column) as ArrayRef))
            .unwrap();
        all.merge(&part, &[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        all = round_trip(&all, (limit, retracts));
    }
    let mut expected = there;
    for list in &mut expected {
        list.sort();
        list.truncate(limit);
    }
    assert_eq!(rows(&all), expected, "seed {seed}, limit {limit}");
    expected.iter().map(Vec::len).sum()
}

#[test]
fn the_first_entries_are_those_of_all() {
    for limit in [1, 2, 7, 40] {
        for retracts in [false, true] {
            let kept: usize = (1..20).map(|seed| check(seed, limit, retracts)).sum();
            assert!(kept > 50, "{kept}");
        }
    }
}

#[test]
fn lists_that_grow_make_room_again() {
    let mut lists = Lists::default();
    lists.grow(3);
    for length in 1..2_000_usize {
        let byte = u8::try_from(length % 251).unwrap();
        lists.set(length % 3, &vec![byte; length]);
        assert_eq!(lists.get(length % 3), vec![byte; length]);
    }
    assert_eq!(lists.get(1).len(), 1_999);
    assert!(lists.size() < 40_000, "{}", lists.size());
}

#[test]
fn another_version_is_refused() {
    for retracts in [false, true] {
        let mut ranks = Ranks::new(3, retracts);
        ranks.grow(1);
        let mut bytes = Vec::new();
        ranks.write(&[0], &mut bytes);
        bytes[0] = 2;
        assert!(ranks.read(&[0], &mut Cursor(&bytes)).is_err());
        // Cut short, too.
        bytes[0] = 1;
        bytes.truncate(3);
        assert!(ranks.read(&[0], &mut Cursor(&bytes)).is_err());
    }
}
