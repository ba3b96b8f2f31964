use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    codec::RowHasher,
    layer::{LayerParts, STATE_VERSION, Strings},
    stack::{Merger, Part, Stack},
};

#[test]
fn rows_come_in_the_order_of_keys_and_the_newest_counts() {
    let hasher = RowHasher::default();
    let merger = Merger {
        hasher: &hasher,
        codec: None,
    };
    let (mut stack, mut expected) = (Stack::default(), BTreeMap::new());
    for number in 0..7_u8 {
        let (mut keys, mut values) = (Strings::with_capacity(0, 0), Strings::with_capacity(0, 0));
        for key in (0..60_u8).rev().filter(|key| key % (number + 1) == 0) {
            keys.push(&[key, number % 2]).unwrap();
            values.push(&[number]).unwrap();
            expected.insert(vec![key, number % 2], number);
        }
        let rows = keys.len();
        let parts = LayerParts {
            version: STATE_VERSION,
            keys: keys.finish(),
            values: values.finish().into(),
            deleted: (0..rows).map(|_| false).collect(),
            written: Vec::new().into(),
        };
        let layer = Arc::new(parts.build_hashing(&hasher).unwrap());
        stack.push(layer, Part::Step, merger).unwrap();
        stack.seal(u64::from(number));
    }
    let sealed = stack.sealed(u64::MAX);
    assert!(sealed.len() > 3, "nothing was merged before");
    let rows = InOrder::of(&sealed).map(|(layer, row)| (layer.key(row), layer.value(row)[0]));
    let rows: Vec<(Vec<u8>, u8)> = rows.map(|(key, value)| (key.to_vec(), value)).collect();
    assert_eq!(rows, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(InOrder::of(&[]).count(), 0);
}
