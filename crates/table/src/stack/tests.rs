use std::collections::BTreeMap;

use super::*;
use crate::layer::{LayerParts, STATE_VERSION};

fn layer(hasher: &RowHasher, rows: &[(u8, u8)]) -> Arc<Layer> {
    let (mut keys, mut values) = (Strings::with_capacity(0, 0), Strings::with_capacity(0, 0));
    for (key, value) in rows {
        keys.push(&[*key]).unwrap();
        values.push(&[*value]).unwrap();
    }
    let parts = LayerParts {
        version: STATE_VERSION,
        keys: keys.finish(),
        values: values.finish().into(),
        deleted: rows.iter().map(|_| false).collect(),
        written: Vec::new().into(),
    };
    Arc::new(parts.build_hashing(hasher).unwrap())
}

fn get(stack: &Stack, hasher: &RowHasher, key: u8) -> Option<u8> {
    let hash = hasher.hash(&[key]);
    stack.newest_first().find_map(|entry| {
        let row = entry.layer.find(&[key], hash)?;
        Some(entry.layer.value(row)[0])
    })
}

#[test]
fn a_thousand_layers_are_read_in_a_dozen() {
    let hasher = RowHasher::default();
    let merger = Merger {
        hasher: &hasher,
        codec: None,
    };
    let mut stack = Stack::default();
    let mut model = BTreeMap::new();
    let mut most = 0;
    for n in 0..1_000_u32 {
        let (key, value) = ((n * 7 % 100).to_be_bytes()[3], n.to_be_bytes()[3]);
        stack
            .push(layer(&hasher, &[(key, value)]), Part::Step, merger)
            .unwrap();
        model.insert(key, value);
        most = most.max(stack.len());
        let probe = (n * 13 % 100).to_be_bytes()[3];
        assert_eq!(get(&stack, &hasher, probe), model.get(&probe).copied());
    }
    assert!(most <= 15, "{most} layers: 3·log₄ 1000");
}

#[test]
fn a_checkpoint_that_is_not_committed_stays_by_itself() {
    let hasher = RowHasher::default();
    let merger = Merger {
        hasher: &hasher,
        codec: None,
    };
    let mut stack = Stack::default();
    for number in 1..=20 {
        for value in 1..3 {
            let row = (u8::try_from(number).unwrap(), value);
            stack
                .push(layer(&hasher, &[row, (100, value)]), Part::Step, merger)
                .unwrap();
        }
        let sealed = stack.seal(number);
        assert!(sealed.len() > 1, "they are not merged yet");
        // Committed up to the one before: nothing of this one is in another's layer.
        let before = stack.sealed(number - 1).len();
        assert_eq!(stack.sealed(number).len(), before + sealed.len());
        // A step that comes before it is committed stays above it.
        let later = (u8::try_from(number).unwrap(), 9);
        stack
            .push(layer(&hasher, &[later]), Part::Step, merger)
            .unwrap();
        let merged = merger.merge(&sealed).unwrap();
        // Its own keys, and that of the step behind the one before.
        assert_eq!(merged.len(), 2 + usize::from(number > 1));
        stack.put_merged(number, merged);
        assert_eq!(stack.sealed(number).len(), before + 1);
        assert_eq!(get(&stack, &hasher, later.0), Some(9));
        stack.settle_sealed(merger).unwrap();
    }
    assert!(stack.len() <= 6, "{} layers", stack.len());
    assert_eq!(get(&stack, &hasher, 7), Some(9));
    assert_eq!(stack.seal(21).len(), 1, "the last step");
    assert!(stack.seal(22).is_empty(), "nothing changed");
    stack.forget_applied(21);
    assert_eq!((stack.len(), stack.bytes()), (0, 0));
}
