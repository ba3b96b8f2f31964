//! `Pane`: the rows of one side in one bucket and slice, in the order of arrival, chained by key. It
//! only grows, until its slice is forgotten as a whole.
//!
//! # Format of a piece, version 1
//!
//! ```text
//! version u8 = 1 | first u32 | rows u32        which rows of the pane it has
//! per row: tag u32, the lower half of the key's hash | event time i64, µs
//! per row: length of its key u32 | the keys, one after the other
//! per row: length of its columns u32 | the columns, one after the other
//! ```
//!
//! # Format of marks, version 1
//!
//! `version u8 = 1 | rows u32 | one byte per row: 1 if it has found a pair`: all rows of a pane whose side
//! notes that, in a piece of its own number, written anew whenever one is marked.
//!
//! Little endian. Keys and columns are the bytes of `keys`, floats among the columns as the whole
//! numbers that their bits make.
//!
//! # Which pieces there are
//!
//! Pieces are counted to the base of 16: with n written, the number at level L has as many pieces as
//! the L-th digit of n. The piece that would be the sixteenth of a level has the rows of the others
//! too, and goes one level up; the others are void. So a row is written as often as there are levels,
//! and a pane has at most 15 pieces per level. The number of a piece is 16 · level + place.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    aggregate::{Cursor, Damaged, put_count},
    columns::make_room,
    keys::KeyBytes,
    slots::{NONE, Slots},
};

const VERSION: u8 = 1;
/// Pieces of a level.
const BASE: u32 = 16;

/// The number of the piece that has the marks: no level is that high.
pub(super) const MARKS: u8 = u8::MAX;

/// The rows of one side in one bucket and slice.
#[derive(Debug, Default)]
pub(super) struct Pane {
    slots: Slots,
    keys: KeyBytes,
    /// Per key: its first and its last row.
    ends: Vec<(u32, u32)>,
    /// Per row: the next one of its key.
    next: Vec<u32>,
    /// Per row: the number of its key, and the tag of that.
    of: Vec<(u32, u32)>,
    times: Vec<i64>,
    rows: KeyBytes,
    /// Per row: whether it has found a pair.
    paired: Vec<bool>,
    /// Whether that changed since it was written, and since the store surely has it.
    marks: Unkept,
    /// Pieces that were written, ever.
    pieces: u32,
    /// The pieces that there are, and the first row of each.
    firsts: BTreeMap<u8, u32>,
    /// Rows that pieces have, and those that the store surely has.
    written: usize,
    committed: usize,
    /// Step in which it was used last.
    pub(super) used: u64,
}

/// How much of the marks the store does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unkept {
    #[default]
    Nothing,
    /// A checkpoint has taken them.
    Written,
    Changed,
}

/// A row that is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'a> {
    pub(super) tag: u32,
    pub(super) key: &'a [u8],
    pub(super) time: i64,
    pub(super) row: &'a [u8],
    /// Whether it has found a pair.
    pub(super) paired: bool,
}

/// The rows that are sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
    /// The first and the last time.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Whether rows note that they were found.
    pub(super) marks: bool,
}

/// What a checkpoint has to keep.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) number: u8,
    pub(super) bytes: Bytes,
    /// Pieces that it takes the place of.
    pub(super) void: Vec<u8>,
}

/// The numbers of the pieces that there are once so many were written.
pub(super) fn numbers(pieces: u32) -> impl Iterator<Item = u8> {
    let levels = (0_u8..8).map(move |level| (level, pieces >> (4 * level) & (BASE - 1)));
    levels.flat_map(|(level, count)| (0..count).map(move |place| number(level, place)))
}

/// There are at most eight levels.
#[expect(clippy::cast_possible_truncation, reason = "a place is below 16")]
const fn number(level: u8, place: u32) -> u8 {
    level * 16 + place as u8
}

impl Pane {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The times of all rows, in the order of arrival.
    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    /// The columns of a row.
    pub(super) fn row(&self, at: usize) -> &[u8] {
        self.rows.get(at)
    }

