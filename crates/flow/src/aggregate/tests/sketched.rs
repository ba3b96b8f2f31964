//! Truth, choices and sketches.

use datafusion::arrow::{
    array::{AsArray, Int64Builder, ListBuilder, StructArray, new_null_array},
    compute::cast,
    datatypes::{Field, Float64Type},
};
use mainstem_sql::sketch::Moment;

use super::*;

fn one<T>(value: Option<T>) -> ArrayRef
where
    Float64Array: From<Vec<Option<T>>>,
{
    Arc::new(Float64Array::from(vec![value]))
}

#[test]
fn truth_is_of_what_is_there() {
    let pool = pools().pop().unwrap();
    for (function, decides) in [(Function::BoolAnd, false), (Function::BoolOr, true)] {
        let model = |values: &ArrayRef| -> ArrayRef {
            let values: Vec<bool> = values.as_boolean().iter().flatten().collect();
            let found = values.contains(&decides) == decides;
            let answer = (!values.is_empty()).then_some(found);
            Arc::new(BooleanArray::from(vec![answer]))
        };
        check(function, &pool, &DataType::Boolean, model);
    }
}

#[test]
fn deviations_are_those_of_whole_numbers() {
    let whole: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(3.0),
        None,
        Some(-81.0),
        Some(1e9),
        Some(0.0),
    ]));
    for moment in [
        Moment::VarSamp,
        Moment::VarPop,
        Moment::StddevSamp,
        Moment::StddevPop,
    ] {
        let is_sample = matches!(moment, Moment::VarSamp | Moment::StddevSamp);
        let is_root = matches!(moment, Moment::StddevSamp | Moment::StddevPop);
        let model = |values: &ArrayRef| -> ArrayRef {
            let values = cast(values, &DataType::Int64).unwrap();
            let values = values.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            let values: Vec<i128> = values.iter().flatten().map(i128::from).collect();
            let n = i128::try_from(values.len()).unwrap();
            let less = i128::from(is_sample);
            let sum: i128 = values.iter().sum();
            let squares: i128 = values.iter().map(|value| value * value).sum();
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest float is what is meant"
            )]
            let variance = (n > less)
                .then(|| (n * squares - sum * sum) as f64 / (n as f64 * (n - less) as f64));
            one(variance.map(|variance| if is_root { variance.sqrt() } else { variance }))
        };
        check(Function::Moment(moment), &whole, &DataType::Float64, model);
    }
}

#[test]
fn a_row_is_chosen_by_its_order_and_then_by_its_value() {
    let orders = Int64Array::from(vec![Some(3), Some(3), Some(1), None, Some(1), Some(2)]);
    let values = StringArray::from(vec![
        Some("b"),
        Some("a"),
        None,
        Some("z"),
        Some("d"),
        Some(""),
    ]);
    let field = |name: &str, ty: DataType| Arc::new(Field::new(name, ty, true));
    let columns: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(orders)];
    let fields = vec![field("c0", DataType::Utf8), field("c1", DataType::Int64)];
    let pool: ArrayRef = Arc::new(StructArray::new(fields.into(), columns, None));
    for function in [Function::MinBy, Function::MaxBy] {
        let model = |pairs: &ArrayRef| -> ArrayRef {
            let pairs = pairs.as_struct();
            let orders = pairs
                .column(1)
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            let values = pairs.column(0).as_string::<i32>();
            let pairs = orders.iter().zip(values.iter());
            let mut pairs: Vec<_> = pairs.filter(|(order, _)| order.is_some()).collect();
            pairs.sort();
            let best = match function {
                Function::MinBy => pairs.first(),
                _ => pairs.last(),
            };
            let best = best.and_then(|(_, value)| *value);
            Arc::new(StringArray::from(vec![best]))
        };
        check(function, &pool, &DataType::Utf8, model);
    }
}

