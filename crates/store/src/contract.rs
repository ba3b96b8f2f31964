//! The promises of [`Keyed`] as tests that every engine passes: it never looks behind the trait.
//!
//! [`keeps_every_promise`] panics with the name of the promise that was broken. It takes a way to
//! make an empty store; each promise gets one of its own.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

mod changes;
mod model;
mod scans;

use std::ops::ControlFlow;

use crate::{Batch, KeyRange, Keyed, SharedStore, Snapshot, Space};

/// One promise: its name, and what tries to break it.
pub type Promise = (&'static str, fn(&dyn Keyed));

/// What every engine promises.
pub const PROMISES: &[Promise] = &[
    ("an empty store is empty", changes::an_empty_store_is_empty),
    (
        "what was written is read back",
        changes::what_was_written_is_read_back,
    ),
    (
        "the last change of a key counts",
        changes::the_last_change_of_a_key_counts,
    ),
    ("spaces are apart", changes::spaces_are_apart),
    (
        "keys have a length that is allowed",
        changes::keys_have_a_length_that_is_allowed,
    ),
    ("large values are whole", changes::large_values_are_whole),
    (
        "a snapshot never changes",
        changes::a_snapshot_never_changes,
    ),
    (
        "a batch is seen whole by readers beside it",
        changes::a_batch_is_seen_whole,
    ),
    ("scans go in the order of bytes", scans::scans_go_in_order),
    (
        "scans keep to their range",
        scans::scans_keep_to_their_range,
    ),
    ("scans stop and go on", scans::scans_stop_and_go_on),
    (
        "random batches give what a map gives",
        model::random_batches_give_what_a_map_gives,
    ),
];

/// Tries every promise on a store of its own.
pub fn keeps_every_promise(mut make: impl FnMut() -> SharedStore) {
    for (name, promise) in PROMISES {
        let store = make();
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(&*store)));
        assert!(kept.is_ok(), "the store broke its promise: {name}");
    }
}

/// Keys and values of a range, in the order of the scan.
#[must_use]
pub fn pairs(snapshot: &dyn Snapshot, space: Space, range: &KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    snapshot.scan(space, range, &mut visit).unwrap();
    pairs
}

/// Writes one batch: a value for each key, or its removal.
pub fn write(store: &dyn Keyed, space: Space, changes: &[(&[u8], Option<&[u8]>)]) {
    let mut batch = Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(space, key, value),
            None => batch.remove(space, key),
        }
    }
    store.write(batch).unwrap();
}

/// The value of a key now.
#[must_use]
pub fn get(store: &dyn Keyed, space: Space, key: &[u8]) -> Option<Vec<u8>> {
    let value = store.snapshot().unwrap().get(space, key).unwrap();
    value.map(|value| value.to_vec())
}
