//! MIN and MAX: of rows that are only added, the best value; of rows that may be taken back, all
//! values with their counts.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int64Array, PrimitiveArray},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};

use super::{
    Answers, Cursor, Damaged, Taken,
    bytes::put_count,
    value::{Float, Value, Values, column_of},
};
use crate::{
    columns::{Longs, resize},
    keys::key_type,
};

/// Values with how often they are there; never 0.
pub(crate) type Counted = BTreeMap<Value, i64>;

/// Adds a value to a counted set.
pub(crate) fn count_in(set: &mut Counted, value: Value, weight: i64) {
    use std::collections::btree_map::Entry;
    match set.entry(value) {
        Entry::Vacant(entry) => {
            entry.insert(weight);
        }
        Entry::Occupied(mut entry) => {
            *entry.get_mut() += weight;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

pub(crate) fn write_counted(set: &Counted, out: &mut Vec<u8>) {
    put_count(set.len(), out);
    for (value, count) in set {
        value.write(out);
        out.extend_from_slice(&count.to_le_bytes());
    }
}

pub(crate) fn read_counted(from: &mut Cursor<'_>) -> Result<Counted, Damaged> {
    let count = from.count()?;
    (0..count)
        .map(|_| Ok((Value::read(from)?, from.i64()?)))
        .collect()
}

pub(crate) fn counted_size(set: &Counted) -> usize {
    let values: usize = set.keys().map(Value::size).sum();
    set.len() * (size_of::<Value>() + size_of::<i64>()) + values
}

/// Least or greatest values of all groups.
#[derive(Debug)]
pub(crate) struct Extremes {
    ty: DataType,
    is_max: bool,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// BIGINT and TIMESTAMPTZ.
    Ints {
        values: Longs,
        seen: Vec<bool>,
    },
    /// DOUBLE PRECISION.
    Floats {
        values: Vec<f64>,
        seen: Vec<bool>,
    },
    Others(Vec<Option<Value>>),
    Counted(Vec<Counted>),
}

impl Extremes {
    pub(crate) fn new(ty: &DataType, is_max: bool, retracts: bool) -> Option<Self> {
        key_type(ty)?;
        let kept = match ty {
            _ if retracts => Kept::Counted(Vec::new()),
            DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _) => Kept::Ints {
                values: Longs::default(),
                seen: Vec::new(),
            },
            DataType::Float64 => Kept::Floats {
                values: Vec::new(),
                seen: Vec::new(),
            },
            _ => Kept::Others(Vec::new()),
        };
        Some(Self {
            ty: ty.clone(),
            is_max,
            kept,
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        match &mut self.kept {
            Kept::Ints { values, seen } => {
                values.grow(groups);
                resize(seen, groups, false);
            }
            Kept::Floats { values, seen } => {
                resize(values, groups, 0.0);
                resize(seen, groups, false);
            }
            Kept::Others(values) => resize(values, groups, None),
            Kept::Counted(sets) => resize(sets, groups, Counted::new()),
        }
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let is_max = self.is_max;
        match &mut self.kept {
            Kept::Ints { values, seen } => {
                let found = ints_of(column)?;
                taken.each(|row, group, _| {
                    better_int((&mut *values, &mut *seen), (group, found[row]), is_max);
                });
            }
            Kept::Floats { values, seen } => {
                let found = column
                    .as_primitive_opt::<Float64Type>()
                    .ok_or_else(unlike)?
                    .values();
                taken.each(|row, group, _| {
                    let value = Float::new(found[row]).0;
                    better((&mut values[group], &mut seen[group]), value, |a, b| {
                        a.total_cmp(&b).is_gt() == is_max
                    });
                });
            }
            Kept::Others(values) => {
                let found = Values::of(column)?;
                taken.each(|row, group, _| {
                    better_value(&mut values[group], found.value(row), is_max)
                });
            }
            Kept::Counted(sets) => {
                let found = Values::of(column)?;
                taken.each(|row, group, weight| {
                    count_in(&mut sets[group], found.value(row), weight)
                });
            }
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, pairs: &[(u32, u32)]) {
        let is_max = self.is_max;
        let pairs = pairs.iter().map(|(to, at)| (*to as usize, *at as usize));
        match (&mut self.kept, &from.kept) {
            (
                Kept::Ints { values, seen },
                Kept::Ints {
                    values: from,
                    seen: has,
                },
            ) => {
                for (to, at) in pairs.filter(|(_, at)| has[*at]) {
                    better_int((&mut *values, &mut *seen), (to, from.get(at)), is_max);
                }
            }
            (
                Kept::Floats { values, seen },
                Kept::Floats {
                    values: from,
                    seen: has,
                },
            ) => {
                for (to, at) in pairs.filter(|(_, at)| has[*at]) {
                    better((&mut values[to], &mut seen[to]), from[at], |a, b| {
                        a.total_cmp(&b).is_gt() == is_max
                    });
                }
            }
            (Kept::Others(values), Kept::Others(from)) => {
                for (to, at) in pairs {
                    if let Some(value) = &from[at] {
                        better_value(&mut values[to], value.clone(), is_max);
                    }
                }
            }
            (Kept::Counted(sets), Kept::Counted(from)) => {
                for (to, at) in pairs {
                    for (value, weight) in &from[at] {
                        count_in(&mut sets[to], value.clone(), *weight);
                    }
                }
            }
            _ => debug_assert!(false, "extremes of two kinds are not merged"),
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let at = groups.iter().map(|group| *group as usize);
        let column: ArrayRef = match &self.kept {
            Kept::Ints { values, seen } => {
                let nulls = NullBuffer::from_iter(at.clone().map(|at| seen[at]));
                let values: ScalarBuffer<i64> = at.map(|at| values.get(at)).collect();
                match &self.ty {
                    DataType::Timestamp(..) => Arc::new(
                        PrimitiveArray::<TimestampMicrosecondType>::new(values, Some(nulls))
                            .with_data_type(self.ty.clone()),
                    ),
                    _ => Arc::new(Int64Array::new(values, Some(nulls))),
                }
            }
            Kept::Floats { values, seen } => {
                let nulls = NullBuffer::from_iter(at.clone().map(|at| seen[at]));
                Arc::new(Float64Array::new(
                    at.map(|at| values[at]).collect(),
                    Some(nulls),
                ))
            }
            Kept::Others(values) => column_of(&self.ty, at.map(|at| values[at].as_ref()))?,
            Kept::Counted(sets) => column_of(&self.ty, at.map(|at| self.best(&sets[at])))?,
        };
        Ok(Answers {
            column,
            unfit: Vec::new(),
        })
    }

    /// The best value that is there: a row may be taken back before it was added.
    fn best<'a>(&self, set: &'a Counted) -> Option<&'a Value> {
        let mut there = set
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(value, _)| value);
        if self.is_max {
            there.next_back()
        } else {
            there.next()
        }
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for at in groups.iter().map(|group| *group as usize) {
            match &self.kept {
                Kept::Ints { values, seen } => {
                    out.push(u8::from(seen[at]));
                    out.extend_from_slice(&values.get(at).to_le_bytes());
                }
                Kept::Floats { values, seen } => {
                    out.push(u8::from(seen[at]));
                    out.extend_from_slice(&values[at].to_le_bytes());
                }
                Kept::Others(values) => {
                    out.push(u8::from(values[at].is_some()));
                    if let Some(value) = &values[at] {
                        value.write(out);
                    }
                }
                Kept::Counted(sets) => write_counted(&sets[at], out),
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for at in groups.iter().map(|group| *group as usize) {
            match &mut self.kept {
                Kept::Ints { values, seen } => {
                    seen[at] = from.byte()? != 0;
                    values.set(at, from.i64()?);
                }
                Kept::Floats { values, seen } => {
                    seen[at] = from.byte()? != 0;
                    values[at] = from.f64()?;
                }
                Kept::Others(values) => {
                    values[at] = if from.byte()? == 0 {
                        None
                    } else {
                        Some(Value::read(from)?)
                    };
                }
                Kept::Counted(sets) => sets[at] = read_counted(from)?,
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        match &self.kept {
            Kept::Ints { values, seen } => values.size() + seen.capacity(),
            Kept::Floats { seen, .. } => seen.capacity() * 9,
            Kept::Others(values) => {
                let more: usize = values.iter().flatten().map(Value::size).sum();
                values.capacity() * size_of::<Option<Value>>() + more
            }
            Kept::Counted(sets) => {
                let values: usize = sets.iter().map(counted_size).sum();
                sets.capacity() * size_of::<Counted>() + values
            }
        }
    }
}

fn ints_of(column: &ArrayRef) -> Result<&ScalarBuffer<i64>, ArrowError> {
    match column.as_primitive_opt::<Int64Type>() {
        Some(column) => Ok(column.values()),
        None => {
            let times = column.as_primitive_opt::<TimestampMicrosecondType>();
            times.map(PrimitiveArray::values).ok_or_else(unlike)
        }
    }
}

fn unlike() -> ArrowError {
    ArrowError::CastError("the argument of min or max has another type than the answer".to_owned())
}

#[inline]
fn better<T: Copy>((kept, seen): (&mut T, &mut bool), found: T, is_better: impl Fn(T, T) -> bool) {
    if !*seen || is_better(found, *kept) {
        *kept = found;
        *seen = true;
    }
}

#[inline]
fn better_int((kept, seen): (&mut Longs, &mut [bool]), (at, found): (usize, i64), is_max: bool) {
    let value = kept.get(at);
    if !seen[at] || (found > value) == is_max && found != value {
        kept.set(at, found);
        seen[at] = true;
    }
}

fn better_value(kept: &mut Option<Value>, found: Value, is_max: bool) {
    match kept {
        Some(value) if (found > *value) != is_max => {}
        _ => *kept = Some(found),
    }
}
