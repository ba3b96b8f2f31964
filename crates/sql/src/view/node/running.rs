//! The operator that tells with each row the figures of the rows of its key before it.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    physical_expr::PhysicalExpr,
};

use mainstem_kernel::{StreamId, StreamName};

use super::{Call, Node};
use crate::pattern::Program;

/// Functions with OVER (PARTITION BY … ORDER BY …): each row with figures of its key's rows up to it. In
/// the order of the log a row is told as it comes; in that of event time once its turn has come.
#[derive(Clone, Debug)]
pub struct Running {
    /// Below; only adds rows.
    pub input: Box<Node>,
    /// Columns of the key.
    pub partition: Vec<usize>,
    /// Rows take turns in the order of event time, if not in that of the log.
    pub turns: Option<Turns>,
    /// What is told of the rows of a key.
    pub figures: Vec<Figure>,
    /// The view whose row at each event the figures are, if it is looked up.
    pub looked_up: Option<(StreamId, StreamName)>,
    /// The input's columns, then the figures.
    pub schema: SchemaRef,
}

/// Rows in the order of event time; those of one time in that of the log. They wait in slices of event
/// time, whose turn comes when the watermark has passed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// The column that holds event time.
    pub time: usize,
    /// Length of a slice in µs: how much longer than the watermark's delay a row may wait.
    pub slice_us: i64,
}

/// What is told of the rows of a key.
#[derive(Clone, Debug)]
pub enum Figure {
    /// An aggregate of the rows of a frame.
    Aggregate(Call, Frame),
    /// The value of the row that came so many before.
    Lag {
        /// Over the columns of the input.
        arg: Arc<dyn PhysicalExpr>,
        /// How many rows before; at least 1.
        rows: u64,
        /// Its type.
        ty: DataType,
    },
    /// What is told of the match of a pattern that the row ends.
    Pattern {
        /// The pattern.
        program: Arc<Program>,
        /// Its arguments, over the columns of the input.
        args: Vec<Arc<dyn PhysicalExpr>>,
        /// Its type.
        ty: DataType,
    },
}

/// Rows of a key by how many come after them, up to the current one, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first of them; `None` if it is the first of all.
    pub first: Option<u64>,
    /// The last of them.
    pub last: u64,
}

impl Figure {
    /// Rows of a key that have to be kept for it.
    #[must_use]
    pub fn depth(&self) -> u64 {
        match self {
            Self::Aggregate(_, Frame { first, last }) => {
                first.map_or(*last, |first| first.saturating_add(1))
            }
            Self::Lag { rows, .. } => *rows,
            // It keeps rows by itself.
            Self::Pattern { .. } => 0,
        }
    }
}

impl Running {
    /// Rows of a key that are kept.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.figures.iter().map(Figure::depth).max().unwrap_or(0)
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.schema.fields();
        let names = self.partition.iter().filter_map(|place| {
            let field = fields.get(*place)?;
            Some(format!("{}@{place}", field.name()))
        });
        let names: Vec<String> = names.collect();
        let figures: Vec<String> = self.figures.iter().map(ToString::to_string).collect();
        write!(f, "running by ({})", names.join(", "))?;
        if let Some(Turns { time, slice_us }) = self.turns {
            write!(f, " in turns of {slice_us} µs by @{time}")?;
        }
        write!(f, ": {}", figures.join(", "))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(call, frame) => write!(f, "{call} of rows {frame}"),
            Self::Lag { arg, rows, ty } => write!(f, "{arg} {rows} before {ty}"),
            Self::Pattern { program, args, .. } => {
                let args = args.iter().map(ToString::to_string);
                let args = args.collect::<Vec<_>>().join(", ");
                write!(f, "{} of ({args})", program.name())
            }
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            Some(first) => write!(f, "{first} to {} before", self.last),
            None => write!(f, "all to {} before", self.last),
        }
    }
}
