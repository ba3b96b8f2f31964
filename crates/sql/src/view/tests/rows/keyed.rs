//! What is kept of each key, in the plainest way: all rows, sorted.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array},
        compute::{SortColumn, SortOptions, lexsort_to_indices, take, take_record_batch},
        datatypes::{DataType, TimestampMicrosecondType},
    },
    common::ScalarValue,
};

use super::{
    super::super::{Figure, Rank, Running, Turns},
    data::Rows,
    groups::result,
    operators::{Evaluated, array_of, batch, evaluate, values},
};
use crate::pattern::{Answered, Matcher, Program};

fn key_of(partition: &[usize], rows: &RecordBatch, row: usize) -> Vec<ScalarValue> {
    let value = |at: &usize| ScalarValue::try_from_array(rows.column(*at), row);
    partition.iter().map(|at| value(at).unwrap()).collect()
}

/// Rows in the order of their keys, each with its number, as far as the limit goes.
pub(super) fn rank(rank: &Rank, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let rows = evaluate(&rank.input, input);
    let keys = rank.partition.iter().map(|at| SortColumn {
        values: Arc::clone(rows.batch.column(*at)),
        options: None,
    });
    let order = rank.order.iter().map(|order| SortColumn {
        values: values(&order.expr, &rows.batch),
        options: Some(SortOptions {
            descending: order.descending,
            nulls_first: order.nulls_first,
        }),
    });
    let sorted = lexsort_to_indices(&keys.chain(order).collect::<Vec<_>>(), None).unwrap();
    let (mut last, mut number) = (None, 0_u64);
    let (mut kept, mut numbers) = (Vec::new(), Vec::new());
    for row in sorted.values() {
        let own = Some(key_of(&rank.partition, &rows.batch, *row as usize));
        number = if own == last { number + 1 } else { 1 };
        last = own;
        if number <= rank.limit {
            kept.push(*row);
            numbers.push(number);
        }
    }
    let kept = UInt32Array::from(kept);
    let columns = rows.batch.columns().iter();
    let mut arrays: Vec<ArrayRef> = columns.map(|c| take(c, &kept, None).unwrap()).collect();
    arrays.push(Arc::new(UInt64Array::from(numbers)));
    Evaluated {
        batch: batch(&rank.schema, arrays, kept.len()),
        seqs: kept
            .values()
            .iter()
            .map(|row| rows.seqs[*row as usize])
            .collect(),
    }
}

/// Rows in the order of their times; those of one time as they are.
fn in_turn(rows: Evaluated, turns: Option<Turns>) -> Evaluated {
    let Some(turns) = turns else {
        return rows;
    };
    let times = rows.batch.column(turns.time);
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let mut order: Vec<u32> = (0..u32::try_from(rows.seqs.len()).unwrap()).collect();
    order.sort_by_key(|row| (times.is_null(*row as usize), times.value(*row as usize)));
    let order = UInt32Array::from(order);
    let seqs = order.values().iter().map(|row| rows.seqs[*row as usize]);
    Evaluated {
        seqs: seqs.collect(),
        batch: take_record_batch(&rows.batch, &order).unwrap(),
    }
}

/// Each row with what the rows of its key before it come to.
pub(super) fn running(running: &Running, input: &dyn Fn(usize) -> Rows) -> Evaluated {
    let rows = in_turn(evaluate(&running.input, input), running.turns);
    let count = rows.seqs.len();
    let keys: Vec<Vec<ScalarValue>> = (0..count)
        .map(|row| key_of(&running.partition, &rows.batch, row))
        .collect();
    let of_key = |row: usize| -> Vec<usize> {
        (0..=row)
            .filter(|before| keys[*before] == keys[row])
            .collect()
    };
    let mut arrays = rows.batch.columns().to_vec();
    for figure in &running.figures {
        let cell = |row: usize| {
            let own = of_key(row);
            let behind = |rows: u64| own.len().saturating_sub(usize::try_from(rows).unwrap());
            match figure {
                Figure::Aggregate(call, frame) => {
                    let first = frame.first.map_or(0, |first| behind(first + 1));
                    let last = behind(frame.last).max(first);
                    result(call, &rows.batch, &own[first..last])
                }
                Figure::Lag {
                    arg,
                    rows: before,
                    ty,
                } => match usize::try_from(*before).unwrap() < own.len() {
                    true => {
                        let column = values(arg, &rows.batch);
                        let at = own[behind(before + 1)];
                        ScalarValue::try_from_array(&column, at).unwrap()
                    }
                    false => ScalarValue::try_from(ty).unwrap(),
                },
                Figure::Pattern { .. } => unreachable!("it is no figure of cells"),
            }
        };
        let ty = match figure {
            Figure::Aggregate(call, _) => &call.ty,
            Figure::Lag { ty, .. } => ty,
            Figure::Pattern { program, args, .. } => {
                let args: Vec<_> = args.iter().map(|arg| values(arg, &rows.batch)).collect();
                arrays.push(matched(program, &args, &keys));
                continue;
            }
        };
        arrays.push(array_of((0..count).map(cell).collect(), ty));
    }
    Evaluated {
        batch: batch(&running.schema, arrays, count),
        seqs: rows.seqs,
    }
}

/// What a pattern tells with each row.
fn matched(program: &Program, args: &[ArrayRef], keys: &[Vec<ScalarValue>]) -> ArrayRef {
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let answered = Answered::new(program, &types).unwrap();
    let rows = answered.rows(args).unwrap();
    let mut matchers: HashMap<&Vec<ScalarValue>, Matcher> = HashMap::new();
    let found = keys.iter().enumerate();
    let found = found.map(|(row, key)| {
        let matcher = matchers.entry(key).or_default();
        answered.step(matcher, &rows, row)
    });
    answered.answers(&found.collect::<Vec<_>>()).unwrap()
}
