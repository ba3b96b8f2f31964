//! Panes in pieces, as the store has them after any number of checkpoints; and the format itself.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::pane::{Pane, Put, Sought, numbers};
use crate::samples::Random;

/// What is put of row n.
fn row(n: u32, random: &mut Random) -> (u32, Vec<u8>, i64, Vec<u8>) {
    let key = random.below(20);
    let key = format!("key {key}").into_bytes();
    let tag = u32::from(key[4]);
    (
        tag,
        key,
        random.between(-1_000, 1_000),
        n.to_le_bytes().to_vec(),
    )
}

fn found(pane: &mut Pane, (tag, key): (u32, &[u8]), (from, to): (i64, i64)) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    let sought = Sought {
        hash: u64::from(tag),
        key,
        from,
        to,
        marks: false,
    };
    pane.find(&sought, |row| rows.push(row.to_vec()));
    rows
}

/// The pane that the store makes.
fn loaded(pieces: u32, store: &BTreeMap<u8, Bytes>) -> Pane {
    let expected: Vec<u8> = numbers(pieces).collect();
    assert_eq!(store.keys().copied().collect::<Vec<_>>(), expected);
    let pieces_found = store.iter().map(|(number, bytes)| (*number, bytes.clone()));
    Pane::load(pieces, pieces_found.collect()).unwrap()
}

#[test]
fn a_pane_comes_back_from_its_pieces_whatever_checkpoints_there_were() {
    for seed in 1..6 {
        let mut random = Random(seed);
        let (mut pane, mut store) = (Pane::default(), BTreeMap::new());
        let mut all = Vec::new();
        for checkpoint in 0..600 {
            for _ in 0..random.below(4) {
                let next = row(u32::try_from(all.len()).unwrap(), &mut random);
                pane.put(Put {
                    tag: next.0,
                    key: &next.1,
                    time: next.2,
                    row: &next.3,
                    paired: false,
                });
                all.push(next);
            }
            if let Some(piece) = pane.piece() {
                for void in piece.void {
                    assert!(store.remove(&void).is_some(), "seed {seed}: {void}");
                }
                store.insert(piece.number, piece.bytes);
            }
            assert!(pane.piece().is_none() && !(all.len() > 3 && store.is_empty()));
            pane.committed();
            assert!(pane.is_kept() && pane.len() == all.len());
            if random.below(20) == 0 || checkpoint == 599 {
                pane = loaded(pane.pieces(), &store);
            }
        }
        assert!(store.len() < 48 && pane.pieces() > 256, "{}", store.len());
        for (tag, key, time, _) in all.iter().step_by(7) {
            let near = (time - 300, time + 200);
            let expected = all
                .iter()
                .filter(|(_, other, time, _)| other == key && (near.0..=near.1).contains(time));
            let expected: Vec<Vec<u8>> = expected.map(|(.., row)| row.clone()).collect();
            assert_eq!(found(&mut pane, (*tag, key), near), expected, "seed {seed}");
        }
        assert!(found(&mut pane, (7, b"nobody"), (i64::MIN, i64::MAX)).is_empty());
    }
}

#[test]
fn each_row_is_written_as_often_as_there_are_levels() {
    let (mut pane, mut written) = (Pane::default(), 0);
    for n in 0..4_096_u32 {
        pane.put(Put {
            tag: n,
            key: &n.to_le_bytes(),
            time: i64::from(n),
            row: &n.to_le_bytes(),
            paired: false,
        });
        written += pane.piece().unwrap().bytes.len();
    }
    let each = 4 + 8 + 4 + 4 + 4 + 4;
    assert!(written < 4_096 * (each * 4 + 9), "{written}");
}

#[test]
fn the_format_of_a_piece_stays() {
    let mut pane = Pane::default();
    for (n, key) in [(1_u8, b"a"), (2, b"b"), (3, b"a")] {
        pane.put(Put {
            tag: u32::from(key[0]),
            key,
            time: i64::from(n) * 256,
            row: &[n, n],
            paired: false,
        });
    }
    let piece = pane.piece().unwrap();
    let expected: &[u8] = &[
        1, 0, 0, 0, 0, 3, 0, 0, 0, // version, first, rows
        97, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, // tag, time
        98, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, //
        97, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, //
        1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a', b'b', b'a', // keys
        2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 2, 3, 3, // columns
    ];
    assert_eq!((piece.number, piece.bytes.as_ref()), (0, expected));
}

#[test]
fn damaged_pieces_are_named_and_never_panic() {
    let mut random = Random(9);
    let mut pane = Pane::default();
    for n in 0..30 {
        let (tag, key, time, row) = row(n, &mut random);
        pane.put(Put {
            tag,
            key: &key,
            time,
            row: &row,
            paired: false,
        });
    }
    let whole = pane.piece().unwrap().bytes;
    assert!(Pane::load(1, vec![(0, whole.clone())]).is_ok());
    for end in 0..whole.len() {
        assert!(
            Pane::load(1, vec![(0, whole.slice(..end))]).is_err(),
            "{end}"
        );
    }
    for _ in 0..2_000 {
        let mut bytes = whole.to_vec();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        // Whether it is found out depends on what was hit; it ends.
        let _either = Pane::load(1, vec![(0, bytes.into())]);
    }
    let twice = vec![(0, whole.clone()), (1, whole)];
    assert!(Pane::load(2, twice).is_err(), "a row is in one piece");
}
