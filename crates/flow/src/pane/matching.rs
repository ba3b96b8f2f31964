//! Pairs of rows that change: what the rows of a chunk come to beside those that a pane has.

use datafusion::arrow::error::ArrowError;

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
        outer: bool,
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
            let had_right = right.is_any(to);
            for (row, weight) in more_left.counted(from) {
                beside((row, weight), (right, to), (outer, found));
            }
            left.merge(more_left, &[(to, from)]);
            for (other, weight) in more_right.counted(from) {
                for (row, count) in left.counted(to) {
                    found.push(row, Some(other), weight * count);
                }
            }
            right.merge(more_right, &[(to, from)]);
            if outer && had_right != right.is_any(to) {
                let sign = if had_right { 1 } else { -1 };
                for (row, count) in left.counted(to) {
                    found.push(row, None, sign * count);
                }
            }
        }
        Ok(())
    }
}

/// A row of left beside all rows of right that a group has.
fn beside(
    (row, weight): (&[u8], i64),
    (right, group): (&Ranks, u32),
    (outer, found): (bool, &mut Found),
) {
    if outer && !right.is_any(group) {
        found.push(row, None, weight);
    }
    for (other, count) in right.counted(group) {
        found.push(row, Some(other), weight * count);
    }
}
