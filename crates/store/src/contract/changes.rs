//! What every engine promises of writes and snapshots.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{get, pairs, write};
use crate::{Batch, KEY_BYTES_MAX, KeyRange, Keyed, Space, StoreError};

pub(super) fn an_empty_store_is_empty(store: &dyn Keyed) {
    let snapshot = store.snapshot().unwrap();
    for space in Space::ALL {
        assert_eq!(snapshot.get(space, b"key").unwrap(), None);
        assert!(pairs(&*snapshot, space, &KeyRange::all()).is_empty());
    }
    store.write(Batch::default()).unwrap();
    store.persist().unwrap();
}

pub(super) fn what_was_written_is_read_back(store: &dyn Keyed) {
    let before = store.stats().batches;
    write(store, Space::Rows, &[(b"a", Some(b"1")), (b"b", Some(b""))]);
    assert_eq!(get(store, Space::Rows, b"a").unwrap(), b"1");
    assert_eq!(get(store, Space::Rows, b"b").unwrap(), b"", "not absent");
    assert_eq!(get(store, Space::Rows, b""), None);
    write(store, Space::Rows, &[(b"a", None), (b"c", None)]);
    assert_eq!(get(store, Space::Rows, b"a"), None);
    assert_eq!(get(store, Space::Rows, b"b").unwrap(), b"");
    store.persist().unwrap();
    assert_eq!(store.stats().batches, before + 2);
}

pub(super) fn the_last_change_of_a_key_counts(store: &dyn Keyed) {
    let changes: &[(&[u8], Option<&[u8]>)] = &[
        (b"a", Some(b"1")),
        (b"a", None),
        (b"a", Some(b"2")),
        (b"b", Some(b"1")),
        (b"b", None),
    ];
    write(store, Space::Rows, changes);
    assert_eq!(get(store, Space::Rows, b"a").unwrap(), b"2");
    assert_eq!(get(store, Space::Rows, b"b"), None);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(pairs(&*snapshot, Space::Rows, &KeyRange::all()).len(), 1);
}

pub(super) fn spaces_are_apart(store: &dyn Keyed) {
    let mut batch = Batch::default();
    for space in Space::ALL {
        batch.put(space, b"key", space.name().as_bytes());
    }
    batch.remove(Space::State, b"key");
    store.write(batch).unwrap();
    for space in Space::ALL {
        let expected = (space != Space::State).then(|| space.name().as_bytes().to_vec());
        assert_eq!(get(store, space, b"key"), expected, "{space:?}");
    }
}

pub(super) fn keys_have_a_length_that_is_allowed(store: &dyn Keyed) {
    let longest = vec![b'k'; KEY_BYTES_MAX];
    write(store, Space::Rows, &[(&longest, Some(b"value"))]);
    assert_eq!(get(store, Space::Rows, &longest).unwrap(), b"value");
    for key in [vec![], vec![b'k'; KEY_BYTES_MAX + 1]] {
        let mut batch = Batch::default();
        batch.put(Space::Rows, b"other", b"1");
        batch.put(Space::Rows, &key, b"1");
        let error = store.write(batch).unwrap_err();
        assert!(matches!(error, StoreError::KeyLength { bytes } if bytes == key.len()));
        assert_eq!(get(store, Space::Rows, b"other"), None, "all or nothing");
    }
}

pub(super) fn large_values_are_whole(store: &dyn Keyed) {
    let value = |seed: u8, size: usize| -> Vec<u8> {
        let bytes = (0..size).map(|n| u8::try_from(n % 251).unwrap_or(0) ^ seed);
        bytes.collect()
    };
    for space in [Space::Rows, Space::State] {
        for (key, size) in [(b"k", 1_000), (b"m", 100_000), (b"x", 3_000_000)] {
            write(store, space, &[(key, Some(&value(key[0], size)))]);
        }
        store.persist().unwrap();
        for (key, size) in [(b"k", 1_000), (b"m", 100_000), (b"x", 3_000_000)] {
            assert_eq!(get(store, space, key).unwrap(), value(key[0], size));
        }
    }
}

pub(super) fn a_snapshot_never_changes(store: &dyn Keyed) {
    let mut snapshots = Vec::new();
    for round in 0..20_u8 {
        let (new, old) = ([b'k', round], [b'k', round.wrapping_sub(3)]);
        write(
            store,
            Space::Rows,
            &[(b"k", Some(&[round])), (&new, Some(&new)), (&old, None)],
        );
        snapshots.push((round, store.snapshot().unwrap()));
    }
    store.persist().unwrap();
    for (round, snapshot) in snapshots {
        let value = snapshot.get(Space::Rows, b"k").unwrap().unwrap();
        assert_eq!(value.as_ref(), [round]);
        let keys = pairs(&*snapshot, Space::Rows, &KeyRange::prefix(b"k"));
        let last = (0..=round).rev().take(3).rev();
        let expected = [(vec![b'k'], vec![round])]
            .into_iter()
            .chain(last.map(|n| (vec![b'k', n], vec![b'k', n])));
        assert_eq!(keys, expected.collect::<Vec<_>>(), "snapshot {round}");
    }
}

/// A writer moves an amount between two keys; every reader finds the same sum.
pub(super) fn a_batch_is_seen_whole(store: &dyn Keyed) {
    let amounts = |a: u8| [a, 200 - a];
    let put = |round: u8| {
        let [a, b] = amounts(round);
        write(
            store,
            Space::Rows,
            &[(b"a", Some(&[a])), (b"z", Some(&[b]))],
        );
    };
    put(0);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !is_done.load(Ordering::Acquire) {
                    let snapshot = store.snapshot().unwrap();
                    let one = |key: &[u8]| snapshot.get(Space::Rows, key).unwrap().unwrap()[0];
                    let (z, a) = (one(b"z"), one(b"a"));
                    assert_eq!([a, z], amounts(a), "half a batch was seen");
                    assert!(a >= last, "a later snapshot shows less");
                    last = a;
                }
            });
        }
        for round in 1..=200 {
            put(round);
        }
        is_done.store(true, Ordering::Release);
    });
}
