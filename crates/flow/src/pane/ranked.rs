//! What groups tell that answer lists of rows: rows that are no longer among the first of their
//! key, or have another number there, then those that are now.

use std::cmp::Ordering;

use datafusion::arrow::{
    array::{ArrayRef, AsArray, BinaryArray},
    error::ArrowError,
};

use super::Told;
use crate::{
    change::Weights,
    group_by::GroupBy,
    keys::{KeyBytes, read_keys},
    ranked::{Ranked, listed},
};

/// Rows of groups, by the number of the group.
#[derive(Debug, Default)]
struct Rows<'a> {
    groups: Vec<u32>,
    entries: Vec<&'a [u8]>,
    numbers: Vec<u64>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, group: u32, (entry, number): (&'a [u8], u64)) {
        self.groups.push(group);
        self.entries.push(entry);
        self.numbers.push(number);
    }

    fn append(&mut self, mut other: Self) {
        self.groups.append(&mut other.groups);
        self.entries.append(&mut other.entries);
        self.numbers.append(&mut other.numbers);
    }

    fn told(
        self,
        (by, ranked): (&GroupBy, &Ranked),
        keys: &KeyBytes,
        weights: Weights,
    ) -> Result<Told, ArrowError> {
        let of_rows = self.groups.iter().map(|group| keys.get(*group as usize));
        Ok(Told {
            keys: read_keys(&by.key_types(), of_rows)?,
            calls: ranked.rows(&self.entries, self.numbers)?,
            weights,
            unfit: Vec::new(),
        })
    }
}

/// The lists of groups before and after, or nothing where a group is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    pub(super) groups: &'a [u32],
    pub(super) before: &'a ArrayRef,
    pub(super) after: &'a ArrayRef,
}

/// What changed.
pub(super) fn changes(
    (by, ranked): (&GroupBy, &Ranked),
    keys: &KeyBytes,
    sides: Sides<'_>,
) -> Result<Option<Told>, ArrowError> {
    let (before, after) = (lists(sides.before)?, lists(sides.after)?);
    let (mut minus, mut plus) = (Rows::default(), Rows::default());
    for (at, group) in sides.groups.iter().enumerate() {
        let (before, after) = (before.value(at), after.value(at));
        if before == after {
            continue;
        }
        match ranked.is_numbered {
            true => by_number(*group, (before, after), (&mut minus, &mut plus)),
            false => by_row(*group, (before, after), (&mut minus, &mut plus)),
        }
    }
    let (gone, rows) = (minus.groups.len(), minus.groups.len() + plus.groups.len());
    if rows == 0 {
        return Ok(None);
    }
    let weights = match gone {
        0 => Weights::Inserts,
        _ => Weights::Mixed(
            (0..rows)
                .map(|row| if row < gone { -1 } else { 1 })
                .collect(),
        ),
    };
    minus.append(plus);
    minus.told((by, ranked), keys, weights).map(Some)
}

/// All rows of groups.
pub(super) fn all(
    (by, ranked): (&GroupBy, &Ranked),
    keys: &KeyBytes,
    (groups, answers): (&[u32], &ArrayRef),
) -> Result<Told, ArrowError> {
    let answers = lists(answers)?;
    let mut rows = Rows::default();
    for (at, group) in groups.iter().enumerate() {
        for row in listed(answers.value(at)).zip(1..) {
            rows.push(*group, row);
        }
    }
    rows.told((by, ranked), keys, Weights::Inserts)
}

fn lists(answers: &ArrayRef) -> Result<&BinaryArray, ArrowError> {
    let lists = answers.as_binary_opt::<i32>();
    lists.ok_or_else(|| ArrowError::CastError("a list of rows is no bytes".to_owned()))
}

/// A row is what has its number.
fn by_number<'a>(
    group: u32,
    (before, after): (&'a [u8], &'a [u8]),
    (minus, plus): (&mut Rows<'a>, &mut Rows<'a>),
) {
    let (mut before, mut after) = (listed(before), listed(after));
    for number in 1.. {
        match (before.next(), after.next()) {
            (None, None) => break,
            (was, is) if was == is => {}
            (was, is) => {
                was.into_iter()
                    .for_each(|entry| minus.push(group, (entry, number)));
                is.into_iter()
                    .for_each(|entry| plus.push(group, (entry, number)));
            }
        }
    }
}

/// A row is the same wherever it stands. Both lists are in order.
fn by_row<'a>(
    group: u32,
    (before, after): (&'a [u8], &'a [u8]),
    (minus, plus): (&mut Rows<'a>, &mut Rows<'a>),
) {
    let mut before = listed(before).zip(1..).peekable();
    let mut after = listed(after).zip(1..).peekable();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        if order != Ordering::Greater {
            let row = before.next().filter(|_| order == Ordering::Less);
            row.into_iter().for_each(|row| minus.push(group, row));
        }
        if order != Ordering::Less {
            let row = after.next().filter(|_| order == Ordering::Greater);
            row.into_iter().for_each(|row| plus.push(group, row));
        }
    }
}
