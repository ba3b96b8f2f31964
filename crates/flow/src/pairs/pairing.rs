//! `Pairing`: which rows belong together, and how event time is cut into slices. Pure.

use datafusion::arrow::datatypes::{DataType, SchemaRef};

use crate::{change::NO_WATERMARK, evaluate::Expr};

/// What waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pairs alone.
    Inner,
    /// Rows of left without a pair come, too.
    Left,
    /// There is no right side: rows of left come in the order of event time.
    Turns,
}

/// How rows are paired. Side 0 is the left one.
#[derive(Debug)]
pub(crate) struct Pairing {
    pub(crate) kind: Kind,
    /// What has to be equal, over the columns of each side; nothing where rows take turns.
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
    /// The columns of right where no row is: a byte 0 each.
    pub(crate) nothing: Vec<u8>,
    /// Columns of left, then of right.
    pub(crate) schema: SchemaRef,
}

impl Pairing {
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

    /// Whether rows of a side note if they have found a pair.
    pub(crate) fn marks(&self, side: usize) -> bool {
        self.kind == Kind::Left && side == 0
    }

    /// Whether rows of a side come without a pair, once their slice is over.
    pub(crate) fn waits(&self, side: usize) -> bool {
        self.kind != Kind::Inner && side == 0
    }

    /// The watermark by which a slice of left is over.
    pub(crate) fn closed_at(&self, slice: i64) -> i64 {
        let end = slice.saturating_add(1).saturating_mul(self.slice_us);
        end.saturating_add(self.to_us)
    }

    /// Slices before this one are not needed any more.
    pub(crate) fn needed(&self, side: usize, watermark: i64) -> i64 {
        if watermark == NO_WATERMARK {
            return i64::MIN;
        }
        self.slice(watermark.saturating_sub(self.reach_us(side)))
    }
}