#[test]
fn several_rows_are_chosen_in_their_order() {
    let orders = Int64Array::from(vec![Some(3), Some(3), Some(1), None, Some(1), Some(2)]);
    let values = Int32Array::from(vec![Some(7), Some(6), None, Some(5), Some(4), Some(3)]);
    let field = |name: &str, ty: DataType| Arc::new(Field::new(name, ty, true));
    let columns: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(orders)];
    let fields = vec![field("c0", DataType::Int32), field("c1", DataType::Int64)];
    let pool: ArrayRef = Arc::new(StructArray::new(fields.into(), columns, None));
    let ty = DataType::new_list(DataType::Int32, true);
    for seed in 1..60_u64 {
        let mut random = Random(seed);
        let retracts = seed % 2 == 0;
        let function = [Function::MinBy, Function::MaxBy][random.below(2)];
        let several = 1 + random.below(80);
        let spec = AggregateSpec {
            several: Some(several),
            ..spec(function, &pool, ty.clone(), retracts)
        };
        let rows = rows(&mut random, pool.len(), retracts);
        let aggregate = aggregated(&spec, &pool, &rows, &mut random);
        let Answers { column, .. } = aggregate.answers(&[0, 1, 2, 3]).unwrap();
        for group in 0..4 {
            let pairs = there(&pool, &rows, group);
            let pairs = pairs.as_struct();
            let orders = pairs
                .column(1)
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            let values = pairs
                .column(0)
                .as_primitive::<datafusion::arrow::datatypes::Int32Type>();
            let pairs = orders.iter().zip(values.iter());
            let mut pairs: Vec<_> = pairs.filter(|(order, _)| order.is_some()).collect();
            pairs.sort();
            if function == Function::MaxBy {
                pairs.reverse();
            }
            let expected: Int32Array = pairs.into_iter().take(several).map(|pair| pair.1).collect();
            let found = column.as_list::<i32>().value(group as usize);
            assert_eq!(found.as_primitive(), &expected, "seed {seed}");
        }
    }
}

#[test]
fn percentiles_are_those_of_what_is_there() {
    let whole: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(3.0),
        None,
        Some(-81.0),
        Some(500.0),
        Some(0.0),
    ]));
    let model = |values: &ArrayRef| -> ArrayRef {
        let values = values.as_primitive::<Float64Type>();
        let mut values: Vec<f64> = values.iter().flatten().collect();
        values.sort_by(f64::total_cmp);
        let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let median = (!values.is_empty()).then(|| f64::midpoint(values[lower], values[upper]));
        one(median)
    };
    check(
        Function::ApproxPercentile,
        &whole,
        &DataType::Float64,
        model,
    );
}

#[test]
fn histograms_count_what_is_there() {
    let values = [
        Some(-100.1),
        Some(-100.0),
        None,
        Some(-50.0),
        Some(99.0),
        Some(100.0),
        Some(f64::NAN),
    ];
    // Of the buckets of `spec`: −100 to 100, of 50 each.
    let places = [0, 1, 9, 2, 4, 5, 5];
    let pool: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    let ty = DataType::new_list(DataType::Int64, true);
    let model = |there: &ArrayRef| -> ArrayRef {
        let mut counts = [0_i64; 6];
        let there = there.as_primitive::<Float64Type>();
        for value in there.iter().flatten() {
            let same = |other: &Option<f64>| other.map(f64::to_bits) == Some(value.to_bits());
            counts[places[values.iter().position(same).unwrap()]] += 1;
        }
        let mut lists = ListBuilder::new(Int64Builder::new());
        counts
            .iter()
            .for_each(|count| lists.values().append_value(*count));
        lists.append(true);
        let lists = lists.finish();
        match there.is_empty() {
            true => new_null_array(&ty, 1),
            false => Arc::new(lists),
        }
    };
    check(Function::Histogram, &pool, &ty, model);
}

#[test]
fn different_values_are_counted_of_rows_that_stay() {
    let pool = pools().swap_remove(5);
    let fixed = spec(Function::ApproxDistinct, &pool, DataType::Int64, false);
    let mut random = Random(5);
    let rows = rows(&mut random, pool.len(), false);
    let aggregate = aggregated(&fixed, &pool, &rows, &mut random);
    let Answers { column, .. } = aggregate.answers(&[0, 1]).unwrap();
    let different = |group| {
        let of = rows
            .iter()
            .filter(|row| row.0 == group && row.3 && pool.is_valid(row.2));
        let different: std::collections::BTreeSet<usize> = of.map(|row| row.2).collect();
        i64::try_from(different.len()).unwrap()
    };
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![different(0), different(1)]));
    assert_eq!(&column, &expected);
    let retracting = spec(Function::ApproxDistinct, &pool, DataType::Int64, true);
    assert!(
        Aggregate::new(&retracting).is_err(),
        "a sketch takes nothing back"
    );
}

#[test]
fn damaged_choices_and_counts_are_refused() {
    let pool = pools().pop().unwrap();
    let spec = spec(Function::BoolOr, &pool, DataType::Boolean, true);
    let aggregate = aggregated(&spec, &pool, &[(0, 1, 0, true)], &mut Random(5));
    let mut bytes = Vec::new();
    aggregate.write(&[0, 1], &mut bytes);
    let mut again = Aggregate::new(&spec).unwrap();
    again.grow(2);
    let short = &bytes[..bytes.len() - 1];
    assert_eq!(again.read(&[0, 1], &mut Cursor(short)), Err(Damaged));
}
