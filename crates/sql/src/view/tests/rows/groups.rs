//! Groups in the plainest way: all rows of each, and what a function makes of their values.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch},
        compute::{cast, concat},
        datatypes::{DataType, Float64Type},
    },
    common::ScalarValue,
    physical_expr::expressions::Literal,
};

use super::{
    super::super::{Call, Function, Node, node::buckets},
    data::Rows,
    operators::{Evaluated, array_of, batch, evaluate, values},
};
use crate::sketch::Moment;

/// One row per group.
pub(super) fn aggregate(node: &Node, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let Node::Aggregate {
        input: below,
        keys,
        window,
        calls,
        schema,
    } = node
    else {
        unreachable!()
    };
    if let Some((start, end)) = window {
        assert_ne!(start, end);
    }
    let rows = evaluate(below, input);
    let by: Vec<ArrayRef> = keys.iter().map(|key| values(key, &rows.batch)).collect();
    let mut groups: BTreeMap<String, (Vec<ScalarValue>, Vec<usize>)> = BTreeMap::new();
    for row in 0..rows.seqs.len() {
        let key: Vec<ScalarValue> = by
            .iter()
            .map(|array| ScalarValue::try_from_array(array, row).unwrap())
            .collect();
        let (_, members) = groups
            .entry(format!("{key:?}"))
            .or_insert((key, Vec::new()));
        members.push(row);
    }
    let mut arrays = Vec::new();
    for (index, array) in by.iter().enumerate() {
        let cells = groups.values().map(|(key, _)| key[index].clone()).collect();
        arrays.push(array_of(cells, array.data_type()));
    }
    for call in calls {
        let cells = groups
            .values()
            .map(|(_, members)| result(call, &rows.batch, members));
        arrays.push(array_of(cells.collect(), &call.ty));
    }
    Evaluated {
        batch: batch(schema, arrays, groups.len()),
        seqs: vec![0; groups.len()],
    }
}

pub(super) fn result(call: &Call, over: &RecordBatch, members: &[usize]) -> ScalarValue {
    let filter = call.filter.as_ref().map(|filter| values(filter, over));
    let is_counted = |row: usize| {
        filter.as_ref().is_none_or(|filter| {
            let filter = filter.as_boolean();
            filter.is_valid(row) && filter.value(row)
        })
    };
    let members: Vec<usize> = members
        .iter()
        .copied()
        .filter(|row| is_counted(*row))
        .collect();
    let count = |n: usize| ScalarValue::Int64(Some(i64::try_from(n).unwrap()));
    let Some(arg) = call.args.first() else {
        return count(members.len());
    };
    let array = values(arg, over);
    let cells: Vec<ScalarValue> = members
        .iter()
        .map(|row| ScalarValue::try_from_array(&array, *row).unwrap())
        .filter(|cell| !cell.is_null())
        .collect();
    match call.function {
        Function::Count => count(cells.len()),
        Function::CountDistinct => count(different(&cells).len()),
        Function::SumDistinct | Function::AvgDistinct => sum(call, &different(&cells)),
        Function::Min | Function::Max => extreme(call, cells),
        Function::Sum | Function::Avg => sum(call, &cells),
        Function::BoolAnd | Function::BoolOr => {
            let decides = ScalarValue::Boolean(Some(call.function == Function::BoolOr));
            let decided = cells.contains(&decides);
            let found = (call.function == Function::BoolOr) == decided;
            ScalarValue::Boolean((!cells.is_empty()).then_some(found))
        }
        Function::Moment(moment) => deviation(moment, &cells),
        Function::MinBy | Function::MaxBy => chosen(call, over, &members),
        Function::ApproxDistinct => count(different(&cells).len()),
        Function::ApproxPercentile => percentile(call, &cells),
        Function::Histogram => histogram(call, &cells),
    }
}

/// How often each bucket's number is there.
fn histogram(call: &Call, cells: &[ScalarValue]) -> ScalarValue {
    let buckets = buckets(&call.args).unwrap();
    let mut counts = vec![0_i64; buckets.counters()];
    for value in numbers(cells) {
        counts[buckets.of(value)] += 1;
    }
    if cells.is_empty() {
        return ScalarValue::try_from(&call.ty).unwrap();
    }
    let counts: Vec<ScalarValue> = counts.into_iter().map(ScalarValue::from).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&counts, &DataType::Int64))
}

/// Each value once.
fn different(cells: &[ScalarValue]) -> Vec<ScalarValue> {
    let mut seen = BTreeSet::new();
    let cells = cells.iter();
    let firsts = cells.filter(|cell| seen.insert(format!("{cell:?}")));
    firsts.cloned().collect()
}

fn numbers(cells: &[ScalarValue]) -> Vec<f64> {
    let number = |cell: &ScalarValue| match cell.cast_to(&DataType::Float64).unwrap() {
        ScalarValue::Float64(Some(number)) => number,
        other => panic!("{other:?}"),
    };
    cells.iter().map(number).collect()
}

