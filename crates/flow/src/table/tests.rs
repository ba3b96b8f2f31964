use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{AsArray, Int64Array, StringArray},
    datatypes::{Field, Schema},
};

use super::*;
use crate::{
    change::{NO_WATERMARK, Run, Weights},
    samples::Random,
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("version", DataType::Int64, false),
        Field::new("part", DataType::Int64, false),
    ]))
}

/// Rows of keys (number, part) with a version each.
fn rows(keys: &[(usize, i64, i64)]) -> RecordBatch {
    let ids: StringArray = keys
        .iter()
        .map(|(key, ..)| Some(format!("key-{key}")))
        .collect();
    let versions = Int64Array::from_iter_values(keys.iter().map(|key| key.2));
    let parts = Int64Array::from_iter_values(keys.iter().map(|key| key.1));
    RecordBatch::try_new(
        schema(),
        vec![Arc::new(ids), Arc::new(versions), Arc::new(parts)],
    )
    .unwrap()
}

fn asked(keys: &[(usize, i64, Seq)]) -> (Vec<ArrayRef>, Weighted) {
    let ids: StringArray = keys
        .iter()
        .map(|(key, ..)| Some(format!("key-{key}")))
        .collect();
    let parts = Int64Array::from_iter_values(keys.iter().map(|key| key.1));
    let (ids, parts): (ArrayRef, ArrayRef) = (Arc::new(ids), Arc::new(parts));
    let batch = RecordBatch::try_from_iter([("id", Arc::clone(&ids))]).unwrap();
    let runs = keys.iter().map(|key| Run {
        rows: 1,
        seq: key.2,
        watermark: NO_WATERMARK,
    });
    (
        vec![ids, parts],
        Weighted {
            batch,
            weights: Weights::Inserts,
            runs: runs.collect(),
        },
    )
}

/// Since when a row has been what it is.
type Versions = Vec<(Seq, Option<i64>)>;

#[test]
fn a_row_sees_the_table_as_it_was_when_it_came() {
    for seed in 1..30_u64 {
        let mut random = Random(seed);
        let mut table = LookupTable::new(schema(), vec![0, 2], None).unwrap();
        let mut model: BTreeMap<(usize, i64), Versions> = BTreeMap::new();
        let loaded: Vec<(usize, i64, i64)> = (0..20).map(|key| (key, 0, -1)).collect();
        table.load(&rows(&loaded), &[Seq::ZERO; 20]).unwrap();
        for (key, part, version) in loaded {
            model.insert((key, part), vec![(Seq::ZERO, Some(version))]);
        }
        let mut seq = 1;
        for _step in 0..20 {
            let first = seq;
            for _change in 0..random.below(6) {
                seq += 1;
                let mut changed: BTreeMap<(usize, i64), (i64, bool)> = BTreeMap::new();
                for _ in 0..1 + random.below(40) {
                    let key = (random.below(60), random.between(0, 2));
                    changed.insert(key, (random.between(0, 1_000), random.below(4) == 0));
                }
                let images: Vec<_> = changed
                    .iter()
                    .map(|(key, row)| (key.0, key.1, row.0))
                    .collect();
                let deleted: BooleanArray = changed.values().map(|row| Some(row.1)).collect();
                let seqs = vec![Seq(seq); images.len()];
                table.change(&rows(&images), &deleted, &seqs).unwrap();
                for (key, (version, is_deleted)) in changed {
                    model
                        .entry(key)
                        .or_default()
                        .push((Seq(seq), (!is_deleted).then_some(version)));
                }
            }
            seq += 1;
            let mut keys: Vec<(usize, i64, Seq)> = (0..200)
                .map(|_| {
                    (
                        random.below(70),
                        random.between(0, 3),
                        Seq(first + random.number() % (seq - first + 1)),
                    )
                })
                .collect();
            keys.sort_by_key(|key| key.2);
            let (columns, weighted) = asked(&keys);
            let places = table.find(&columns, &weighted).unwrap();
            let versions = table.take("version", &places).unwrap();
            let versions = versions.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            for (row, (key, part, at)) in keys.iter().enumerate() {
                let changes = model.get(&(*key, *part)).map_or(&[][..], Vec::as_slice);
                let seen = changes
                    .iter()
                    .rfind(|(seq, _)| seq < at)
                    .and_then(|(_, version)| *version);
                let found = versions.is_valid(row).then(|| versions.value(row));
                assert_eq!(found, seen, "seed {seed}, key {key}, part {part}, at {at}");
            }
            table.settle().unwrap();
            let live = model
                .values()
                .filter(|changes| changes.last().is_some_and(|last| last.1.is_some()));
            assert_eq!(table.rows(), live.count());
        }
        assert!(table.segments.rows() <= 2 * table.rows() + SPARE_ROWS);
    }
}

