//! MIN_BY and MAX_BY: the value of the row whose other value is least or greatest; of several such
//! rows the least or greatest value, NULL being least. With a number n they answer an array: the values
//! of the n rows that come first in that order. Of rows that are only added the best pairs are kept, as
//! many as are asked for; of rows that may be taken back all pairs with their counts.
//!
//! The argument is one column of pairs: `c0` the value, `c1` what it is ordered by. Pairs whose order
//! is NULL do not count.
//!
//! # Bytes of a group
//!
//! ```text
//! of the best    0 u8, or 1 u8 and the pair
//! of several     pairs u32 | per pair: the pair, count i64
//! a pair         order | 0 u8, or 1 u8 and the value
//! ```

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, StructArray},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, FieldRef},
    error::ArrowError,
};

use super::{
    Answers, Cursor, Damaged, Taken,
    bytes::put_count,
    value::{Value, Values, column_of},
};
use crate::{columns::resize, keys::key_type};

/// The order of a row, and its value.
type Pair = (Value, Option<Value>);
/// Pairs with how often they are there; never 0.
#[derive(Clone, Debug, Default)]
struct Pairs {
    counts: BTreeMap<Pair, i64>,
    /// The sum of counts.
    rows: i64,
}

/// Pairs of all groups.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The type of a value.
    ty: DataType,
    /// The field of an array's items, if one is answered.
    item: FieldRef,
    is_max: bool,
    /// How many rows are asked for, if an array is answered.
    several: Option<usize>,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// The best pair, of rows that are only added.
    Best(Vec<Option<Pair>>),
    /// The best pairs, of rows that are only added.
    Several(Vec<Pairs>),
    /// All pairs.
    Counted(Vec<Pairs>),
}

impl Chosen {
    /// Of a column of pairs; `None` if their types are not kept.
    pub(crate) fn new(
        (arg, answer): (&DataType, &DataType),
        (is_max, several): (bool, Option<usize>),
        retracts: bool,
    ) -> Option<Self> {
        let DataType::Struct(fields) = arg else {
            return None;
        };
        let [value, by] = fields.as_ref() else {
            return None;
        };
        key_type(by.data_type())?;
        key_type(value.data_type())?;
        Some(Self {
            ty: value.data_type().clone(),
            item: match answer {
                DataType::List(item) => Arc::clone(item),
                _ => Arc::new(Field::new_list_field(value.data_type().clone(), true)),
            },
            is_max,
            several,
            kept: match (retracts, several) {
                (true, _) => Kept::Counted(Vec::new()),
                (false, Some(_)) => Kept::Several(Vec::new()),
                (false, None) => Kept::Best(Vec::new()),
            },
        })
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        match &mut self.kept {
            Kept::Best(best) => resize(best, groups, None),
            Kept::Several(pairs) | Kept::Counted(pairs) => resize(pairs, groups, Pairs::default()),
        }
    }

    pub(crate) fn update(
        &mut self,
        taken: &Taken<'_>,
        column: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let pairs: Option<&StructArray> = column.as_struct_opt();
        let Some([value, by]) = pairs.map(StructArray::columns) else {
            let found = column.data_type();
            return Err(ArrowError::CastError(format!(
                "expected pairs, found {found}"
            )));
        };
        let (values, orders) = (Values::of(value)?, Values::of(by)?);
        let is_max = self.is_max;
        let value = |row| value.is_valid(row).then(|| values.value(row));
        match &mut self.kept {
            Kept::Best(best) => taken.without_nulls(by).each(|row, group, _| {
                let order = orders.value(row);
                // Most rows are known to be worse by their order alone.
                if is_worse(best[group].as_ref().map(|(kept, _)| kept), &order, is_max) {
                    return;
                }
                better(&mut best[group], (order, value(row)), is_max);
            }),
            Kept::Several(pairs) => taken.without_nulls(by).each(|row, group, weight| {
                let pairs = &mut pairs[group];
                pairs.count_in((orders.value(row), value(row)), weight);
                pairs.trim(is_max, self.several);
            }),
            Kept::Counted(pairs) => taken.without_nulls(by).each(|row, group, weight| {
                pairs[group].count_in((orders.value(row), value(row)), weight);
            }),
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, from: &Self, groups: &[(u32, u32)]) {
        let groups = groups.iter().map(|(to, at)| (*to as usize, *at as usize));
        match (&mut self.kept, &from.kept) {
            (Kept::Best(best), Kept::Best(from)) => {
                for (to, at) in groups {
                    if let Some(pair) = &from[at] {
                        better(&mut best[to], pair.clone(), self.is_max);
                    }
                }
            }
            (Kept::Several(pairs), Kept::Several(from)) => {
                for (to, at) in groups {
                    for (pair, weight) in &from[at].counts {
                        pairs[to].count_in(pair.clone(), *weight);
                        pairs[to].trim(self.is_max, self.several);
                    }
                }
            }
            (Kept::Counted(pairs), Kept::Counted(from)) => {
                for (to, at) in groups {
                    for (pair, weight) in &from[at].counts {
                        pairs[to].count_in(pair.clone(), *weight);
                    }
                }
            }
            _ => debug_assert!(false, "choices of two kinds are not merged"),
        }
    }

    pub(crate) fn answers(&self, groups: &[u32]) -> Result<Answers, ArrowError> {
        let column = match self.several {
            Some(several) => self.lists(groups, several)?,
            None => {
                let chosen = groups.iter().map(|group| {
                    let pair = match &self.kept {
                        Kept::Best(best) => best[*group as usize].as_ref(),
                        Kept::Several(pairs) | Kept::Counted(pairs) => {
                            self.there(&pairs[*group as usize]).next()
                        }
                    };
                    pair.and_then(|(_, value)| value.as_ref())
                });
                column_of(&self.ty, chosen)?
            }
        };
        Ok(Answers {
            column,
            unfit: Vec::new(),
        })
    }

    /// The pairs that are there, the best first, each as often as it is: a row may be taken back before
    /// it was added.
    fn there<'a>(&self, pairs: &'a Pairs) -> Box<dyn Iterator<Item = &'a Pair> + 'a> {
        let often = |(pair, count): (&'a Pair, &'a i64)| {
            std::iter::repeat_n(pair, usize::try_from(*count).unwrap_or(0))
        };
        match self.is_max {
            true => Box::new(pairs.counts.iter().rev().flat_map(often)),
            false => Box::new(pairs.counts.iter().flat_map(often)),
        }
    }

