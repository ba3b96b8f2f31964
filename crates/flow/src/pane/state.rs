//! Panes as bytes: what the redo file and the store keep of them.
//!
//! A pane is kept as a base and up to `DELTAS_MAX` deltas on it, numbered from 1. A delta holds the
//! groups that changed, whole, and stands above what came before it.
//!
//! # Format, version 2
//!
//! ```text
//! version u8 = 2 | groups before u32 | changed u32 | new u32
//! per changed group: its number u32 | per new group: tag u32, the hash's lower half
//! per new group: length of its key u32 | the keys of new groups, one after the other
//! per group: rows i64
//! per aggregate: its values of these groups
//! ```
//!
//! Groups have numbers in the order in which they appeared: those that a piece has and the pieces
//! before it have not go on behind `groups before`. A base has none before it. Changed groups come
//! before new ones. Groups that are gone are left out once they are more than half; a base follows.
//!
//! # Format, version 1 (read only)
//!
//! ```text
//! version u8 = 1 | groups u32 | per group: hash u64, rows i64, key (length u32, bytes)
//!                | per aggregate: its values of these groups, in their order
//! ```
//!
//! # How often a base
//!
//! A base costs as many bytes as all groups have, and makes all deltas void. It follows when deltas
//! hold `GROWTH_MAX` times the groups, or when it is the pane's turn: turns of buckets come one
//! after the other, so that no checkpoint has to write all of a large state: of a gibibyte with
//! `TURNS` of 56 it writes 19 MiB, all of which is in memory several times on its way to the store.
//! Each delta in between is read whenever the pane is loaded.

use bytes::Bytes;
use datafusion::arrow::error::ArrowError;

use super::{DIRTY, Pane};
use crate::{
    aggregate::{Cursor, Damaged, put_count},
    columns::resize,
    group_by::GroupBy,
    slots::tag_of,
};

const VERSION: u8 = 2;

/// Deltas on a base at most.
const DELTAS_MAX: u8 = 63;
/// Fewer deltas are let be when it is the pane's turn.
const DELTAS_MIN: u8 = 4;
/// Checkpoints between two turns.
const TURNS: u64 = 56;
/// Groups in deltas, as a multiple of all groups, at which a base follows.
const GROWTH_MAX: usize = 2;

/// Pieces that a pane can have.
pub(crate) const PIECES_MAX: u8 = DELTAS_MAX + 1;

const _: () = assert!(TURNS + (DELTAS_MIN as u64) < DELTAS_MAX as u64);

/// The pieces that a pane is kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Whether there is a base.
    is_based: bool,
    deltas: u8,
    /// Groups in all deltas.
    delta_groups: usize,
    /// Groups that the pieces know.
    groups: usize,
}

/// What a checkpoint has to keep of a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// 0 is the base.
    pub(crate) number: u8,
    pub(crate) bytes: Bytes,
    /// Deltas that this base makes void: 1 to this one.
    pub(crate) void: u8,
}

/// Whether it is time for a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The window was closed: hardly anything will change.
    Last,
    /// If it has some deltas.
    Own,
    /// Only if there is no other way.
    Other,
}

impl Turn {
    /// Of a bucket at a checkpoint.
    pub(crate) fn of(bucket: usize, checkpoint: u64, is_closed: bool) -> Self {
        match (checkpoint + bucket as u64) % TURNS {
            _ if is_closed => Self::Last,
            0 => Self::Own,
            _ => Self::Other,
        }
    }
}

impl Stored {
    /// Whether a delta of so many groups is cheaper than a base.
    fn takes_delta(&self, changed: usize, (groups, turn): (usize, Turn)) -> bool {
        let is_turn = match turn {
            Turn::Last => true,
            Turn::Own => self.deltas >= DELTAS_MIN,
            Turn::Other => false,
        };
        self.is_based
            && !is_turn
            && self.deltas < DELTAS_MAX
            && self.delta_groups + changed < groups * GROWTH_MAX
    }
}

