//! The operators in the plainest way: whole batches, one row after the other, values compared as
//! values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions,
            TimestampMicrosecondArray, UInt32Array,
        },
        compute::{cast, concat, filter_record_batch, take, take_arrays},
        datatypes::{DataType, Float64Type, SchemaRef, TimestampMicrosecondType},
    },
    common::ScalarValue,
    physical_expr::{PhysicalExpr, expressions::Literal},
};

use super::{
    super::super::{Call, Function, Node, Overlapping, Pairs, Tumbling, WindowKind},
    data::{Rows, is_deleted, key_of},
    keyed,
};
use crate::sketch::Moment;

/// Rows and their seqs.
pub(super) struct Evaluated {
    pub(super) batch: RecordBatch,
    pub(super) seqs: Vec<i64>,
}

/// The rows of an operator; `input` gives those of the inputs.
pub(super) fn evaluate(node: &Node, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    match node {
        Node::Source {
            input: index,
            columns,
            schema,
        } => {
            let rows = input(*index);
            let arrays = columns
                .iter()
                .map(|name| Arc::clone(rows.batch.column_by_name(name).unwrap()));
            Evaluated {
                batch: batch(schema, arrays.collect(), rows.seqs.len()),
                seqs: rows.seqs,
            }
        }
        Node::Filter {
            input: below,
            predicate,
        } => {
            let rows = evaluate(below, input);
            let kept = values(predicate, &rows.batch);
            kept_only(rows, kept.as_boolean())
        }
        Node::Project {
            input: below,
            exprs,
            schema,
        } => {
            let rows = evaluate(below, input);
            let arrays = exprs.iter().map(|expr| values(expr, &rows.batch)).collect();
            Evaluated {
                batch: batch(schema, arrays, rows.seqs.len()),
                seqs: rows.seqs,
            }
        }
        Node::Union { inputs, schema } => {
            let sides: Vec<Evaluated> = inputs.iter().map(|side| evaluate(side, input)).collect();
            let column = |at: usize| {
                let arrays: Vec<&dyn Array> = sides
                    .iter()
                    .map(|side| side.batch.column(at).as_ref())
                    .collect();
                concat(&arrays).unwrap()
            };
            let arrays = (0..schema.fields().len()).map(column).collect();
            let seqs: Vec<i64> = sides.iter().flat_map(|side| side.seqs.clone()).collect();
            Evaluated {
                batch: batch(schema, arrays, seqs.len()),
                seqs,
            }
        }
        Node::Pairs(pairs) => self::pairs(pairs, input),
        Node::Window { .. } => window(node, input),
        Node::Lookup { .. } => lookup(node, input),
        Node::Aggregate { .. } => aggregate(node, input),
        Node::Rank(rank) => keyed::rank(rank, input),
        Node::Running(running) => keyed::running(running, input),
    }
}

