//! `Pairing`: which rows belong together, and how event time is cut into slices. Pure.

use datafusion::arrow::datatypes::{DataType, SchemaRef};

use crate::{change::NO_WATERMARK, evaluate::Expr};

/// How rows are paired. Side 0 is the left one.
#[derive(Debug)]
pub(crate) struct Pairing {
    /// What has to be equal, over the columns of each side.
    pub(crate) keys: [Vec<Expr>; 2],
    /// The columns with event time.
    pub(crate) times: [usize; 2],
    /// The least and the greatest of (time of right − time of left), in µs.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// Length of a slice.
    pub(crate) slice_us: i64,
    /// Types of the columns of each side.
    pub(crate) types: [Vec<DataType>; 2],
    /// Columns of left, then of right.
    pub(crate) schema: SchemaRef,
}

impl Pairing {
    /// The length of slices of rows that are kept for so long.
    pub(crate) fn slice_us((from_us, to_us): (i64, i64), delay_us: i64) -> i64 {
        let kept = to_us.saturating_sub(from_us).saturating_add(delay_us);
        (kept / SLICES).max(SLICE_US_MIN)
    }

    /// How much later than a row of a side the other of a pair may be.
    pub(crate) fn reach_us(&self, side: usize) -> i64 {
        match side {
            0 => self.to_us,
            _ => self.from_us.saturating_neg(),
        }
    }

    /// The times that a row of a side is paired with.
    pub(crate) fn near(&self, side: usize, time: i64) -> (i64, i64) {
        match side {
            0 => (
                time.saturating_add(self.from_us),
                time.saturating_add(self.to_us),
            ),
            _ => (
                time.saturating_sub(self.to_us),
                time.saturating_sub(self.from_us),
            ),
        }
    }

    /// The slice of a time.
    pub(crate) fn slice(&self, time: i64) -> i64 {
        time.div_euclid(self.slice_us)
    }

    /// Slices before this one are not needed any more.
    pub(super) fn needed(&self, side: usize, watermark: i64) -> i64 {
        if watermark == NO_WATERMARK {
            return i64::MIN;
        }
        self.slice(watermark.saturating_sub(self.reach_us(side)))
    }
}

/// Slices of the time for which rows are kept.
const SLICES: i64 = 8;
const SLICE_US_MIN: i64 = 1_000_000;
