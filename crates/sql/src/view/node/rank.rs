//! The operator that numbers the rows of a key and keeps the first of them.

use std::{fmt, sync::Arc};

use datafusion::{arrow::datatypes::SchemaRef, physical_expr::PhysicalExpr};

use super::Node;

/// ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) up to a number. The order is one of all rows: it
/// ends with what tells equal ones apart.
#[derive(Clone, Debug)]
pub struct Rank {
    /// Below.
    pub input: Box<Node>,
    /// Columns of the key.
    pub partition: Vec<usize>,
    /// Which of them, by their places in `partition`, are `window_start` and `window_end`; both or
    /// none.
    pub window: Option<(usize, usize)>,
    /// What rows of a key are ordered by.
    pub order: Vec<Order>,
    /// Rows of a key that are told.
    pub limit: u64,
    /// Columns of the input that identify a row of it, if there are some.
    pub unique: Vec<usize>,
    /// Columns that identify a row of a key: the number, or some of the input's. None where a key
    /// has one row.
    pub identity: Vec<usize>,
    /// The input's columns, then the number from 1.
    pub schema: SchemaRef,
}

impl Rank {
    /// The place of the number.
    #[must_use]
    pub fn number(&self) -> usize {
        self.schema.fields().len().saturating_sub(1)
    }
}

/// One part of an order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Over the columns of the input.
    pub expr: Arc<dyn PhysicalExpr>,
    /// The greatest first.
    pub descending: bool,
    /// NULL first.
    pub nulls_first: bool,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.schema.fields();
        let name = |place: &usize| match *place == self.number() {
            true => "number".to_owned(),
            false => {
                let name = fields.get(*place).map(|field| field.name().as_str());
                format!("{}@{place}", name.unwrap_or_default())
            }
        };
        let at = |places: &[usize]| places.iter().map(name).collect::<Vec<_>>().join(", ");
        let order: Vec<String> = self.order.iter().map(ToString::to_string).collect();
        write!(f, "first {} by ({})", self.limit, at(&self.partition))?;
        if let Some((start, end)) = self.window {
            write!(f, " window ({start}, {end})")?;
        }
        write!(f, " order {}", order.join(", "))?;
        match self.identity.as_slice() {
            [] => Ok(()),
            identity => write!(f, " identified by {}", at(identity)),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.descending { " desc" } else { "" };
        let nulls = if self.nulls_first { " nulls first" } else { "" };
        write!(f, "{}{way}{nulls}", self.expr)
    }
}
