//! Panes as bytes: what the redo file and the store keep of them.
//!
//! # Format, version 1
//!
//! A pane is kept as a base and up to `DELTAS_MAX` deltas on it, numbered from 1. A delta holds the
//! groups that changed, whole, and stands above what came before it. All are
//!
//! ```text
//! version u8 = 1 | groups u32 | per group: hash u64, rows i64, key (length u32, bytes)
//!                | per aggregate: its values of these groups, in their order
//! ```
//!
//! Groups are in the order of their numbers, so that reading base and deltas one after the other
//! gives every group its number again. Groups that are gone are left out once they are more than half.

use datafusion::arrow::error::ArrowError;

use super::{DIRTY, Pane};
use crate::{
    aggregate::{Cursor, Damaged},
    group_by::GroupBy,
};

const VERSION: u8 = 1;

/// Deltas on a base at most.
pub(crate) const DELTAS_MAX: u8 = 15;

/// How a pane is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    /// Whether there is a base.
    is_based: bool,
    deltas: u8,
    /// Groups in all deltas.
    delta_groups: usize,
}

/// What a checkpoint has to keep of a pane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// 0 is the base.
    pub(crate) number: u8,
    pub(crate) bytes: Vec<u8>,
    /// Deltas that this base makes void: 1 to this one.
    pub(crate) void: u8,
}

/// The numbers that pieces of a pane can have.
pub(crate) fn pieces_of() -> impl Iterator<Item = u8> {
    0..=DELTAS_MAX
}

impl Pane {
    /// What changed since the last call, as a base or a delta, whichever is cheaper; `None` if
    /// nothing did. A pane whose window was closed is always kept as a base.
    pub(crate) fn checkpoint(
        &mut self,
        by: &GroupBy,
        is_closed: bool,
    ) -> Result<Option<Piece>, ArrowError> {
        if self.dirty.is_empty() {
            return Ok(None);
        }
        self.drop_gone(by)?;
        let mut dirty = std::mem::take(&mut self.dirty);
        for group in &dirty {
            self.marks[*group as usize] &= !DIRTY;
        }
        let grown = self.stored.delta_groups + dirty.len();
        let as_delta = self.stored.is_based
            && !is_closed
            && self.stored.deltas < DELTAS_MAX
            && grown < self.groups();
        if as_delta {
            dirty.sort_unstable();
            self.stored.deltas += 1;
            self.stored.delta_groups = grown;
            return Ok(Some(Piece {
                number: self.stored.deltas,
                bytes: self.write(&dirty),
                void: 0,
            }));
        }
        let void = self.stored.deltas;
        self.stored = Stored {
            is_based: true,
            deltas: 0,
            delta_groups: 0,
        };
        let all: Vec<u32> = (0..).take(self.groups()).collect();
        Ok(Some(Piece {
            number: 0,
            bytes: self.write(&all),
            void,
        }))
    }

    /// Numbers groups anew without those that are gone, if they are more than half: a base follows.
    fn drop_gone(&mut self, by: &GroupBy) -> Result<(), ArrowError> {
        let gone = self.rows.iter().filter(|rows| **rows == 0).count();
        if gone * 2 <= self.groups() || !self.touched.is_empty() {
            return Ok(());
        }
        let there: Vec<u32> = (0..)
            .zip(&self.rows)
            .filter(|(_, rows)| **rows != 0)
            .map(|(group, _)| group)
            .collect();
        let bytes = self.write(&there);
        let mut kept = Self::new(by)?;
        kept.read(&bytes)
            .map_err(|damaged| ArrowError::ExternalError(Box::new(damaged)))?;
        kept.stored = Stored {
            is_based: false,
            ..self.stored
        };
        kept.used = self.used;
        *self = kept;
        Ok(())
    }

    fn write(&self, groups: &[u32]) -> Vec<u8> {
        let mut out = vec![VERSION];
        let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for group in groups {
            let at = *group as usize;
            out.extend_from_slice(&self.hashes[at].to_le_bytes());
            out.extend_from_slice(&self.rows[at].to_le_bytes());
            let key = self.keys.get(at);
            out.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(key);
        }
        for aggregate in &self.aggregates {
            aggregate.write(groups, &mut out);
        }
        out
    }

    /// The pane that pieces make: a base or nothing, then deltas in order.
    pub(crate) fn load<'a>(
        by: &GroupBy,
        pieces: impl Iterator<Item = (u8, &'a [u8])>,
    ) -> Result<Result<Self, Damaged>, ArrowError> {
        let mut pane = Self::new(by)?;
        for (number, bytes) in pieces {
            let groups = match pane.read(bytes) {
                Ok(groups) => groups,
                Err(damaged) => return Ok(Err(damaged)),
            };
            pane.stored.is_based = true;
            if number > 0 {
                pane.stored.deltas = number;
                pane.stored.delta_groups += groups;
            }
        }
        Ok(Ok(pane))
    }

    /// Reads one piece above what is there; gives the number of its groups.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, Damaged> {
        let mut from = Cursor(bytes);
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        let count = from.count()?;
        self.slots.make_room(count, &self.hashes);
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            let (hash, rows) = (from.u64()?, from.i64()?);
            let group = self.number(hash, from.bytes()?);
            self.rows.resize(self.hashes.len(), 0);
            self.rows[group as usize] = rows;
            groups.push(group);
        }
        self.grow();
        for aggregate in &mut self.aggregates {
            aggregate.read(&groups, &mut from)?;
        }
        if from.is_empty() {
            Ok(count)
        } else {
            Err(Damaged)
        }
    }
}
