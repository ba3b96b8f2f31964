//! Every aggregate against a model that keeps all values, with rows that are taken back, cut into
//! chunks and merged, written and read back.

mod different;
mod sketched;

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        BooleanArray, Decimal128Array, Float64Array, Int16Array, Int32Array, Int64Array,
        StringArray, TimestampMicrosecondArray, make_comparator,
    },
    compute::{SortOptions, concat, take},
};

use super::*;
use crate::samples::Random;

/// A chunk of rows: group, weight, value (by its index in the pool), whether the filter is true.
type Row = (u32, i64, usize, bool);

const GROUPS: usize = 4;

fn spec(function: Function, arg: &ArrayRef, ty: DataType, retracts: bool) -> AggregateSpec {
    AggregateSpec {
        function,
        arg: Some(arg.data_type().clone()),
        ty,
        retracts,
        distinct_max: usize::MAX,
        part: Part::new(0.5),
        buckets: Buckets::new((-100.0, 100.0), 4),
        several: None,
    }
}

/// Rows such that at the end no value is there less than 0 times.
fn rows(random: &mut Random, values: usize, retracts: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..300 {
        if retracts && random.below(3) == 0 && !rows.is_empty() {
            let at = random.below(rows.len());
            let (group, weight, value, chosen) = rows[at];
            let there = rows
                .iter()
                .filter(|row| (row.0, row.2, row.3) == (group, value, chosen));
            if weight == 1 && there.map(|row| row.1).sum::<i64>() > 0 {
                rows.push((group, -1, value, chosen));
            }
            continue;
        }
        let group = u32::try_from(random.below(GROUPS)).unwrap();
        rows.push((group, 1, random.below(values), random.below(5) > 0));
    }
    rows
}

fn column(pool: &ArrayRef, rows: &[Row]) -> ArrayRef {
    let at = Int64Array::from_iter_values(rows.iter().map(|row| i64::try_from(row.2).unwrap()));
    take(pool, &at, None).unwrap()
}

/// Aggregates rows in chunks, each merged from a column of its own, with a round trip of bytes in
/// between.
fn aggregated(
    spec: &AggregateSpec,
    pool: &ArrayRef,
    rows: &[Row],
    random: &mut Random,
) -> Aggregate {
    let mut all = Aggregate::new(spec).unwrap();
    all.grow(GROUPS);
    let mut rest = rows;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + random.below(rest.len()));
        rest = after;
        let groups: Vec<u32> = chunk.iter().map(|row| row.0).collect();
        let weights: Vec<i64> = chunk.iter().map(|row| row.1).collect();
        let chosen: BooleanArray = chunk.iter().map(|row| Some(row.3)).collect();
        let has_minus = weights.contains(&-1);
        let taken = Taken {
            groups: &groups,
            weights: has_minus.then_some(weights.as_slice()),
            chosen: Some(chosen.values().clone()),
        };
        let mut part = Aggregate::new(spec).unwrap();
        part.grow(GROUPS);
        part.update(&taken, Some(&column(pool, chunk))).unwrap();
        let pairs: Vec<(u32, u32)> = (0..4).map(|group| (group, group)).collect();
        all.merge(&part, &pairs);
        let mut bytes = Vec::new();
        all.write(&[2, 0, 3, 1], &mut bytes);
        let mut again = Aggregate::new(spec).unwrap();
        again.grow(GROUPS);
        let mut from = Cursor(&bytes);
        again.read(&[2, 0, 3, 1], &mut from).unwrap();
        assert!(from.is_empty());
        all = again;
    }
    all
}

/// The values of a group that are there, in any order.
fn there(pool: &ArrayRef, rows: &[Row], group: u32) -> ArrayRef {
    let mut counts = vec![0_i64; pool.len()];
    for row in rows
        .iter()
        .filter(|row| row.0 == group && row.3 && pool.is_valid(row.2))
    {
        counts[row.2] += row.1;
    }
    let there = (0_i64..)
        .zip(counts)
        .flat_map(|(at, count)| std::iter::repeat_n(at, usize::try_from(count).unwrap()));
    take(pool, &Int64Array::from_iter_values(there), None).unwrap()
}

