//! Random batches against a map, with snapshots that are held for a while.

use std::collections::{BTreeMap, VecDeque};

use super::pairs;
use crate::{Batch, KeyRange, Keyed, SharedSnapshot, Space};

/// Batches that are written.
const BATCHES: usize = 400;
/// Snapshots that are held at once.
const HELD: usize = 5;

type Map = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// A small generator of numbers; its seed is fixed, so a broken promise breaks again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }
}

pub(super) fn random_batches_give_what_a_map_gives(store: &dyn Keyed) {
    let mut random = Random(7);
    let mut map = Map::new();
    let mut held: VecDeque<(SharedSnapshot, Map)> = VecDeque::new();
    for round in 0..BATCHES {
        let mut batch = Batch::default();
        for _ in 0..random.below(20) {
            let space = if random.below(4) == 0 {
                Space::State
            } else {
                Space::Rows
            };
            let key = vec![b'k', random.byte() % 60];
            if random.below(3) == 0 {
                batch.remove(space, &key);
                map.remove(&(space, key));
            } else {
                let size = random.below(if space == Space::State { 3_000 } else { 50 });
                let value: Vec<u8> = (0..size).map(|_| random.byte()).collect();
                batch.put(space, &key, &value);
                map.insert((space, key), value);
            }
        }
        store.write(batch).unwrap();
        if round % 50 == 0 {
            store.persist().unwrap();
        }
        held.push_back((store.snapshot().unwrap(), map.clone()));
        if held.len() > HELD {
            held.pop_front();
        }
        let pick = usize::try_from(random.below(u64::try_from(held.len()).unwrap_or(1)));
        let (snapshot, map) = &held[pick.unwrap_or(0)];
        for space in [Space::Rows, Space::State] {
            let own = map.iter().filter(|((of, _), _)| *of == space);
            let expected: Vec<_> = own.map(|((_, k), v)| (k.clone(), v.clone())).collect();
            let found = pairs(&**snapshot, space, &KeyRange::all());
            assert_eq!(found, expected, "batch {round}");
        }
        let key = vec![b'k', random.byte() % 60];
        let value = snapshot.get(Space::Rows, &key).unwrap();
        let expected = map.get(&(Space::Rows, key));
        assert_eq!(value.as_deref(), expected.map(Vec::as_slice));
    }
}
