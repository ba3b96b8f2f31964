//! The operators of a planned view, and their text: what tests and EXPLAIN show.
//!
//! Expressions are DataFusion's physical expressions over the input's columns, by position.

mod pairs;
mod rank;
mod running;

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    common::ScalarValue,
    physical_expr::{PhysicalExpr, expressions::Literal},
};

use super::Windows;
use crate::sketch::{Buckets, Moment};
pub use pairs::{Near, Outer, PAIRS_MAX, Pairs, PairsKind};
pub use rank::{Order, Rank};
pub use running::{Figure, Frame, Running, Turns};

/// One operator; its inputs are within.
#[derive(Clone, Debug)]
pub enum Node {
    /// Rows of an input, or its changes if it is not append-only.
    Source {
        /// Index into the view's inputs.
        input: usize,
        /// Columns by name, in this order; of a stream also `_extra`, `_seq`, `_partition`,
        /// `_offset`.
        columns: Vec<String>,
        /// Their types.
        schema: SchemaRef,
    },
    /// Rows for which the predicate is true.
    Filter {
        /// Below.
        input: Box<Node>,
        /// BOOLEAN.
        predicate: Arc<dyn PhysicalExpr>,
    },
    /// Other columns.
    Project {
        /// Below.
        input: Box<Node>,
        /// One per column.
        exprs: Vec<Arc<dyn PhysicalExpr>>,
        /// Their names and types.
        schema: SchemaRef,
    },
    /// The rows of all inputs, in the order of the log: by `_seq`, then by the input's number. All
    /// are append-only and have the same types.
    Union {
        /// Below, at least two.
        inputs: Vec<Node>,
        /// Their columns.
        schema: SchemaRef,
    },
    /// Pairs of rows of two inputs.
    Pairs(Box<Pairs>),
    /// The row of a table as it was when the input's row arrived. The input is append-only.
    Lookup {
        /// Below.
        input: Box<Node>,
        /// Index of the table into the view's inputs.
        table: usize,
        /// Values of the table's key over the input's columns, in the key's order and types.
        keys: Vec<Arc<dyn PhysicalExpr>>,
        /// Whether a row without a match stays, with NULLs.
        outer: bool,
        /// Columns of the table that are added, by name.
        columns: Vec<String>,
        /// The input's columns, then these.
        schema: SchemaRef,
    },
    /// Adds the windows of each row. Where windows overlap, groups are made by their bounds, which
    /// are read by nothing else.
    Window {
        /// Below.
        input: Box<Node>,
        /// The column that holds event time, TIMESTAMPTZ.
        time: usize,
        /// Which windows.
        windows: Windows,
        /// Of session windows: the columns whose values have sessions of their own.
        by: Vec<usize>,
        /// The input's columns, then `window_start` and `window_end`.
        schema: SchemaRef,
    },
    /// One row per group.
    Aggregate {
        /// Below.
        input: Box<Node>,
        /// What is grouped by; never empty.
        keys: Vec<Arc<dyn PhysicalExpr>>,
        /// Which keys are `window_start` and `window_end`; both or none.
        window: Option<(usize, usize)>,
        /// What is computed of each group.
        calls: Vec<Call>,
        /// Keys, then calls.
        schema: SchemaRef,
    },
    /// The first rows of each key, with their number.
    Rank(Rank),
    /// Each row with figures of its key's rows before it.
    Running(Running),
}

/// What is computed of the rows of a group.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// Its arguments; none for count(*), the value and what it is ordered by for `MinBy` and `MaxBy`.
    pub args: Vec<Arc<dyn PhysicalExpr>>,
    /// Rows for which it is not true do not count.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Type of the result.
    pub ty: DataType,
    /// Of what takes different values: how many one group may have.
    pub distinct_max: Option<u64>,
}

/// Aggregate functions that views have. NULLs do not count; without a value the answer is NULL,
/// or 0 for the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// Rows, or values that are not NULL.
    Count,
    /// Different values that are not NULL.
    CountDistinct,
    /// The sum of different values.
    SumDistinct,
    /// Their mean.
    AvgDistinct,
    /// The sum; of integers it is exact and a result beyond BIGINT is an error.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
    /// Variance and standard deviation.
    Moment(Moment),
    /// Whether all are true.
    BoolAnd,
    /// Whether one is true.
    BoolOr,
    /// The first argument where the second is least; of several the least. Rows whose second is NULL
    /// do not count. With a third argument, a constant: an array of so many rows' values, in that order.
    MinBy,
    /// The same where it is greatest; of several the greatest.
    MaxBy,
    /// About how many different values.
    ApproxDistinct,
    /// About the value that a part of all lies below; the part is a constant, the second argument.
    ApproxPercentile,
    /// How many values lie in each of several ranges; bounds and their number are constants.
    Histogram,
}