/// Runs a function over random rows and compares with what `model` says of the values there.
fn check(
    function: Function,
    pool: &ArrayRef,
    ty: &DataType,
    model: impl Fn(&ArrayRef) -> ArrayRef,
) {
    for seed in 1..40_u64 {
        let mut random = Random(seed);
        let retracts = seed % 2 == 0;
        let rows = rows(&mut random, pool.len(), retracts);
        let spec = spec(function, pool, ty.clone(), retracts);
        let aggregate = aggregated(&spec, pool, &rows, &mut random);
        let Answers { column, unfit } = aggregate.answers(&[0, 1, 2, 3]).unwrap();
        assert_eq!((column.data_type(), unfit), (ty, vec![]));
        let expected: Vec<ArrayRef> = (0..4)
            .map(|group| model(&there(pool, &rows, group)))
            .collect();
        let expected: Vec<&dyn Array> = expected.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            &column,
            &concat(&expected).unwrap(),
            "{function:?} of {}, seed {seed}",
            pool.data_type()
        );
    }
}

fn pools() -> Vec<ArrayRef> {
    let decimal = Decimal128Array::from(vec![Some(1), None, Some(-250), Some(99_999)]);
    vec![
        Arc::new(Int64Array::from(vec![
            Some(3),
            None,
            Some(-8),
            Some(i64::MAX / 1_000),
            Some(4),
        ])),
        Arc::new(Int32Array::from(vec![
            Some(3),
            None,
            Some(i32::MIN),
            Some(i32::MAX),
        ])),
        Arc::new(Int16Array::from(vec![
            Some(3),
            None,
            Some(i16::MIN),
            Some(i16::MAX),
        ])),
        Arc::new(Float64Array::from(vec![
            Some(0.1),
            None,
            Some(-1e10),
            Some(7.25),
            Some(1e-9),
        ])),
        Arc::new(decimal.with_precision_and_scale(10, 2).unwrap()),
        Arc::new(StringArray::from(vec![
            Some("b"),
            None,
            Some(""),
            Some("ab"),
        ])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(5), None, Some(-9)]).with_timezone("UTC"),
        ),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
    ]
}

#[test]
fn counts_are_what_is_there() {
    for pool in pools() {
        let count = |values: &ArrayRef| -> ArrayRef {
            Arc::new(Int64Array::from(vec![i64::try_from(values.len()).unwrap()]))
        };
        check(Function::Count, &pool, &DataType::Int64, count);
        let distinct = |values: &ArrayRef| -> ArrayRef {
            let same = make_comparator(values, values, SortOptions::default()).unwrap();
            let is_first = |at: &usize| (0..*at).all(|before| same(before, *at).is_ne());
            let firsts = (0..values.len()).filter(is_first).count();
            Arc::new(Int64Array::from(vec![i64::try_from(firsts).unwrap()]))
        };
        check(Function::CountDistinct, &pool, &DataType::Int64, distinct);
    }
}

#[test]
fn extremes_are_of_what_is_there() {
    for pool in pools() {
        for function in [Function::Min, Function::Max] {
            let best = |values: &ArrayRef| {
                let order = make_comparator(values, values, SortOptions::default()).unwrap();
                let at = (0..values.len()).reduce(|a, b| {
                    if order(b, a).is_gt() == (function == Function::Max) {
                        b
                    } else {
                        a
                    }
                });
                let at = at.map(|at| i64::try_from(at).unwrap());
                take(values, &Int64Array::from(vec![at]), None).unwrap()
            };
            check(function, &pool, &pool.data_type().clone(), best);
        }
    }
}

#[test]
fn sums_and_means_of_integers_are_exact() {
    let ints = |values: &ArrayRef| {
        let values = datafusion::arrow::compute::cast(values, &DataType::Int64).unwrap();
        let values = datafusion::arrow::array::AsArray::as_primitive::<
            datafusion::arrow::datatypes::Int64Type,
        >(&values)
        .clone();
        values
            .iter()
            .flatten()
            .map(i128::from)
            .collect::<Vec<i128>>()
    };
    for pool in pools().into_iter().take(3) {
        let sum = |values: &ArrayRef| -> ArrayRef {
            let values = ints(values);
            let sum = values.iter().sum::<i128>();
            Arc::new(Int64Array::from(vec![
                (!values.is_empty()).then(|| i64::try_from(sum).unwrap()),
            ]))
        };
        check(Function::Sum, &pool, &DataType::Int64, sum);
        let mean = |values: &ArrayRef| -> ArrayRef {
            let values = ints(values);
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest float is what is meant"
            )]
            let mean = (!values.is_empty())
                .then(|| values.iter().sum::<i128>() as f64 / values.len() as f64);
            Arc::new(Float64Array::from(vec![mean]))
        };
        check(Function::Avg, &pool, &DataType::Float64, mean);
    }
}

