//! Sums and means of different values: those of all values, each taken once; bounded as their count is.

use datafusion::arrow::{
    array::AsArray,
    datatypes::{Decimal128Type, Float64Type, Int64Type},
};

use super::*;

/// The different ones among values that are there.
fn once(values: &ArrayRef) -> ArrayRef {
    let same = make_comparator(values, values, SortOptions::default()).unwrap();
    let is_first = |at: &usize| (0..*at).all(|before| same(before, *at).is_ne());
    let firsts = (0..values.len()).filter(is_first);
    let firsts = firsts.map(|at| i64::try_from(at).unwrap());
    take(values, &Int64Array::from_iter_values(firsts), None).unwrap()
}

#[test]
fn sums_and_means_of_integers_take_each_value_once() {
    let pool = pools().swap_remove(0);
    let parts = |values: &ArrayRef| {
        let values = once(values);
        let all = values.as_primitive::<Int64Type>().iter().flatten();
        all.map(i128::from).collect::<Vec<_>>()
    };
    let sum = |values: &ArrayRef| -> ArrayRef {
        let values = parts(values);
        let sum = i64::try_from(values.iter().sum::<i128>()).unwrap();
        Arc::new(Int64Array::from(vec![(!values.is_empty()).then_some(sum)]))
    };
    check(Function::SumDistinct, &pool, &DataType::Int64, sum);
    let mean = |values: &ArrayRef| -> ArrayRef {
        let values = parts(values);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest float is what is meant"
        )]
        let mean = values.iter().sum::<i128>() as f64 / values.len() as f64;
        Arc::new(Float64Array::from(vec![
            (!values.is_empty()).then_some(mean),
        ]))
    };
    check(Function::AvgDistinct, &pool, &DataType::Float64, mean);
}

#[test]
fn sums_and_means_of_decimals_take_each_value_once() {
    let pool = pools().swap_remove(4);
    let parts = |values: &ArrayRef| {
        let values = once(values);
        let all = values.as_primitive::<Decimal128Type>().iter().flatten();
        all.collect::<Vec<i128>>()
    };
    let decimal = |value: Option<i128>, precision, scale| -> ArrayRef {
        let one = Decimal128Array::from(vec![value]);
        Arc::new(one.with_precision_and_scale(precision, scale).unwrap())
    };
    let sum = |values: &ArrayRef| {
        let values = parts(values);
        decimal((!values.is_empty()).then(|| values.iter().sum()), 20, 2)
    };
    let wide = DataType::Decimal128(20, 2);
    check(Function::SumDistinct, &pool, &wide, sum);
    let mean = |values: &ArrayRef| {
        let values = parts(values);
        let count = i128::try_from(values.len()).unwrap();
        let mean = (count > 0).then(|| values.iter().sum::<i128>() * 10_000 / count);
        decimal(mean, 14, 6)
    };
    let fine = DataType::Decimal128(14, 6);
    check(Function::AvgDistinct, &pool, &fine, mean);
}

#[test]
fn sums_of_different_floats_are_rounded_once() {
    let pool: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1e16),
        Some(1.0),
        Some(0.0),
        None,
        Some(-0.0),
        Some(-3.5),
    ]));
    let exact = |values: &ArrayRef| {
        let values = values.as_primitive::<Float64Type>();
        let mut values: Vec<f64> = values.iter().flatten().map(|value| value + 0.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup_by(|a, b| a.to_bits() == b.to_bits());
        values
    };
    // What is left of the greatest is whole: it is added last, and rounded there.
    let sum = |values: &ArrayRef| -> ArrayRef {
        let values = exact(values);
        let sum: f64 = values.iter().sum();
        Arc::new(Float64Array::from(vec![
            (!values.is_empty()).then_some(sum),
        ]))
    };
    check(Function::SumDistinct, &pool, &DataType::Float64, sum);
    let mean = |values: &ArrayRef| -> ArrayRef {
        let values = exact(values);
        #[expect(clippy::cast_precision_loss, reason = "there are five of them")]
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Arc::new(Float64Array::from(vec![
            (!values.is_empty()).then_some(mean),
        ]))
    };
    check(Function::AvgDistinct, &pool, &DataType::Float64, mean);
}

#[test]
fn more_different_values_than_allowed_have_no_sum() {
    let pool: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let spec = AggregateSpec {
        distinct_max: 10,
        ..spec(Function::SumDistinct, &pool, DataType::Int64, false)
    };
    let rows: Vec<Row> = (0..100)
        .map(|at| (u32::from(at >= 10), 1, at, true))
        .collect();
    let aggregate = aggregated(&spec, &pool, &rows, &mut Random(5));
    let Answers { column, unfit } = aggregate.answers(&[1, 0, 2]).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(45), None]));
    assert_eq!(&column, &expected);
    assert_eq!(
        (unfit.len(), unfit[0].at, unfit[0].code),
        (1, 0, Code::View010)
    );
}

#[test]
fn what_has_no_sum_has_none_of_different_values() {
    let pool = pools().swap_remove(5);
    let spec = spec(Function::SumDistinct, &pool, DataType::Int64, false);
    assert!(Aggregate::new(&spec).is_err());
}
