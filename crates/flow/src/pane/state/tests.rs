use datafusion::arrow::{
    array::{AsArray, Int64Array},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use mainstem_sql::view::Function;

use super::*;
use crate::{
    aggregate::AggregateSpec,
    group_by::{Emission, GroupCall},
    samples::Random,
};

/// count(*) per BIGINT.
fn counts(only_grows: bool) -> GroupBy {
    let spec = AggregateSpec {
        function: Function::Count,
        arg: None,
        ty: DataType::Int64,
        retracts: !only_grows,
        distinct_max: 0,
        part: None,
        buckets: None,
        several: None,
    };
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    GroupBy {
        exprs: Vec::new(),
        guarded: Vec::new(),
        keys: vec![(0, DataType::Int64)],
        overlapping: None,
        sessions: None,
        window: None,
        ranked: None,
        matching: None,
        running: None,
        calls: vec![GroupCall {
            spec,
            arg: None,
            filter: None,
        }],
        emission: Emission::Update,
        only_grows,
        schema: std::sync::Arc::new(Schema::new(vec![field("k"), field("n")])),
    }
}

fn key_of(key: i64) -> Vec<u8> {
    [&[1], key.to_le_bytes().as_slice()].concat()
}

/// Groups of version 1: hash, rows and count, and key of each.
fn version_1(groups: &[(u64, i64, i64)]) -> Vec<u8> {
    let mut out = vec![1];
    put_count(groups.len(), &mut out);
    for (hash, rows, key) in groups {
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&rows.to_le_bytes());
        put_count(9, &mut out);
        out.extend_from_slice(&key_of(*key));
    }
    for (_, rows, _) in groups {
        out.extend_from_slice(&rows.to_le_bytes());
    }
    out
}

/// Keys and counts of the groups that are there.
fn rows(pane: &mut Pane, by: &GroupBy) -> Vec<(i64, i64)> {
    let Some(told) = pane.tell_all(by).unwrap() else {
        return Vec::new();
    };
    let longs = |column: &datafusion::arrow::array::ArrayRef| -> Int64Array {
        column.as_primitive::<Int64Type>().clone()
    };
    let (keys, counts) = (longs(&told.keys[0]), longs(&told.calls[0]));
    let pairs = keys.values().iter().zip(counts.values());
    pairs.map(|(key, count)| (*key, *count)).collect()
}

fn load(by: &GroupBy, pieces: &[(u8, Vec<u8>)]) -> Result<Pane, Damaged> {
    let pieces = pieces.iter().map(|(n, bytes)| (*n, bytes.as_slice()));
    Pane::load(by, pieces).unwrap()
}

/// Counts a key so many times more.
fn count(pane: &mut Pane, key: i64, times: i64) {
    // Few tags, so that keys are told apart by their bytes.
    let tag = u32::try_from(key % 5).unwrap();
    let group = pane.number(tag, &key_of(key));
    pane.grow();
    pane.rows.add(group as usize, times);
    let all = pane.rows.get(group as usize);
    let bytes = all.to_le_bytes();
    for aggregate in &mut pane.aggregates {
        aggregate.read(&[group], &mut Cursor(&bytes)).unwrap();
    }
    pane.mark_dirty(group);
}

#[test]
fn pieces_of_the_version_before_are_read() {
    let by = counts(true);
    let base = version_1(&[(7, 2, 70), (8 << 32 | 7, 3, 80)]);
    let delta = version_1(&[(8 << 32 | 7, 5, 80), (9, 1, 90)]);
    let mut pane = load(&by, &[(0, base), (1, delta)]).unwrap();
    assert_eq!(rows(&mut pane, &by), [(70, 2), (80, 5), (90, 1)]);
    assert_eq!(pane.piece(&by, Turn::Last).unwrap(), None);
    // It goes on in the new version, above what is kept.
    let again = pane.number(7, &key_of(70));
    assert_eq!(again, 0);
    count(&mut pane, 100, 4);
    let piece = pane.piece(&by, Turn::Other).unwrap().unwrap();
    assert_eq!((piece.number, piece.void, piece.bytes[0]), (2, 0, VERSION));
    let base = version_1(&[(7, 2, 70), (8 << 32 | 7, 3, 80)]);
    let delta = version_1(&[(8 << 32 | 7, 5, 80), (9, 1, 90)]);
    let pieces = [(0, base), (1, delta), (2, piece.bytes.to_vec())];
    let mut pane = load(&by, &pieces).unwrap();
    assert_eq!(rows(&mut pane, &by), [(70, 2), (80, 5), (90, 1), (100, 4)]);
}

#[test]
fn pieces_make_the_pane_that_they_were_taken_from() {
    for seed in 1..30_u64 {
        let (by, mut random) = (counts(seed % 2 == 0), Random(seed));
        let mut pane = Pane::new(&by).unwrap();
        let mut pieces: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut deltas = 0;
        for checkpoint in 0..60 {
            for _ in 0..random.below(30) {
                let key = random.between(0, 40 + checkpoint);
                let before = rows(&mut pane, &by);
                let there = before.iter().find(|(own, _)| *own == key);
                let goes = !by.only_grows && random.below(2) == 0;
                let times = there.filter(|_| goes).map_or(1, |(_, count)| -count);
                count(&mut pane, key, times);
            }
            let turn = match random.below(6) {
                0 => Turn::Own,
                1 => Turn::Last,
                _ => Turn::Other,
            };
            if let Some(piece) = pane.piece(&by, turn).unwrap() {
                assert!(piece.number < PIECES_MAX);
                deltas += usize::from(piece.number > 0);
                pieces.retain(|(number, _)| piece.number > 0 && *number < piece.number);
                assert_eq!(pieces.len(), usize::from(piece.number));
                pieces.push((piece.number, piece.bytes.to_vec()));
            }
            let mut loaded = load(&by, &pieces).unwrap();
            assert_eq!(rows(&mut loaded, &by), rows(&mut pane, &by), "seed {seed}");
            assert_eq!(loaded.stored(), pane.stored(), "seed {seed}");
            if random.below(4) == 0 {
                pane = loaded;
            }
        }
        assert!(deltas > 5, "seed {seed}");
    }
}

#[test]
fn damaged_pieces_are_refused() {
    let by = counts(true);
    let mut pane = Pane::new(&by).unwrap();
    (0..5).for_each(|key| count(&mut pane, key, key + 1));
    let base = pane.piece(&by, Turn::Other).unwrap().unwrap();
    (3..7).for_each(|key| count(&mut pane, key, 1));
    let delta = pane.piece(&by, Turn::Other).unwrap().unwrap();
    let (base, delta) = (base.bytes.to_vec(), delta.bytes.to_vec());
    assert!(load(&by, &[(0, base.clone()), (1, delta.clone())]).is_ok());
    // A delta on another base, and a gap.
    assert!(load(&by, &[(0, delta.clone())]).is_err());
    assert!(load(&by, &[(0, base.clone()), (1, base.clone())]).is_err());
    for length in 0..base.len() {
        assert!(load(&by, &[(0, base[..length].to_vec())]).is_err());
    }
    let longer = [base.as_slice(), &[0]].concat();
    assert!(load(&by, &[(0, longer)]).is_err());
    let mut newer = base;
    newer[0] = VERSION + 1;
    assert!(load(&by, &[(0, newer)]).is_err());
}