    /// Puts a row behind the others.
    pub(super) fn put(&mut self, put: Put<'_>) {
        let row = u32::try_from(self.len()).unwrap_or(NONE);
        let next = u32::try_from(self.keys.len()).unwrap_or(NONE);
        let (slots, keys) = (&mut self.slots, &self.keys);
        let is_it = |number: u32| keys.get(number as usize) == put.key;
        let (number, is_new) = slots.find_or_put(put.tag, next, is_it);
        if is_new {
            self.keys.push(put.key);
            make_room(&mut self.ends, 1);
            self.ends.push((row, row));
        } else {
            let (_, last) = &mut self.ends[number as usize];
            self.next[*last as usize] = row;
            *last = row;
        }
        make_room(&mut self.next, 1);
        self.next.push(NONE);
        make_room(&mut self.of, 1);
        self.of.push((number, put.tag));
        make_room(&mut self.times, 1);
        self.times.push(put.time);
        make_room(&mut self.paired, 1);
        self.paired.push(put.paired);
        if put.paired {
            self.marks = Unkept::Changed;
        }
        self.rows.push(put.row);
    }

    /// The rows of a key whose times are within, in the order of arrival.
    pub(super) fn find(&mut self, sought: &Sought<'_>, mut found: impl FnMut(&[u8])) {
        let is_it = |number: u32| self.keys.get(number as usize) == sought.key;
        let Some(number) = self.slots.find(sought.hash, is_it) else {
            return;
        };
        let (mut row, _) = self.ends[number as usize];
        while row != NONE {
            let at = row as usize;
            if (sought.from..=sought.to).contains(&self.times[at]) {
                found(self.rows.get(at));
                if sought.marks && !self.paired[at] {
                    self.paired[at] = true;
                    self.marks = Unkept::Changed;
                }
            }
            row = self.next[at];
        }
    }

    /// The rows that have found no pair, in the order of arrival.
    pub(super) fn alone(&self) -> impl Iterator<Item = &[u8]> {
        let rows = self.paired.iter().enumerate();
        rows.filter(|(_, paired)| !**paired)
            .map(|(at, _)| self.rows.get(at))
    }

    /// The marks, if they changed since they were written; to be asked for behind `piece`.
    pub(super) fn marks(&mut self) -> Option<Bytes> {
        if self.marks != Unkept::Changed {
            return None;
        }
        self.marks = Unkept::Written;
        let mut out = vec![VERSION];
        put_count(self.len(), &mut out);
        out.extend(self.paired.iter().map(|paired| u8::from(*paired)));
        Some(out.into())
    }

    /// Takes over marks that were written.
    pub(super) fn mark(&mut self, marks: &[u8]) -> Result<(), Damaged> {
        let mut from = Cursor(marks);
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        let rows = from.count()?;
        let marks = from.slice(rows)?;
        if rows > self.len() || !from.is_empty() {
            return Err(Damaged);
        }
        let paired = self.paired.iter_mut().zip(marks);
        paired.for_each(|(paired, mark)| *paired = *mark != 0);
        Ok(())
    }

    /// The rows that no piece has yet, as one; perhaps with those of others, which it takes the place
    /// of.
    pub(super) fn piece(&mut self) -> Option<Piece> {
        if self.written == self.len() {
            return None;
        }
        let full = |level: &u8| self.pieces >> (4 * level) & (BASE - 1) == BASE - 1;
        let level = (0_u8..7).take_while(full).count();
        let level = u8::try_from(level).unwrap_or(0);
        let place = self.pieces >> (4 * level) & (BASE - 1);
        let void: Vec<u8> = self
            .firsts
            .keys()
            .copied()
            .filter(|number| *number < level * 16)
            .collect();
        let firsts = void.iter().filter_map(|number| self.firsts.get(number));
        let first = firsts.copied().min();
        let first = first.map_or(self.written, |first| first as usize);
        for number in &void {
            self.firsts.remove(number);
        }
        let number = number(level, place);
        self.firsts
            .insert(number, u32::try_from(first).unwrap_or(NONE));
        self.pieces += 1;
        self.written = self.len();
        Some(Piece {
            number,
            bytes: self.write(first),
            void,
        })
    }