/// In two passes: the mean, then what lies between.
fn deviation(moment: Moment, cells: &[ScalarValue]) -> ScalarValue {
    let numbers = numbers(cells);
    let is_sample = matches!(moment, Moment::VarSamp | Moment::StddevSamp);
    let n = f64::from(u32::try_from(numbers.len()).unwrap());
    let mean = numbers.iter().sum::<f64>() / n;
    let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
    let variance = squares / (n - f64::from(u8::from(is_sample)));
    let answer = match moment {
        Moment::VarSamp | Moment::VarPop => variance,
        Moment::StddevSamp | Moment::StddevPop => variance.sqrt(),
    };
    let least = 1 + usize::from(is_sample);
    ScalarValue::Float64((numbers.len() >= least).then_some(answer))
}

fn chosen(call: &Call, over: &RecordBatch, members: &[usize]) -> ScalarValue {
    let [value, by] = [0, 1].map(|at| values(&call.args[at], over));
    let cell = |array: &ArrayRef, row| ScalarValue::try_from_array(array, row).unwrap();
    let pairs = members
        .iter()
        .map(|row| (cell(&by, *row), cell(&value, *row)));
    let mut pairs: Vec<_> = pairs.filter(|(by, _)| !by.is_null()).collect();
    // NULL is least.
    pairs.sort_by(|a, b| {
        let order = a.0.partial_cmp(&b.0).unwrap();
        match (a.1.is_null(), b.1.is_null()) {
            (false, false) => order.then_with(|| a.1.partial_cmp(&b.1).unwrap()),
            (a, b) => order.then(b.cmp(&a)),
        }
    });
    if call.function == Function::MaxBy {
        pairs.reverse();
    }
    if let Some(several) = call.args.get(2) {
        let several = several
            .downcast_ref::<Literal>()
            .unwrap()
            .value()
            .to_string();
        let best = pairs.into_iter().take(several.parse().unwrap());
        let values: Vec<ScalarValue> = best.map(|pair| pair.1).collect();
        return match values.is_empty() {
            true => ScalarValue::try_from(&call.ty).unwrap(),
            false => ScalarValue::List(ScalarValue::new_list_nullable(&values, value.data_type())),
        };
    }
    let best = pairs.into_iter().next();
    best.map_or_else(|| ScalarValue::try_from(&call.ty).unwrap(), |pair| pair.1)
}

/// Of all values, each being cut to 9 binary digits.
fn percentile(call: &Call, cells: &[ScalarValue]) -> ScalarValue {
    let cut = |number: f64| f64::from_bits(number.to_bits() >> 44 << 44);
    let mut numbers: Vec<f64> = numbers(cells).into_iter().map(cut).collect();
    numbers.sort_by(f64::total_cmp);
    let part = call.args[1].downcast_ref::<Literal>().unwrap().value();
    let ScalarValue::Float64(Some(part)) = part else {
        panic!("{part:?}");
    };
    if numbers.is_empty() {
        return ScalarValue::Float64(None);
    }
    let rank = part * f64::from(u32::try_from(numbers.len() - 1).unwrap());
    let at = |rank: f64| numbers[format!("{rank:.0}").parse::<usize>().unwrap()];
    let (lower, upper) = (at(rank.floor()), at(rank.ceil()));
    ScalarValue::Float64(Some(lower + (upper - lower) * rank.fract()))
}

fn extreme(call: &Call, cells: Vec<ScalarValue>) -> ScalarValue {
    let wanted = match call.function {
        Function::Min => std::cmp::Ordering::Less,
        _ => std::cmp::Ordering::Greater,
    };
    let best = cells.into_iter().reduce(|best, cell| {
        if cell.partial_cmp(&best) == Some(wanted) {
            cell
        } else {
            best
        }
    });
    best.unwrap_or_else(|| ScalarValue::try_from(&call.ty).unwrap())
}

fn sum(call: &Call, cells: &[ScalarValue]) -> ScalarValue {
    if cells.is_empty() {
        return ScalarValue::try_from(&call.ty).unwrap();
    }
    let n = cells.len();
    let arrays: Vec<ArrayRef> = cells.iter().map(|cell| cell.to_array().unwrap()).collect();
    let all: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let wide = match call.ty {
        DataType::Float64 => DataType::Float64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
        _ => DataType::Decimal128(38, 0),
    };
    let wide = cast(&concat(&all).unwrap(), &wide).unwrap();
    let sum = match wide.data_type() {
        DataType::Float64 => {
            let sum: f64 = wide.as_primitive::<Float64Type>().values().iter().sum();
            let n = f64::from(u32::try_from(n).unwrap());
            let is_mean = matches!(call.function, Function::Avg | Function::AvgDistinct);
            ScalarValue::Float64(Some(if is_mean { sum / n } else { sum }))
        }
        DataType::Decimal128(_, scale) => {
            let is_sum = matches!(call.function, Function::Sum | Function::SumDistinct);
            assert!(is_sum, "avg of NUMERIC is not in these views");
            let values = wide.as_primitive::<datafusion::arrow::datatypes::Decimal128Type>();
            ScalarValue::Decimal128(Some(values.values().iter().sum()), 38, *scale)
        }
        other => panic!("{other}"),
    };
    sum.cast_to(&call.ty).unwrap()
}
