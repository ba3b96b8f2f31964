//! Panes whose groups are parts of session windows.

use std::collections::BTreeSet;

use datafusion::arrow::{array::AsArray, datatypes::TimestampMicrosecondType, error::ArrowError};

use super::{Pane, Told};
use crate::group_by::GroupBy;

/// Groups with their last times.
type Ended = Vec<(u32, i64)>;

impl Pane {
    /// First and last times of groups that are there, and the numbers of these.
    fn times(&self) -> Result<Vec<(u32, i64, i64)>, ArrowError> {
        let groups = (0_u32..).zip(self.rows.iter());
        let groups: Vec<u32> = groups
            .filter(|(_, rows)| *rows > 0)
            .map(|(group, _)| group)
            .collect();
        let [.., first, last] = self.aggregates.as_slice() else {
            return Ok(Vec::new());
        };
        let (first, last) = (
            first.answers(&groups)?.column,
            last.answers(&groups)?.column,
        );
        let missing = || ArrowError::CastError("a time of a session is not TIMESTAMPTZ".to_owned());
        let times = |column| {
            let column: &datafusion::arrow::array::ArrayRef = column;
            let times = column.as_primitive_opt::<TimestampMicrosecondType>();
            times
                .map(|times| times.values().clone())
                .ok_or_else(missing)
        };
        let (first, last) = (times(&first)?, times(&last)?);
        let times = groups.into_iter().zip(first.iter().zip(last.iter()));
        Ok(times
            .map(|(group, (first, last))| (group, *first, *last))
            .collect())
    }

    /// Groups whose last time is `until` or before, and the last time of the first one behind, if
    /// there is one.
    pub(crate) fn ended(&self, until: i64) -> Result<(Ended, Option<i64>), ArrowError> {
        let times = self.times()?;
        let (mut ended, mut next) = (Vec::new(), None::<i64>);
        for (group, _, last) in times {
            match last <= until {
                true => ended.push((group, last)),
                false => next = Some(next.map_or(last, |next| next.min(last))),
            }
        }
        Ok((ended, next))
    }

    /// Of groups of the pane before, with their last times, those that go on here: the first time of
    /// their key here is less than `gap_us` behind. They are merged into this pane; the others are
    /// given back.
    pub(crate) fn go_on_with(
        &mut self,
        before: &Self,
        ended: Ended,
        gap_us: i64,
    ) -> Result<Vec<u32>, ArrowError> {
        let mut firsts = vec![None; self.groups()];
        for (group, first, _) in self.times()? {
            firsts[group as usize] = Some(first);
        }
        let tags = before.slots.tags(0, before.groups());
        let (mut pairs, mut over) = (Vec::new(), Vec::new());
        for (group, last) in ended {
            let key = before.keys.get(group as usize);
            let is_it = |here: u32| self.keys.get(here as usize) == key;
            let here = self.slots.find(u64::from(tags[group as usize]), is_it);
            let first = here.and_then(|here| firsts[here as usize]);
            match (here, first) {
                (Some(here), Some(first)) if first.saturating_sub(last) < gap_us => {
                    pairs.push((here, group));
                }
                _ => over.push(group),
            }
        }
        self.add(before, &pairs);
        for (here, _) in pairs {
            self.mark_dirty(here);
        }
        Ok(over)
    }

    /// Tells groups, whose last two calls are first and last time, and forgets them and all that went
    /// on elsewhere: `ended` are both.
    pub(crate) fn tell_over(
        &mut self,
        (ended, over): (&BTreeSet<u32>, &[u32]),
        by: &GroupBy,
    ) -> Result<Option<Told>, ArrowError> {
        let told = match over {
            [] => None,
            over => Some(self.told(over, by)?),
        };
        for group in ended {
            self.rows.set(*group as usize, 0);
            self.mark_dirty(*group);
        }
        Ok(told)
    }
}
