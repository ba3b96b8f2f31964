//! The operators in the plainest way: whole batches, one row after the other, values compared as
//! values.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions,
            TimestampMicrosecondArray, UInt32Array,
        },
        compute::{concat, filter_record_batch, take, take_arrays},
        datatypes::{DataType, SchemaRef, TimestampMicrosecondType},
    },
    common::ScalarValue,
    physical_expr::PhysicalExpr,
};

use super::{
    super::super::{Node, Overlapping, Pairs, Tumbling, WindowKind},
    data::{Rows, is_deleted, key_of},
    groups::aggregate,
    keyed,
};

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
