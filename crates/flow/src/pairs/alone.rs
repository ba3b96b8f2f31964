//! Rows of the left side of a LEFT JOIN that have found no pair, when their slice is over: slice by slice,
//! of one in the order of buckets, of one bucket in the order of arrival. All of a slice come at the
//! first row of the log by which the watermark had passed it, so that no step decides when.

use std::collections::BTreeSet;

use super::{
    Pairs,
    lane::{Found, Place},
    told::told,
};
use crate::{
    change::{NO_WATERMARK, Run, Weighted},
    errors::FlowError,
    moment::Moment,
    watermark::reached_at,
};

impl Pairs {
    /// What the watermark at the end of a step closes.
    pub(super) fn close(&mut self, moment: &Moment) -> Result<Vec<Weighted>, FlowError> {
        let needed = self.plan.needed(0, moment.watermark);
        if !self.plan.marks(0) {
            return Ok(Vec::new());
        }
        let mut over: BTreeSet<i64> = self.shelves[0].before(needed).collect();
        for bucket in &self.buckets {
            over.extend(bucket.before(0, needed));
        }
        let (mut found, mut runs) = (Found::default(), Vec::new());
        for (rank, slice) in (0_u32..).zip(over) {
            self.close_slice(slice, rank, &mut found)?;
            let seq = reached_at(&moment.trace, self.plan.closed_at(slice), moment.through);
            runs.push(Run {
                rows: 1,
                seq,
                watermark: NO_WATERMARK,
            });
        }
        Ok(told(&self.plan, &[found], &runs)?)
    }

    fn close_slice(&mut self, slice: i64, rank: u32, found: &mut Found) -> Result<(), FlowError> {
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            let pieces = self.shelves[0].pieces(slice, number);
            let pane = match (bucket.take(0, slice), pieces) {
                (Some(pane), _) => pane,
                (None, 0) => continue,
                (None, pieces) => {
                    let place = Place {
                        key: self.keys[0],
                        slice,
                        bucket: number,
                    };
                    place.load(&self.source, (pieces, true))?
                }
            };
            for row in pane.alone() {
                found.alone(rank, row, &self.plan);
            }
            bucket.measure();
        }
        Ok(())
    }
}
