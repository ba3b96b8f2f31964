//! A thousand random evolutions: frames of every version still read under the newest columns.

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use mainstem_kernel::{Column, ColumnName, ColumnType, Columns, Seq, StreamId};

use super::*;
use crate::{
    Change, Definitions, FoldError, StreamSpec, fold,
    samples::{Random, alter, column, create, set, spec},
};

const ROWS: usize = 3;
const STREAM: StreamId = StreamId(16);

/// What a column holds in a row, so that every value says where it belongs.
fn value(id: u32, version: u32, row: usize) -> i64 {
    i64::from(id) * 1_000_000 + i64::from(version) * 10 + i64::try_from(row).unwrap()
}

fn cells(column: &Column, version: u32) -> ArrayRef {
    let values = (0..ROWS).map(|row| value(column.id, version, row));
    match column.ty {
        ColumnType::BigInt => Arc::new(Int64Array::from_iter_values(values)),
        _ => Arc::new(StringArray::from_iter_values(
            values.map(|value| value.to_string()),
        )),
    }
}

/// A frame's body as it was written with these columns.
fn written(columns: &Columns, version: u32) -> RecordBatch {
    let extra = Arc::new(StringArray::from(vec![
        format!("{{\"v\":{version}}}");
        ROWS
    ]));
    let arrays = columns.0.iter().map(|column| cells(column, version));
    RecordBatch::try_new(
        columns.body_schema(),
        arrays.chain([extra as ArrayRef]).collect(),
    )
    .unwrap()
}

fn check(def: &StreamDef, version: u32) {
    let old = def.columns_of(SchemaVersion(version)).unwrap();
    let read = def
        .evolve(&written(old, version), SchemaVersion(version))
        .unwrap();
    assert_eq!(read.schema(), def.spec.columns.body_schema());
    for (index, column) in def.spec.columns.0.iter().enumerate() {
        let array = read.column(index);
        if !old.0.iter().any(|old| old.id == column.id) {
            assert_eq!(
                array.null_count(),
                ROWS,
                "version {version}, new column {column:?}"
            );
            continue;
        }
        for row in 0..ROWS {
            let expected = value(column.id, version, row);
            let found = match column.ty {
                ColumnType::BigInt => array.as_primitive::<Int64Type>().value(row),
                _ => array.as_string::<i32>().value(row).parse().unwrap(),
            };
            assert_eq!(found, expected, "version {version}, column {column:?}");
        }
    }
    let extra = read.columns().last().unwrap().as_string::<i32>();
    assert_eq!(extra.value(0), format!("{{\"v\":{version}}}"));
}

/// One random step: what is asked for, and whether it is allowed.
fn step(random: &mut Random, def: &StreamDef, n: u32) -> (StreamSpec, bool) {
    let mut spec = def.spec.clone();
    let columns = &mut spec.columns.0;
    let any = random.below(columns.len());
    let hidden = def.hidden();
    let allowed = match random.below(8) {
        0 if columns.len() < 30 => {
            let ty = [ColumnType::BigInt, ColumnType::Text][random.below(2)].clone();
            columns.insert(any, column(&format!("c{n}"), ty));
            true
        }
        1 => {
            columns[any].nullable = true;
            true
        }
        2 => {
            columns[any].name = ColumnName::new(&format!("r{n}")).unwrap();
            true
        }
        3 => {
            let with = random.below(columns.len());
            let name = columns[any].name.clone();
            columns[any].name = std::mem::replace(&mut columns[with].name, name);
            true
        }
        4 => {
            columns.rotate_left(any);
            true
        }
        5 if columns.len() > 2 => columns.remove(any).nullable,
        6 if !hidden.is_empty() => {
            let back = hidden[random.below(hidden.len())].clone();
            let is_free = columns
                .iter()
                .all(|c| !c.name.as_str().eq_ignore_ascii_case(back.name.as_str()));
            columns.push(back);
            is_free
        }
        _ => {
            let was = columns[any].ty.clone();
            columns[any].ty = ColumnType::Boolean;
            was == ColumnType::Boolean
        }
    };
    (spec, allowed)
}

#[test]
fn old_frames_read_under_the_newest_columns_after_a_thousand_evolutions() {
    let mut random = Random(0x5eed_0001);
    let first = spec(
        "s",
        &[
            ("a!", ColumnType::Text),
            ("b!", ColumnType::BigInt),
            ("c", ColumnType::Text),
        ],
    );
    let mut definitions = fold(Definitions::default(), &set(vec![create(first)]), Seq(1)).unwrap();
    let (mut applied, mut refused, mut n) = (0, 0, 0);
    while applied < 1_000 {
        n += 1;
        let def = Arc::clone(&definitions.streams[&STREAM]);
        let (spec, allowed) = step(&mut random, &def, n);
        let changes: Vec<Change> = vec![alter(STREAM.0, spec)];
        match fold(definitions.clone(), &set(changes), Seq(u64::from(n) + 1)) {
            Ok(next) => {
                assert!(allowed, "step {n} was to be refused");
                definitions = next;
                applied += 1;
            }
            Err(error) => {
                assert!(!allowed, "step {n}: {error}");
                let expected = matches!(
                    error,
                    FoldError::TypeChanged { .. }
                        | FoldError::Required { .. }
                        | FoldError::ColumnTwice { .. }
                );
                assert!(expected, "step {n}: {error}");
                refused += 1;
                continue;
            }
        }
        let def = &definitions.streams[&STREAM];
        let newest = def.schema_version().0;
        for version in [
            1,
            newest,
            1 + u32::try_from(random.below(newest as usize)).unwrap(),
        ] {
            check(def, version);
        }
    }
    let def = &definitions.streams[&STREAM];
    (1..=def.schema_version().0).for_each(|version| check(def, version));
    assert!(
        refused > 100 && def.hidden().len() > 10,
        "refused {refused}, nothing exercised"
    );

    // History keeps every column that ever was, each under one name in any program.
    let kept = def.kept_columns();
    let mut names: Vec<_> = kept
        .0
        .iter()
        .map(|c| c.name.as_str().to_ascii_lowercase())
        .collect();
    let mut ids: Vec<_> = kept.0.iter().map(|c| c.id).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    ids.sort_unstable();
    assert_eq!(
        (names.len(), ids),
        (all, (1..=u32::try_from(all).unwrap()).collect())
    );
}

#[test]
fn a_batch_of_no_known_version_is_refused() {
    let first = spec("s", &[("a", ColumnType::Text)]);
    let definitions = fold(Definitions::default(), &set(vec![create(first)]), Seq(1)).unwrap();
    let def = &definitions.streams[&STREAM];
    let batch = written(&def.spec.columns, 1);
    assert!(
        def.evolve(&batch, SchemaVersion(2))
            .unwrap_err()
            .to_string()
            .contains("never had")
    );
    let short = batch.project(&[0]).unwrap();
    assert!(
        def.evolve(&short, SchemaVersion(1))
            .unwrap_err()
            .to_string()
            .contains("_extra")
    );
}
