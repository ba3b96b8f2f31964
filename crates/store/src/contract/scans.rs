//! What every engine promises of scans.

use std::ops::{Bound, ControlFlow};

use super::{pairs, write};
use crate::{Batch, KeyRange, Keyed, Space};

/// Keys that sort differently as text, as numbers and by length.
const KEYS: &[&[u8]] = &[
    b"\0",
    b"\0\0",
    b"\0\xff",
    b"1",
    b"10",
    b"2",
    b"a",
    b"a\0",
    b"aa",
    b"ab",
    b"b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\0",
    b"\xff\xff",
    b"\xff\xff\xff",
];

fn fill(store: &dyn Keyed) {
    for key in KEYS.iter().rev() {
        write(store, Space::Rows, &[(key, Some(key))]);
    }
    write(store, Space::Rows, &[(b"gone", Some(b"1"))]);
    write(store, Space::Rows, &[(b"gone", None)]);
    write(store, Space::State, &[(b"elsewhere", Some(b"1"))]);
}

fn keys(store: &dyn Keyed, range: &KeyRange) -> Vec<Vec<u8>> {
    let snapshot = store.snapshot().unwrap();
    let pairs = pairs(&*snapshot, Space::Rows, range);
    assert!(pairs.iter().all(|(key, value)| key == value));
    pairs.into_iter().map(|(key, _)| key).collect()
}

pub(super) fn scans_go_in_order(store: &dyn Keyed) {
    fill(store);
    assert_eq!(keys(store, &KeyRange::all()), KEYS);
}

pub(super) fn scans_keep_to_their_range(store: &dyn Keyed) {
    fill(store);
    let bounds = KEYS.iter().flat_map(|key| {
        let key = key.to_vec();
        [Bound::Included(key.clone()), Bound::Excluded(key)]
    });
    let mut bounds: Vec<Bound<Vec<u8>>> = bounds.collect();
    bounds.push(Bound::Unbounded);
    bounds.push(Bound::Included(b"nowhere".to_vec()));
    bounds.push(Bound::Excluded(b"nowhere".to_vec()));
    for start in &bounds {
        for end in &bounds {
            let range = KeyRange {
                start: start.clone(),
                end: end.clone(),
            };
            let inside = KEYS.iter().filter(|key| range.contains(key));
            let expected: Vec<Vec<u8>> = inside.map(|key| key.to_vec()).collect();
            assert_eq!(keys(store, &range), expected, "{range:?}");
        }
    }
    for prefix in KEYS.iter().chain([&b"".as_slice()]) {
        let inside = KEYS.iter().filter(|key| key.starts_with(prefix));
        let expected: Vec<Vec<u8>> = inside.map(|key| key.to_vec()).collect();
        assert_eq!(keys(store, &KeyRange::prefix(prefix)), expected);
    }
}

pub(super) fn scans_stop_and_go_on(store: &dyn Keyed) {
    let mut batch = Batch::default();
    for n in 0..5_000_u32 {
        batch.put(Space::Rows, &n.to_be_bytes(), b"");
    }
    store.write(batch).unwrap();
    let snapshot = store.snapshot().unwrap();
    let mut range = KeyRange::all();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut scans = 0;
    loop {
        let before = found.len();
        let mut visit = |key: &[u8], _: &[u8]| {
            found.push(key.to_vec());
            if found.len() == before + 700 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        snapshot.scan(Space::Rows, &range, &mut visit).unwrap();
        scans += 1;
        if found.len() < before + 700 {
            break;
        }
        range = range.after(&found[found.len() - 1]);
    }
    let expected: Vec<Vec<u8>> = (0..5_000_u32).map(|n| n.to_be_bytes().to_vec()).collect();
    assert_eq!((found, scans), (expected, 8));
}