impl Pane {
    /// What changed since the last call, as a base or a delta, whichever is cheaper; `None` if
    /// nothing did.
    pub(crate) fn piece(&mut self, by: &GroupBy, turn: Turn) -> Result<Option<Piece>, ArrowError> {
        if self.dirty.is_empty() {
            return Ok(None);
        }
        self.drop_gone(by)?;
        let mut dirty = std::mem::take(&mut self.dirty);
        for group in &dirty {
            self.marks[*group as usize] &= !DIRTY;
        }
        if self.stored.takes_delta(dirty.len(), (self.groups(), turn)) {
            dirty.sort_unstable();
            let bytes = self.write(&dirty, self.stored.groups);
            self.stored.deltas += 1;
            self.stored.delta_groups += dirty.len();
            self.stored.groups = self.groups();
            return Ok(Some(Piece {
                number: self.stored.deltas,
                bytes,
                void: 0,
            }));
        }
        let void = self.stored.deltas;
        self.stored = Stored {
            is_based: true,
            groups: self.groups(),
            ..Stored::default()
        };
        let all: Vec<u32> = (0..).take(self.groups()).collect();
        Ok(Some(Piece {
            number: 0,
            bytes: self.write(&all, 0),
            void,
        }))
    }

    /// The pieces that it is kept in.
    pub(crate) fn stored(&self) -> Stored {
        self.stored
    }

    /// Numbers groups anew without those that are gone, if they are more than half.
    fn drop_gone(&mut self, by: &GroupBy) -> Result<(), ArrowError> {
        if by.only_grows {
            return Ok(());
        }
        let gone = self.rows.iter().filter(|rows| *rows == 0).count();
        if gone * 2 <= self.groups() || !self.touched.is_empty() {
            return Ok(());
        }
        let there = (0..).zip(self.rows.iter()).filter(|(_, rows)| *rows != 0);
        let there: Vec<u32> = there.map(|(group, _)| group).collect();
        let mut kept = Self::new(by)?;
        let tags = self.slots.tags(0, self.groups());
        for group in &there {
            let at = *group as usize;
            kept.number(tags[at], self.keys.get(at));
        }
        kept.grow();
        let mut values = Vec::new();
        let numbers: Vec<u32> = (0..).take(there.len()).collect();
        for (number, group) in (0..).zip(&there) {
            kept.rows.set(number, self.rows.get(*group as usize));
        }
        for (to, from) in kept.aggregates.iter_mut().zip(&self.aggregates) {
            values.clear();
            from.write(&there, &mut values);
            to.read(&numbers, &mut Cursor(&values))
                .map_err(|damaged| ArrowError::ExternalError(Box::new(damaged)))?;
        }
        kept.stored = Stored {
            is_based: false,
            ..self.stored
        };
        kept.used = self.used;
        // A base follows: every group is in it.
        kept.dirty = numbers;
        *self = kept;
        Ok(())
    }

    /// Writes groups, which rise; those from `before` on are new, and all of these are given.
    fn write(&self, groups: &[u32], before: usize) -> Bytes {
        let new = groups.partition_point(|group| (*group as usize) < before);
        let (changed, new) = groups.split_at(new);
        let mut out = Vec::with_capacity(HEAD_BYTES + groups.len() * GROUP_BYTES);
        out.push(VERSION);
        for count in [before, changed.len(), new.len()] {
            put_count(count, &mut out);
        }
        let mut put_u32 = |value: u32| out.extend_from_slice(&value.to_le_bytes());
        changed.iter().copied().for_each(&mut put_u32);
        if !new.is_empty() {
            let tags = self.slots.tags(before, self.groups());
            tags.into_iter().for_each(&mut put_u32);
        }
        let keys = || new.iter().map(|group| self.keys.get(*group as usize));
        keys().for_each(|key| put_count(key.len(), &mut out));
        keys().for_each(|key| out.extend_from_slice(key));
        for group in groups {
            let rows = self.rows.get(*group as usize);
            out.extend_from_slice(&rows.to_le_bytes());
        }
        for aggregate in &self.aggregates {
            aggregate.write(groups, &mut out);
        }
        // It waits for a checkpoint, and must not hold what it had room for.
        match out.capacity() > out.len() + out.len() / 8 {
            true => Bytes::copy_from_slice(&out),
            false => out.into(),
        }
    }

    /// The pane that pieces make: a base or nothing, then deltas in order.
    pub(crate) fn load<'a>(
        by: &GroupBy,
        pieces: impl Iterator<Item = (u8, &'a [u8])> + Clone,
    ) -> Result<Result<Self, Damaged>, ArrowError> {
        let mut pane = Self::new(by)?;
        pane.make_room(pieces.clone().map(|(_, bytes)| bytes));
        for (number, bytes) in pieces {
            let groups = match pane.read(bytes) {
                Ok(groups) => groups.len(),
                Err(damaged) => return Ok(Err(damaged)),
            };
            pane.stored.is_based = true;
            pane.stored.groups = pane.groups();
            if number > 0 {
                pane.stored.deltas = number;
                pane.stored.delta_groups += groups;
            }
        }
        Ok(Ok(pane))
    }