impl Function {
    /// As SQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::CountDistinct => "count distinct",
            Self::SumDistinct => "sum distinct",
            Self::AvgDistinct => "avg distinct",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Moment(Moment::VarSamp) => "var",
            Self::Moment(Moment::VarPop) => "var_pop",
            Self::Moment(Moment::StddevSamp) => "stddev",
            Self::Moment(Moment::StddevPop) => "stddev_pop",
            Self::BoolAnd => "bool_and",
            Self::BoolOr => "bool_or",
            Self::MinBy => "min_by",
            Self::MaxBy => "max_by",
            Self::ApproxDistinct => "approx_distinct",
            Self::ApproxPercentile => "approx_percentile_cont",
            Self::Histogram => "histogram",
        }
    }

    /// Of what takes each different value once: the function that takes them.
    #[must_use]
    pub const fn of_different(self) -> Option<Self> {
        match self {
            Self::CountDistinct => Some(Self::Count),
            Self::SumDistinct => Some(Self::Sum),
            Self::AvgDistinct => Some(Self::Avg),
            _ => None,
        }
    }

    /// Whether it can take rows back that it took.
    #[must_use]
    pub const fn retracts(self) -> bool {
        !matches!(self, Self::ApproxDistinct)
    }

    /// Whether it has to keep every value of a group if rows may be taken back.
    #[must_use]
    pub const fn keeps_all(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::MinBy | Self::MaxBy)
    }
}

/// The buckets of a histogram's arguments; `None` if they are no constants, or make none.
#[must_use]
pub fn buckets(args: &[Arc<dyn PhysicalExpr>]) -> Option<Buckets> {
    let [_, low, high, count] = args else {
        return None;
    };
    let number = |arg: &Arc<dyn PhysicalExpr>| match arg.downcast_ref::<Literal>()?.value() {
        ScalarValue::Float64(value) => *value,
        _ => None,
    };
    let bounds = (number(low)?, number(high)?);
    match count.downcast_ref::<Literal>()?.value() {
        ScalarValue::Int64(Some(count)) => Buckets::new(bounds, *count),
        _ => None,
    }
}

impl Node {
    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::Source { schema, .. }
            | Self::Project { schema, .. }
            | Self::Union { schema, .. }
            | Self::Lookup { schema, .. }
            | Self::Window { schema, .. }
            | Self::Aggregate { schema, .. }
            | Self::Rank(Rank { schema, .. })
            | Self::Running(Running { schema, .. }) => schema,
            Self::Pairs(pairs) => &pairs.schema,
            Self::Filter { input, .. } => input.schema(),
        }
    }

    /// The only operator below: a source has none, what puts rows together has several.
    #[must_use]
    pub fn input(&self) -> Option<&Self> {
        match self {
            Self::Source { .. } | Self::Union { .. } | Self::Pairs(_) => None,
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Lookup { input, .. }
            | Self::Window { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Rank(Rank { input, .. })
            | Self::Running(Running { input, .. }) => Some(input),
        }
    }

    /// All operators directly below, in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Self> {
        match self {
            Self::Union { inputs, .. } => inputs.iter().collect(),
            Self::Pairs(pairs) => vec![&pairs.left, &pairs.right],
            other => other.input().into_iter().collect(),
        }
    }

    /// The inputs that its rows come from, one per source, in order; an input that is read twice is
    /// there twice. Tables that are looked up are none.
    #[must_use]
    pub fn sources(&self) -> Vec<usize> {
        match self {
            Self::Source { input, .. } => vec![*input],
            other => {
                let inputs = other.inputs().into_iter();
                inputs.flat_map(Self::sources).collect()
            }
        }
    }
}

impl fmt::Display for Node {
    /// One line per operator, what is below it further in, with the columns and types of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(self, 0, f)
    }
}

fn lines(node: &Node, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{:indent$}{}", "", Line(node), indent = depth)?;
    for below in node.inputs() {
        writeln!(f)?;
        lines(below, depth.saturating_add(2), f)?;
    }
    Ok(())
}

/// One operator without its input.
struct Line<'a>(&'a Node);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Source { input, columns, .. } => {
                write!(f, "source {input}: {}", columns.join(", "))
            }
            Node::Filter { predicate, .. } => write!(f, "filter {predicate}"),
            Node::Project { exprs, schema, .. } => {
                let columns = exprs.iter().zip(schema.fields()).map(|(expr, field)| {
                    format!("{} {} = {expr}", field.name(), field.data_type())
                });
                write!(f, "project {}", columns.collect::<Vec<_>>().join(", "))
            }
            Node::Union { schema, .. } => {
                let fields = schema.fields().iter();
                let columns = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
                write!(f, "union {}", columns.collect::<Vec<_>>().join(", "))
            }
            Node::Pairs(pairs) => write!(f, "{pairs}"),
            Node::Lookup {
                table,
                keys,
                outer,
                columns,
                ..
            } => {
                let kind = if *outer { "lookup or NULL" } else { "lookup" };
                let columns = columns.join(", ");
                write!(f, "{kind} {table} by ({}): {columns}", list(keys))
            }
            Node::Window {
                time, windows, by, ..
            } => {
                let function = windows.kind.function().to_lowercase();
                write!(f, "{function} @{time} {windows}")?;
                by.iter().try_for_each(|by| write!(f, " by @{by}"))
            }
            Node::Aggregate {
                keys,
                window,
                calls,
                ..
            } => {
                write!(f, "aggregate by ({})", list(keys))?;
                if let Some((start, end)) = window {
                    write!(f, " window ({start}, {end})")?;
                }
                let calls: Vec<String> = calls.iter().map(ToString::to_string).collect();
                write!(f, ": {}", calls.join(", "))
            }
            Node::Rank(rank) => write!(f, "{rank}"),
            Node::Running(running) => write!(f, "{running}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.function.as_str(), list(&self.args))?;
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        if let Some(most) = self.distinct_max {
            write!(f, " at most {most}")?;
        }
        write!(f, " {}", self.ty)
    }
}

fn list(exprs: &[Arc<dyn PhysicalExpr>]) -> String {
    let texts: Vec<String> = exprs.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
