use super::*;
use crate::contract;

#[test]
fn keeps_every_promise() {
    contract::keeps_every_promise(|| Arc::new(MemoryStore::new()));
}

#[test]
fn forgets_what_no_snapshot_sees() {
    let store = MemoryStore::new();
    let put = |value: &[u8]| {
        let mut batch = Batch::default();
        batch.put(Space::Rows, b"k", value);
        store.write(batch).unwrap();
    };
    put(&[0; 100]);
    let snapshot = store.snapshot().unwrap();
    for _ in 0..10 {
        put(&[1; 10]);
    }
    let held = store.stats().size;
    drop(snapshot);
    let mut batch = Batch::default();
    batch.remove(Space::Rows, b"k");
    store.write(batch).unwrap();
    assert_eq!(held, ByteSize(110), "the snapshot's and the last");
    assert_eq!(store.stats().size, ByteSize(0));
    assert!(store.inner.read().spaces[&Space::Rows].is_empty());
}