    /// Makes room for all groups that pieces say they have, so that no column grows once per piece.
    fn make_room<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        let (mut groups, mut key_bytes) = (0, 0);
        for piece in pieces {
            let new = new_groups(piece).unwrap_or_default();
            groups += new.0;
            key_bytes += new.1;
        }
        self.slots.make_room(groups + groups / SLOTS_SPARE);
        self.keys.make_room((groups, key_bytes));
        self.rows.grow(groups);
        resize(&mut self.marks, groups, 0);
        for aggregate in &mut self.aggregates {
            aggregate.grow(groups);
        }
    }

    /// Reads a piece that no checkpoint has taken: what is in it still has to be kept. `before` is
    /// how the pane was kept before this piece.
    pub(crate) fn go_on(&mut self, piece: &Piece, before: Stored) -> Result<(), Damaged> {
        let groups = self.read(&piece.bytes)?;
        groups.into_iter().for_each(|group| self.mark_dirty(group));
        self.stored = Stored {
            is_based: before.is_based && piece.number > 0,
            ..before
        };
        Ok(())
    }

    /// Reads one piece above what is there; gives the numbers of its groups.
    fn read(&mut self, bytes: &[u8]) -> Result<Vec<u32>, Damaged> {
        let mut from = Cursor(bytes);
        let groups = match from.byte()? {
            VERSION => self.read_groups(&mut from)?,
            1 => self.read_groups_1(&mut from)?,
            _ => return Err(Damaged),
        };
        for aggregate in &mut self.aggregates {
            aggregate.read(&groups, &mut from)?;
        }
        match from.is_empty() {
            true => Ok(groups),
            false => Err(Damaged),
        }
    }

    fn read_groups(&mut self, from: &mut Cursor<'_>) -> Result<Vec<u32>, Damaged> {
        let count = |from: &mut Cursor<'_>| from.u32().map(|count| count as usize);
        let (before, changed, new) = (count(from)?, count(from)?, count(from)?);
        if before != self.groups() {
            return Err(Damaged);
        }
        let mut groups: Vec<u32> = from.u32s(changed)?.collect();
        if groups.iter().any(|group| *group as usize >= before) {
            return Err(Damaged);
        }
        let tags = from.u32s(new)?;
        let lengths = from.u32s(new)?;
        let bytes = lengths.clone().map(|length| length as usize).sum();
        self.keys.extend(lengths, from.slice(bytes)?);
        self.slots.make_room(new);
        groups.reserve_exact(new);
        let first = u32::try_from(before).map_err(|_wide| Damaged)?;
        for (group, tag) in (first..).zip(tags) {
            self.slots.put_new(tag, group);
            groups.push(group);
        }
        self.grow();
        for group in &groups {
            self.rows.set(*group as usize, from.i64()?);
        }
        Ok(groups)
    }

    fn read_groups_1(&mut self, from: &mut Cursor<'_>) -> Result<Vec<u32>, Damaged> {
        let count = from.count()?;
        let (mut groups, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let tag = tag_of(from.u64()?);
            rows.push(from.i64()?);
            groups.push(self.number(tag, from.bytes()?));
        }
        self.grow();
        for (group, rows) in groups.iter().zip(rows) {
            self.rows.set(*group as usize, rows);
        }
        Ok(groups)
    }
}

/// New groups of a piece and the bytes of their keys, as far as it says: room for them is made at once.
fn new_groups(piece: &[u8]) -> Result<(usize, usize), Damaged> {
    let mut from = Cursor(piece.strip_prefix(&[VERSION]).ok_or(Damaged)?);
    let (_before, changed, new) = (from.u32()?, from.u32()? as usize, from.u32()? as usize);
    // Numbers of the changed, tags of the new.
    from.slice((changed + new) * size_of::<u32>())?;
    let lengths = from.u32s(new)?;
    let key_bytes: usize = lengths.map(|length| length as usize).sum();
    Ok((new, key_bytes.min(piece.len())))
}

/// Room for new groups beyond those that are loaded: one part in so many.
const SLOTS_SPARE: usize = 32;
/// Bytes before the groups of a piece.
const HEAD_BYTES: usize = 13;
/// Bytes of a group, about: what is reserved for each.
const GROUP_BYTES: usize = 64;

#[cfg(test)]
mod tests;
