use std::collections::BTreeMap;

use super::*;
use crate::codec::RowHasher;

type Rows = BTreeMap<Vec<u8>, (Vec<u8>, bool, u64)>;

fn parts(rows: &[(Vec<u8>, Vec<u8>, bool, u64)]) -> LayerParts {
    let (mut keys, mut values) = (Strings::with_capacity(0, 0), Strings::with_capacity(0, 0));
    for (key, value, ..) in rows {
        keys.push(key).unwrap();
        values.push(value).unwrap();
    }
    LayerParts {
        version: SchemaVersion(1),
        keys: keys.finish(),
        values: values.finish().into(),
        deleted: rows.iter().map(|row| row.2).collect(),
        written: rows.iter().map(|row| row.3).collect(),
    }
}

fn contents(layer: &Layer) -> Rows {
    let row = |row: usize| {
        let value = if layer.is_deleted(row) {
            Vec::new()
        } else {
            layer.value(row).to_vec()
        };
        let rest = (value, layer.is_deleted(row), layer.written(row).0);
        (layer.key(row).to_vec(), rest)
    };
    (0..layer.len()).map(row).collect()
}

/// Random rows, of which a key comes at most once.
fn random_rows(random: &mut u64, seq: u64) -> Vec<(Vec<u8>, Vec<u8>, bool, u64)> {
    let mut next = |bound: u64| {
        *random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (*random >> 33) % bound
    };
    let mut rows = BTreeMap::new();
    for _ in 0..next(60) {
        let key = vec![b'k'; usize::try_from(next(40)).unwrap()];
        let value = vec![b'v'; usize::try_from(next(20)).unwrap()];
        rows.insert(key, (value, next(4) == 0, seq));
    }
    let rows = rows.into_iter();
    rows.map(|(key, (value, gone, seq))| (key, if gone { vec![] } else { value }, gone, seq))
        .collect()
}

fn model(rows: &[(Vec<u8>, Vec<u8>, bool, u64)], model: &mut Rows) {
    for (key, value, gone, seq) in rows.iter().cloned() {
        model.insert(key, (value, gone, seq));
    }
}

#[test]
fn merging_keeps_the_newest_of_each_key() {
    let hasher = RowHasher::default();
    let mut random = 1;
    for _ in 0..200 {
        let mut expected = Rows::new();
        let mut layers = Vec::new();
        for seq in 1..=5 {
            let rows = random_rows(&mut random, seq);
            model(&rows, &mut expected);
            layers.push(parts(&rows).build_hashing(&hasher).unwrap());
        }
        let newest_first: Vec<&Layer> = layers.iter().rev().collect();
        let merged = merge(&newest_first, &hasher).unwrap();
        assert_eq!(contents(&merged), expected);
        let keys: Vec<&[u8]> = merged
            .sorted()
            .iter()
            .map(|row| merged.key(place(*row)))
            .collect();
        assert_eq!(keys, expected.keys().map(Vec::as_slice).collect::<Vec<_>>());
        let live = expected.values().filter(|row| !row.1).map(|row| row.2);
        assert_eq!(merged.oldest(), live.min().map_or(Seq::MAX, Seq));
        for length in 0..45 {
            let key = vec![b'k'; length];
            let row = merged.find(&key, hasher.hash(&key));
            assert_eq!(
                row.map(|row| merged.key(row)),
                expected.get_key_value(&key).map(|(k, _)| k.as_slice())
            );
        }
    }
}

#[test]
fn a_key_that_comes_twice_is_named_or_its_last_row_counts() {
    let hasher = RowHasher::default();
    let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec(), false, 7);
    let rows = [
        row(b"a", b"1"),
        row(b"b", b"1"),
        row(b"a", b"2"),
        row(b"a", b"3"),
    ];
    assert_eq!(parts(&rows).build_hashing(&hasher).unwrap_err(), 2);
    let layer = parts(&rows).build_last(&hasher).unwrap();
    assert_eq!(layer.len(), 2);
    let expected = [
        (b"a".to_vec(), b"3".to_vec()),
        (b"b".to_vec(), b"1".to_vec()),
    ];
    let found = contents(&layer).into_iter().map(|(key, row)| (key, row.0));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn memory_is_accounted() {
    let hasher = RowHasher::default();
    let rows: Vec<_> = (0..1_000_u32)
        .map(|n| (n.to_be_bytes().to_vec(), vec![0; 100], false, 1))
        .collect();
    let layer = parts(&rows).build_hashing(&hasher).unwrap();
    // Key 4, value 100, two ends 8, seq 8, hash table 5 to 10, order 4.
    assert!(
        (120_000..200_000).contains(&layer.bytes()),
        "{}",
        layer.bytes()
    );
}

#[test]
fn ranges_are_places_in_the_order_of_keys() {
    let hasher = RowHasher::default();
    let row = |key: &[u8]| (key.to_vec(), vec![], false, 1);
    let rows = [row(b"c"), row(b"a"), row(b"b"), row(b"ab")];
    let layer = parts(&rows).build_hashing(&hasher).unwrap();
    let count = |range: KeyRange| layer.range(&range).len();
    assert_eq!(count(KeyRange::all()), 4);
    assert_eq!(count(KeyRange::prefix(b"a")), 2);
    assert_eq!(count(KeyRange::prefix(b"a").after(b"a")), 1);
    assert_eq!(count(KeyRange::prefix(b"d")), 0);
    let backwards = KeyRange {
        start: std::ops::Bound::Included(b"c".to_vec()),
        end: std::ops::Bound::Excluded(b"a".to_vec()),
    };
    assert_eq!(count(backwards), 0);
}

#[test]
fn rows_are_sorted_by_their_keys_whatever_bytes_these_have() {
    let mut random = 5_u64;
    for round in 0..40_usize {
        let mut next = |bound: u64| {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (random >> 33) % bound
        };
        let mut keys = std::collections::BTreeSet::new();
        for _ in 0..next(80) {
            // All alike in front, zeroes and nothing at the end.
            let mut key = vec![7; round % 12];
            let length = next(12);
            key.extend((0..length).map(|_| u8::try_from(next(3)).unwrap()));
            keys.insert(key);
        }
        let rows = keys
            .iter()
            .rev()
            .map(|key| (key.clone(), vec![1], false, 1));
        let rows: Vec<_> = rows.collect();
        let layer = parts(&rows).build_hashing(&RowHasher::default()).unwrap();
        let sorted = layer.sorted().iter().map(|row| layer.key(place(*row)));
        assert!(sorted.eq(keys.iter().map(Vec::as_slice)), "round {round}");
        for row in 0..layer.len() {
            assert_eq!(layer.shared_value(row).as_ref(), layer.value(row));
        }
    }
}
