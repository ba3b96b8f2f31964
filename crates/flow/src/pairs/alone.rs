//! Rows of the left side that come without a pair, when their slice is over. All of a slice come at the
//! first row of the log by which the watermark had passed it, so that no step decides when.
//!
//! Of a LEFT JOIN they are those that have found none: slice by slice, of one in the order of buckets, of
//! one bucket in the order of arrival. Where rows take turns they are all: in the order of event time,
//! those of one time in that of arrival.

use std::collections::BTreeSet;

use super::{
    Kind, Pairs,
    lane::{Found, Place},
    pane::Pane,
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
        if !self.plan.waits(0) {
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
        let panes = self.taken(slice)?;
        match self.plan.kind {
            Kind::Inner => {}
            Kind::Left => {
                for row in panes.iter().flat_map(Pane::alone) {
                    found.alone(rank, row, &self.plan);
                }
            }
            Kind::Turns => {
                let times = panes.iter().enumerate();
                let times = times.flat_map(|(pane, rows)| {
                    let times = rows.times().iter().enumerate();
                    times.map(move |(at, time)| (*time, pane, at))
                });
                let mut order: Vec<(i64, usize, usize)> = times.collect();
                order.sort_unstable();
                for (_, pane, at) in order {
                    found.alone(rank, panes[pane].row(at), &self.plan);
                }
            }
        }
        Ok(())
    }

    /// Takes out the panes of a slice, in the order of buckets.
    fn taken(&mut self, slice: i64) -> Result<Vec<Pane>, FlowError> {
        let mut panes = Vec::new();
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            let pane = match (bucket.take(0, slice), self.shelves[0].pieces(slice, number)) {
                (Some(pane), _) => pane,
                (None, 0) => continue,
                (None, pieces) => {
                    let place = Place {
                        key: self.keys[0],
                        slice,
                        bucket: number,
                    };
                    place.load(&self.source, (pieces, self.plan.marks(0)))?
                }
            };
            panes.push(pane);
            bucket.measure();
        }
        Ok(panes)
    }
}
