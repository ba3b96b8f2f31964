//! `Pairs`: rows of two inputs beside each other.

use std::{fmt, sync::Arc, time::Duration};

use datafusion::{arrow::datatypes::SchemaRef, physical_expr::PhysicalExpr};

use super::Node;

/// Rows of two inputs with equal keys; a key that is NULL equals none.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Below.
    pub left: Node,
    /// Below.
    pub right: Node,
    /// What has to be equal, over the columns of each; never empty.
    pub keys: Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)>,
    /// Which pairs there are, and for how long a row waits for others.
    pub kind: PairsKind,
    /// Whose rows come without a pair, too, with NULLs.
    pub outer: Outer,
    /// Columns of left, then of right.
    pub schema: SchemaRef,
}

/// Whose rows come without a pair, too. Of rows that are near in time those of left alone may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// Pairs alone: JOIN.
    Neither,
    /// LEFT JOIN.
    Left,
    /// RIGHT JOIN.
    Right,
    /// FULL JOIN.
    Both,
}

/// Which pairs there are.
#[derive(Clone, Debug)]
pub enum PairsKind {
    /// Both inputs are append-only, and event times lie near each other. A pair comes when its second
    /// row does, if neither was behind the watermark; a row without one once none can come any more.
    Near(Near),
    /// The rows of both inputs change, and with them their pairs.
    Changing {
        /// The columns that identify a pair.
        key: Vec<usize>,
    },
}

/// How far apart the event times of a pair may be.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    /// The columns that hold event time.
    pub times: (usize, usize),
    /// The least of (time of right − time of left), in µs.
    pub from_us: i64,
    /// The greatest.
    pub to_us: i64,
    /// Length of the slices of event time in which rows are kept, in µs: how late a row without a
    /// pair may come.
    pub slice_us: i64,
}

/// Joins of streams that a view may have, on sides of UNION.
pub const PAIRS_MAX: usize = 15;

/// Slices of the time for which rows are kept.
const SLICES: i64 = 8;
const SLICE_US_MIN: i64 = 1_000_000;

impl Pairs {
    /// How near event times are, if they are compared.
    #[must_use]
    pub const fn near(&self) -> Option<&Near> {
        match &self.kind {
            PairsKind::Near(near) => Some(near),
            PairsKind::Changing { .. } => None,
        }
    }

    /// What identifies a pair; nothing where pairs are never taken back.
    #[must_use]
    pub fn key(&self) -> &[usize] {
        match &self.kind {
            PairsKind::Near(_) => &[],
            PairsKind::Changing { key } => key,
        }
    }
}

impl Outer {
    /// Whether a row of left comes beside NULLs.
    #[must_use]
    pub const fn left(self) -> bool {
        matches!(self, Self::Left | Self::Both)
    }

    /// Whether a row of right does.
    #[must_use]
    pub const fn right(self) -> bool {
        matches!(self, Self::Right | Self::Both)
    }

    /// As SQL writes it before JOIN, in small letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Neither => "",
            Self::Left => "left ",
            Self::Right => "right ",
            Self::Both => "full ",
        }
    }
}

impl Near {
    /// How long after its time a row of left, and of right, may be joined with, in µs; less than 0
    /// if what it joins with came before.
    #[must_use]
    pub const fn reach_us(&self) -> (i64, i64) {
        (self.to_us, self.from_us.saturating_neg())
    }

    /// The length of slices where rows are kept for so long: an eighth of it.
    #[must_use]
    pub fn slice_us((from_us, to_us): (i64, i64), delay: Duration) -> i64 {
        let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        let kept = to_us.saturating_sub(from_us).saturating_add(delay);
        (kept / SLICES).max(SLICE_US_MIN)
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter();
        let keys = keys.map(|(left, right)| format!("{left} = {right}"));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let kind = match self.outer {
            Outer::Neither => "pairs",
            Outer::Left => "pairs or NULL",
            Outer::Right => "pairs or NULL before",
            Outer::Both => "pairs or NULL on either side",
        };
        write!(f, "{kind} by ({keys}) ")?;
        match &self.kind {
            PairsKind::Near(near) => {
                let (left, right) = near.times;
                let (from_us, to_us) = (near.from_us, near.to_us);
                write!(f, "times @{left}, @{right} from {from_us} µs to {to_us} µs")
            }
            PairsKind::Changing { key } => write!(f, "that change, each {key:?}"),
        }
    }
}