/// Every row of one side beside every row of the other.
fn pairs(pairs: &Pairs, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let (left, right) = (evaluate(&pairs.left, input), evaluate(&pairs.right, input));
    let (of_left, of_right): (Vec<_>, Vec<_>) = pairs
        .keys
        .iter()
        .map(|(l, r)| (values(l, &left.batch), values(r, &right.batch)))
        .unzip();
    let time = |rows: &Evaluated, at: usize, row: usize| {
        let times = rows
            .batch
            .column(at)
            .as_primitive::<TimestampMicrosecondType>();
        times.is_valid(row).then(|| times.value(row))
    };
    let value = |column: &ArrayRef, row: usize| ScalarValue::try_from_array(column, row).unwrap();
    let (mut lefts, mut rights, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    let mut alone: BTreeSet<usize> = (0..right.seqs.len()).collect();
    for l in 0..left.seqs.len() {
        let before = seqs.len();
        for r in 0..right.seqs.len() {
            let mut keys = of_left.iter().zip(&of_right);
            let is_same = keys.all(|(a, b)| {
                let (a, b) = (value(a, l), value(b, r));
                !a.is_null() && a == b
            });
            let is_near = pairs.near().is_none_or(|near| {
                let times = time(&left, near.times.0, l).zip(time(&right, near.times.1, r));
                times.is_some_and(|(a, b)| (near.from_us..=near.to_us).contains(&(b - a)))
            });
            if is_same && is_near {
                lefts.push(u32::try_from(l).ok());
                rights.push(u32::try_from(r).ok());
                alone.remove(&r);
                seqs.push(left.seqs[l].max(right.seqs[r]));
            }
        }
        if pairs.outer.left() && seqs.len() == before {
            lefts.push(u32::try_from(l).ok());
            rights.push(None);
            seqs.push(left.seqs[l]);
        }
    }
    for r in alone.into_iter().filter(|_| pairs.outer.right()) {
        lefts.push(None);
        rights.push(u32::try_from(r).ok());
        seqs.push(right.seqs[r]);
    }
    let taken = |rows: &Evaluated, of: Vec<Option<u32>>| -> Vec<ArrayRef> {
        let of = UInt32Array::from(of);
        let columns = rows.batch.columns().iter();
        columns
            .map(|column| take(column, &of, None).unwrap())
            .collect()
    };
    let mut arrays = taken(&left, lefts);
    arrays.extend(taken(&right, rights));
    Evaluated {
        batch: batch(&pairs.schema, arrays, seqs.len()),
        seqs,
    }
}

pub(super) fn batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).unwrap()
}

pub(super) fn values(expr: &Arc<dyn PhysicalExpr>, over: &RecordBatch) -> ArrayRef {
    let value = expr.evaluate(over).unwrap();
    value.into_array(over.num_rows()).unwrap()
}

fn kept_only(rows: Evaluated, kept: &BooleanArray) -> Evaluated {
    let is_kept = |row: usize| kept.is_valid(row) && kept.value(row);
    let seqs = rows
        .seqs
        .iter()
        .enumerate()
        .filter(|(row, _)| is_kept(*row));
    Evaluated {
        seqs: seqs.map(|(_, seq)| *seq).collect(),
        batch: filter_record_batch(&rows.batch, kept).unwrap(),
    }
}

/// The session of each row: of all of its key, those that are joined by gaps shorter than `gap`.
fn sessions(rows: &Evaluated, (time, by): (usize, &[usize]), gap: i64) -> Vec<(i64, i64)> {
    let times = rows.batch.column(time);
    let times = times.as_primitive::<TimestampMicrosecondType>().values();
    let key = |row: usize| -> String {
        let cells = by
            .iter()
            .map(|by| ScalarValue::try_from_array(rows.batch.column(*by), row).unwrap());
        format!("{:?}", cells.collect::<Vec<_>>())
    };
    let keys: Vec<String> = (0..times.len()).map(key).collect();
    let grown = |row: usize| {
        let (mut first, mut last) = (times[row], times[row]);
        loop {
            let mine = (0..times.len()).filter(|other| keys[*other] == keys[row]);
            let near = mine.filter(|other| (first - gap + 1..last + gap).contains(&times[*other]));
            let (least, most) = near.fold((first, last), |(least, most), other| {
                (least.min(times[other]), most.max(times[other]))
            });
            if (least, most) == (first, last) {
                return (first, last + gap);
            }
            (first, last) = (least, most);
        }
    };
    (0..times.len()).map(grown).collect()
}