#[test]
fn replaced_rows_are_dropped() {
    let mut table = LookupTable::new(schema(), vec![0, 2], None).unwrap();
    for seq in 1..400_u64 {
        let images: Vec<_> = (0..100)
            .map(|key| (key, 0, i64::try_from(seq).unwrap()))
            .collect();
        table
            .change(
                &rows(&images),
                &BooleanArray::from(vec![false; 100]),
                &[Seq(seq); 100],
            )
            .unwrap();
        table.settle().unwrap();
    }
    assert_eq!(table.rows(), 100);
    assert!(table.segments.rows() < 5_000, "{}", table.segments.rows());
    let (columns, weighted) = asked(&[(7, 0, Seq(9_999)), (8, 1, Seq(9_999))]);
    let places = table.find(&columns, &weighted).unwrap();
    let versions = table.take("version", &places).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(399), None]));
    assert_eq!(&versions, &expected);
}

#[test]
fn null_is_never_found() {
    let mut table = LookupTable::new(schema(), vec![0], None).unwrap();
    table.load(&rows(&[(1, 0, 5)]), &[Seq::ZERO]).unwrap();
    let ids: ArrayRef = Arc::new(StringArray::from(vec![Some("key-1"), None]));
    let batch = RecordBatch::try_from_iter([("id", Arc::clone(&ids))]).unwrap();
    let places = table
        .find(&[ids], &Weighted::inserts(batch, Seq(1)))
        .unwrap();
    assert_eq!(places, [0, NONE]);
}

#[test]
fn a_row_is_gone_when_its_time_is_over() {
    let ttl = Some(Duration::from_millis(100));
    let mut table = LookupTable::new(schema(), vec![0, 2], ttl).unwrap();
    let at = Seq::from_millis;
    table.load(&rows(&[(1, 0, 5)]), &[at(1_000)]).unwrap();
    let change = |table: &mut LookupTable, version: i64, seq: Seq| {
        let deleted = BooleanArray::from(vec![false]);
        let changed = rows(&[(1, 0, version)]);
        table.change(&changed, &deleted, &[seq]).unwrap();
    };
    change(&mut table, 6, at(1_050));
    let seen = |table: &LookupTable, millis: u64| {
        let (columns, weighted) = asked(&[(1, 0, at(millis))]);
        let places = table.find(&columns, &weighted).unwrap();
        let versions = table.take("version", &places).unwrap();
        let versions = versions.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
        versions.iter().next().unwrap()
    };
    assert_eq!(seen(&table, 1_050), Some(5));
    assert_eq!(seen(&table, 1_149), Some(6));
    assert_eq!(seen(&table, 1_150), None);
    table.settle().unwrap();
    assert_eq!(seen(&table, 1_150), None);
    change(&mut table, 7, at(1_200));
    assert_eq!(seen(&table, 1_200), None);
    assert_eq!(seen(&table, 1_201), Some(7));
}

#[test]
fn who_has_no_steps_settles_up_to_what_is_still_asked_for() {
    let mut random = Random(11);
    let mut table = LookupTable::new(schema(), vec![0, 2], None).unwrap();
    let mut history: BTreeMap<usize, Vec<(Seq, Option<i64>)>> = BTreeMap::new();
    let mut settled = 0_usize;
    for turn in 1_usize..400 {
        let count = 1 + random.below(60);
        let keys: Vec<(usize, i64, i64)> = (0..count)
            .map(|_| (random.below(200), 0, i64::try_from(turn).unwrap()))
            .collect();
        let gone: Vec<bool> = keys.iter().map(|_| random.below(4) == 0).collect();
        let deleted = BooleanArray::from(gone.clone());
        let seqs = vec![Seq(turn as u64); keys.len()];
        table.change(&rows(&keys), &deleted, &seqs).unwrap();
        for ((key, _, version), gone) in keys.iter().zip(gone) {
            let versions = history.entry(*key).or_default();
            versions.push((Seq(turn as u64), (!gone).then_some(*version)));
        }
        if random.below(3) == 0 {
            settled = settled.max(turn.saturating_sub(random.below(20)));
            table.settle_before(Seq(settled as u64)).unwrap();
        }
        // Any time from the settled one on may be asked for, in any order.
        let mut wanted: Vec<(usize, i64, Seq)> = (0..50)
            .map(|_| {
                let at = settled + random.below(turn + 2 - settled);
                (random.below(220), 0, Seq(at as u64))
            })
            .collect();
        wanted.sort_by_key(|(_, _, seq)| *seq);
        let (keys, weighted) = asked(&wanted);
        let places = table.find(&keys, &weighted).unwrap();
        let versions = table.take("version", &places).unwrap();
        let versions: Vec<Option<i64>> = versions
            .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
            .iter()
            .collect();
        let expected: Vec<Option<i64>> = wanted
            .iter()
            .map(|(key, _, seq)| {
                let versions = history.get(key)?;
                let at = versions.partition_point(|(changed, _)| changed < seq);
                versions.get(at.checked_sub(1)?)?.1
            })
            .collect();
        assert_eq!(versions, expected, "turn {turn}");
    }
    table.settle().unwrap();
    assert!(table.segments.rows() <= 2 * table.live + SPARE_ROWS);
    assert_eq!(table.waiting, 0);
}