#[test]
fn sums_of_decimals_are_exact_and_means_are_cut_toward_zero() {
    let pool = pools().swap_remove(4);
    let parts = |values: &ArrayRef| {
        use datafusion::arrow::{array::AsArray, datatypes::Decimal128Type};
        let values = values.as_primitive::<Decimal128Type>();
        values.iter().flatten().collect::<Vec<i128>>()
    };
    let decimal = |value: Option<i128>, precision, scale| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(vec![value])
                .with_precision_and_scale(precision, scale)
                .unwrap(),
        )
    };
    let sum = |values: &ArrayRef| {
        let values = parts(values);
        decimal((!values.is_empty()).then(|| values.iter().sum()), 20, 2)
    };
    check(Function::Sum, &pool, &DataType::Decimal128(20, 2), sum);
    let mean = |values: &ArrayRef| {
        let values = parts(values);
        let mean = |values: &[i128]| {
            values.iter().sum::<i128>() * 10_000 / i128::try_from(values.len()).unwrap()
        };
        decimal((!values.is_empty()).then(|| mean(&values)), 14, 6)
    };
    check(Function::Avg, &pool, &DataType::Decimal128(14, 6), mean);
}

#[test]
fn sums_of_floats_do_not_depend_on_order_or_chunks() {
    let pool = pools().swap_remove(3);
    let exact = |values: &ArrayRef| -> ArrayRef {
        use datafusion::arrow::{array::AsArray, datatypes::Float64Type};
        // A model with other means: integers of 2^-90.
        let values = values.as_primitive::<Float64Type>();
        let mut sum = exact::Exact::default();
        let mut rest = exact::Rest::default();
        for value in values.iter().flatten() {
            rest.add(sum.add(value), 1);
        }
        let sum = sum.value(Some(&rest));
        Arc::new(Float64Array::from(vec![
            (!values.is_empty()).then_some(sum),
        ]))
    };
    check(Function::Sum, &pool, &DataType::Float64, exact);
}

#[test]
fn what_does_not_fit_is_null_with_a_reason() {
    let pool: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
    let spec = spec(Function::Sum, &pool, DataType::Int64, false);
    let mut random = Random(5);
    let rows = [(0, 1, 0, true), (0, 1, 1, true), (1, 1, 0, true)];
    let aggregate = aggregated(&spec, &pool, &rows, &mut random);
    let Answers { column, unfit } = aggregate.answers(&[1, 0]).unwrap();
    assert!(column.is_valid(0) && column.is_null(1));
    assert_eq!(
        (unfit.len(), unfit[0].at, unfit[0].code),
        (1, 1, Code::Flow013)
    );
}

#[test]
fn more_different_values_than_allowed_are_not_kept() {
    let pool: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let spec = AggregateSpec {
        distinct_max: 10,
        ..spec(Function::CountDistinct, &pool, DataType::Int64, false)
    };
    let rows: Vec<Row> = (0..100)
        .map(|at| (u32::from(at >= 10), 1, at, true))
        .collect();
    let aggregate = aggregated(&spec, &pool, &rows, &mut Random(5));
    let Answers { column, unfit } = aggregate.answers(&[0, 1]).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![10, 10]));
    assert_eq!(&column, &expected);
    assert_eq!(
        (unfit.len(), unfit[0].at, unfit[0].code),
        (1, 1, Code::View010)
    );
}

#[test]
fn damaged_bytes_are_refused() {
    let pool = pools().swap_remove(5);
    for function in [Function::Count, Function::CountDistinct, Function::Max] {
        let ty = if function == Function::Max {
            DataType::Utf8
        } else {
            DataType::Int64
        };
        let spec = spec(function, &pool, ty, true);
        let rows = [(0, 1, 0, true), (1, 1, 3, true)];
        let aggregate = aggregated(&spec, &pool, &rows, &mut Random(5));
        let mut bytes = Vec::new();
        aggregate.write(&[0, 1], &mut bytes);
        for length in 0..bytes.len() {
            let mut again = Aggregate::new(&spec).unwrap();
            again.grow(2);
            assert_eq!(
                again.read(&[0, 1], &mut Cursor(&bytes[..length])),
                Err(Damaged)
            );
        }
    }
}