/// Each row once per window that it is in.
fn window(node: &Node, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let Node::Window {
        input: below,
        time,
        windows,
        by,
        schema,
    } = node
    else {
        unreachable!()
    };
    let rows = evaluate(below, input);
    let sessions = sessions(&rows, (*time, by), windows.size_us);
    let times = rows
        .batch
        .column(*time)
        .as_primitive::<TimestampMicrosecondType>();
    let (mut taken, mut bounds) = (Vec::new(), Vec::new());
    for (row, time) in (0_u32..).zip(times.values()) {
        let of_row = match windows.kind {
            WindowKind::Session => vec![sessions[row as usize]],
            WindowKind::Tumbling => {
                let zone = windows.zone.as_deref();
                let cut = Tumbling::new(windows.size_us, windows.offset_us, zone).unwrap();
                vec![cut.window(*time).unwrap()]
            }
            WindowKind::Hopping | WindowKind::Cumulating => {
                let cut = Overlapping::new(windows).unwrap();
                let numbers = cut.windows(*time).unwrap();
                numbers.map(|n| cut.bounds(n).unwrap()).collect()
            }
        };
        taken.extend(of_row.iter().map(|_| row));
        bounds.extend(of_row);
    }
    let taken = UInt32Array::from(taken);
    let mut arrays = take_arrays(rows.batch.columns(), &taken, None).unwrap();
    for of in [
        |bounds: &(i64, i64)| bounds.0,
        |bounds: &(i64, i64)| bounds.1,
    ] {
        let array = TimestampMicrosecondArray::from_iter_values(bounds.iter().map(of));
        arrays.push(Arc::new(array.with_timezone("UTC")));
    }
    let seqs: Vec<i64> = taken
        .values()
        .iter()
        .map(|row| rows.seqs[*row as usize])
        .collect();
    Evaluated {
        batch: batch(schema, arrays, seqs.len()),
        seqs,
    }
}

fn lookup(node: &Node, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let Node::Lookup {
        input: below,
        table,
        keys,
        outer,
        columns,
        schema,
    } = node
    else {
        unreachable!()
    };
    let rows = evaluate(below, input);
    let (changes, key, ttl) = input(*table).changes.unwrap();
    let asked: Vec<ArrayRef> = keys.iter().map(|key| values(key, &rows.batch)).collect();
    let change_seqs = changes.column_by_name("_seq").unwrap();
    let mut found = Vec::new();
    for (row, seq) in rows.seqs.iter().enumerate() {
        let wanted: Vec<ScalarValue> = asked
            .iter()
            .map(|array| ScalarValue::try_from_array(array, row).unwrap())
            .collect();
        let seq_of = |change: usize| match ScalarValue::try_from_array(change_seqs, change) {
            Ok(ScalarValue::Int64(Some(seq))) => seq,
            other => panic!("{other:?}"),
        };
        let last = (0..changes.num_rows())
            .rfind(|change| seq_of(*change) <= *seq && key_of(&changes, &key, *change) == wanted);
        let alive = last.filter(|change| {
            !is_deleted(&changes, *change) && ttl.is_none_or(|ttl| *seq < seq_of(*change) + ttl)
        });
        found.push(alive);
    }
    let mut arrays = rows.batch.columns().to_vec();
    for name in columns {
        let column = changes.column_by_name(name).unwrap();
        let cells = found.iter().map(|change| match change {
            Some(change) => ScalarValue::try_from_array(column, *change).unwrap(),
            None => ScalarValue::try_from(column.data_type()).unwrap(),
        });
        arrays.push(array_of(cells.collect(), column.data_type()));
    }
    if *outer {
        return Evaluated {
            batch: batch(schema, arrays, rows.seqs.len()),
            seqs: rows.seqs,
        };
    }
    // NOT NULL columns of the table are only so where it has a row.
    let kept = BooleanArray::from_iter(found.iter().map(|change| Some(change.is_some())));
    let arrays = arrays
        .iter()
        .map(|array| datafusion::arrow::compute::filter(array, &kept).unwrap());
    let seqs = rows
        .seqs
        .iter()
        .zip(&found)
        .filter(|(_, change)| change.is_some());
    let seqs: Vec<i64> = seqs.map(|(seq, _)| *seq).collect();
    Evaluated {
        batch: batch(schema, arrays.collect(), seqs.len()),
        seqs,
    }
}

pub(super) fn array_of(cells: Vec<ScalarValue>, ty: &DataType) -> ArrayRef {
    match cells.is_empty() {
        true => datafusion::arrow::array::new_empty_array(ty),
        false => ScalarValue::iter_to_array(cells).unwrap(),
    }
}

fn aggregate(node: &Node, input: &dyn Fn(usize) -> Rows) -> Evaluated {
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
    }
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