    /// Pieces that were written, ever.
    pub(super) fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The store has all that was written.
    pub(super) fn committed(&mut self) {
        self.committed = self.written;
        if self.marks == Unkept::Written {
            self.marks = Unkept::Nothing;
        }
    }

    /// Whether the store has all of it.
    pub(super) fn is_kept(&self) -> bool {
        self.committed == self.len() && self.marks == Unkept::Nothing
    }

    /// Bytes that the store does not have yet, about.
    pub(super) fn unkept(&self) -> usize {
        match self.is_kept() {
            true => 0,
            false => self.size(),
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>()
            + self.slots.size()
            + self.keys.size()
            + self.rows.size()
            + (self.ends.capacity() + self.of.capacity()) * size_of::<(u32, u32)>()
            + self.next.capacity() * size_of::<u32>()
            + self.paired.capacity()
            + self.times.capacity() * size_of::<i64>()
    }

    fn write(&self, first: usize) -> Bytes {
        let rows = first..self.len();
        let mut out = vec![VERSION];
        put_count(first, &mut out);
        put_count(rows.len(), &mut out);
        for row in rows.clone() {
            out.extend_from_slice(&self.of[row].1.to_le_bytes());
            out.extend_from_slice(&self.times[row].to_le_bytes());
        }
        let key = |row: usize| self.keys.get(self.of[row].0 as usize);
        rows.clone()
            .for_each(|row| put_count(key(row).len(), &mut out));
        rows.clone().for_each(|row| out.extend_from_slice(key(row)));
        rows.clone()
            .for_each(|row| put_count(self.rows.get(row).len(), &mut out));
        rows.for_each(|row| out.extend_from_slice(self.rows.get(row)));
        out.into()
    }

    /// The pane that pieces make, of which so many were written.
    pub(super) fn load(pieces: u32, found: Vec<(u8, Bytes)>) -> Result<Self, Damaged> {
        let mut pane = Self {
            pieces,
            ..Self::default()
        };
        let mut ordered = Vec::with_capacity(found.len());
        for (number, bytes) in &found {
            let mut from = Cursor(bytes);
            if from.byte()? != VERSION {
                return Err(Damaged);
            }
            ordered.push((from.u32()?, *number, from));
        }
        ordered.sort_unstable_by_key(|(first, ..)| *first);
        for (first, number, from) in ordered {
            if first as usize != pane.len() {
                return Err(Damaged);
            }
            pane.firsts.insert(number, first);
            pane.read(from)?;
        }
        pane.written = pane.len();
        pane.committed();
        Ok(pane)
    }

    fn read(&mut self, from: Cursor<'_>) -> Result<(), Damaged> {
        let mut from = from;
        let rows = from.count()?;
        let mut heads = Vec::with_capacity(rows);
        for _ in 0..rows {
            heads.push((from.u32()?, from.i64()?));
        }
        let parts =
            |from: &mut Cursor<'_>| from.u32s(rows).map(|lengths| lengths.collect::<Vec<_>>());
        let key_lengths = parts(&mut from)?;
        let key_bytes = from.slice(key_lengths.iter().map(|length| *length as usize).sum())?;
        let row_lengths = parts(&mut from)?;
        let row_bytes = from.slice(row_lengths.iter().map(|length| *length as usize).sum())?;
        if !from.is_empty() {
            return Err(Damaged);
        }
        let (mut keys, mut columns) = (Cursor(key_bytes), Cursor(row_bytes));
        let lengths = key_lengths.into_iter().zip(row_lengths);
        for ((tag, time), (key, row)) in heads.into_iter().zip(lengths) {
            let (key, row) = (keys.slice(key as usize)?, columns.slice(row as usize)?);
            self.put(Put {
                tag,
                key,
                time,
                row,
                paired: false,
            });
        }
        Ok(())
    }
}