    /// An array for each group; NULL where there is no row.
    fn lists(&self, groups: &[u32], several: usize) -> Result<ArrayRef, ArrowError> {
        let (mut values, mut lengths) = (Vec::new(), Vec::with_capacity(groups.len()));
        for group in groups {
            let before = values.len();
            if let Kept::Several(pairs) | Kept::Counted(pairs) = &self.kept {
                let best = self.there(&pairs[*group as usize]).take(several);
                values.extend(best.map(|(_, value)| value.as_ref()));
            }
            lengths.push(values.len() - before);
        }
        let nulls = NullBuffer::from_iter(lengths.iter().map(|length| *length > 0));
        let values = column_of(self.item.data_type(), values.into_iter())?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let lists = ListArray::try_new(Arc::clone(&self.item), offsets, values, Some(nulls))?;
        Ok(Arc::new(lists))
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        for at in groups.iter().map(|group| *group as usize) {
            match &self.kept {
                Kept::Best(best) => {
                    out.push(u8::from(best[at].is_some()));
                    if let Some(pair) = &best[at] {
                        write_pair(pair, out);
                    }
                }
                Kept::Several(pairs) | Kept::Counted(pairs) => {
                    put_count(pairs[at].counts.len(), out);
                    for (pair, count) in &pairs[at].counts {
                        write_pair(pair, out);
                        out.extend_from_slice(&count.to_le_bytes());
                    }
                }
            }
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        for at in groups.iter().map(|group| *group as usize) {
            match &mut self.kept {
                Kept::Best(best) => {
                    best[at] = match from.byte()? {
                        0 => None,
                        _ => Some(read_pair(from)?),
                    };
                }
                Kept::Several(pairs) | Kept::Counted(pairs) => {
                    let count = from.count()?;
                    pairs[at] = Pairs::default();
                    for _ in 0..count {
                        pairs[at].count_in(read_pair(from)?, from.i64()?);
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        match &self.kept {
            Kept::Best(best) => {
                let more: usize = best.iter().flatten().map(more_of).sum();
                best.capacity() * size_of::<Option<Pair>>() + more
            }
            Kept::Several(pairs) | Kept::Counted(pairs) => {
                let more = pairs.iter().flat_map(|pairs| pairs.counts.keys());
                let more: usize = more
                    .map(|pair| size_of::<(Pair, i64)>() + more_of(pair))
                    .sum();
                pairs.capacity() * size_of::<Pairs>() + more
            }
        }
    }
}

/// Bytes of a pair beside its own.
fn more_of((by, value): &Pair) -> usize {
    by.size() + value.as_ref().map_or(0, Value::size)
}

fn is_worse(kept: Option<&Value>, found: &Value, is_max: bool) -> bool {
    kept.is_some_and(|kept| match is_max {
        true => found < kept,
        false => found > kept,
    })
}

fn better(kept: &mut Option<Pair>, found: Pair, is_max: bool) {
    match kept {
        Some(pair) if (found > *pair) != is_max => {}
        _ => *kept = Some(found),
    }
}

impl Pairs {
    fn count_in(&mut self, pair: Pair, weight: i64) {
        self.rows += weight;
        match self.counts.entry(pair) {
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

    /// Lets the worst pairs go that are not asked for.
    fn trim(&mut self, is_max: bool, several: Option<usize>) {
        let most = several.and_then(|several| i64::try_from(several).ok());
        let most = most.unwrap_or(i64::MAX);
        while self.rows > most {
            let worst = match is_max {
                true => self.counts.first_entry(),
                false => self.counts.last_entry(),
            };
            let Some(mut worst) = worst else { return };
            let gone = (self.rows - most).min(*worst.get());
            *worst.get_mut() -= gone;
            self.rows -= gone;
            if *worst.get() == 0 {
                worst.remove();
            }
        }
    }
}

fn write_pair((by, value): &Pair, out: &mut Vec<u8>) {
    by.write(out);
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        value.write(out);
    }
}

fn read_pair(from: &mut Cursor<'_>) -> Result<Pair, Damaged> {
    let by = Value::read(from)?;
    Ok(match from.byte()? {
        0 => (by, None),
        _ => (by, Some(Value::read(from)?)),
    })
}
