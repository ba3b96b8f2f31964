//! Pairs of rows that change: what the rows of a chunk come to beside those that a pane has.

use datafusion::arrow::error::ArrowError;
use mainstem_sql::view::Outer;

use super::Pane;
use crate::{
    aggregate::{Aggregate, Ranks},
    group_by::Partial,
    matching::Found,
    slots::tag_of,
};

impl Pane {
    /// Takes the rows of some groups of a chunk; adds the changes of their pairs to what was found.
    pub(crate) fn pair(
        &mut self,
        (partial, groups): (&Partial, &[u32]),
        outer: Outer,
        found: &mut Found,
    ) -> Result<(), ArrowError> {
        let mut pairs = Vec::with_capacity(groups.len());
        for group in groups {
            let at = *group as usize;
            let tag = tag_of(partial.hashes[at]);
            pairs.push((self.number(tag, partial.keys.get(at)), *group));
        }
        self.grow();
        for (to, from) in &pairs {
            self.rows.add(*to as usize, partial.rows[*from as usize]);
            self.mark_dirty(*to);
        }
        let (
            [Aggregate::Ranks(left), Aggregate::Ranks(right)],
            [Aggregate::Ranks(more_left), Aggregate::Ranks(more_right)],
        ) = (
            self.aggregates.as_mut_slice(),
            partial.aggregates.as_slice(),
        )
        else {
            return Err(ArrowError::ComputeError("a pane lacks its rows".to_owned()));
        };
        for (to, from) in pairs {
            let (had_left, had_right) = (left.is_any(to), right.is_any(to));
            for (row, weight) in more_left.counted(from) {
                if outer.left() && !had_right {
                    found.push(Some(row), None, weight);
                }
                for (other, count) in right.counted(to) {
                    found.push(Some(row), Some(other), weight * count);
                }
            }
            left.merge(more_left, &[(to, from)]);
            for (other, weight) in more_right.counted(from) {
                for (row, count) in left.counted(to) {
                    found.push(Some(row), Some(other), weight * count);
                }
            }
            let has_left = left.is_any(to);
            if outer.right() && !had_left {
                match has_left {
                    true => alone((right, to), -1, found),
                    false => alone((more_right, from), 1, found),
                }
            }
            right.merge(more_right, &[(to, from)]);
            if outer.right() && had_left && !has_left {
                alone((right, to), 1, found);
            }
            if outer.left() && had_right != right.is_any(to) {
                let sign = if had_right { 1 } else { -1 };
                for (row, count) in left.counted(to) {
                    found.push(Some(row), None, sign * count);
                }
            }
        }
        Ok(())
    }
}

/// The rows of right of a group, each beside NULLs.
fn alone((right, group): (&Ranks, u32), sign: i64, found: &mut Found) {
    for (row, count) in right.counted(group) {
        found.push(None, Some(row), sign * count);
    }
}
