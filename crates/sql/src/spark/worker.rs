//! What is done before Spark reads the rows: a lookup, and everything below it.
//!
//! A table that is read twice may differ between the readings, so rows are looked up once, by the
//! embedded operators, and written down. Windows are opened by Spark alone: what stands for their
//! bounds until then is the event time itself.

use std::sync::Arc;

use datafusion::physical_expr::{expressions::Column, utils::collect_columns};

use super::{Expr, Unspelled, unknown};
use crate::view::{Figure, Node, Running, lineage};

/// The operators below Spark: `node` and what is under it, `window_start` and `window_end` both
/// being the event time.
///
/// # Errors
/// When something there computes with the bounds of windows.
pub fn before_windows(node: &Node) -> Result<Node, Unspelled> {
    Ok(match node {
        Node::Source { .. } => node.clone(),
        Node::Filter { input, predicate } => Node::Filter {
            predicate: free_of_windows(predicate, input)?,
            input: Box::new(before_windows(input)?),
        },
        Node::Project {
            input,
            exprs,
            schema,
        } => Node::Project {
            exprs: exprs
                .iter()
                .map(|expr| match column(expr) {
                    Some(_) => Ok(Arc::clone(expr)),
                    None => free_of_windows(expr, input),
                })
                .collect::<Result<_, _>>()?,
            input: Box::new(before_windows(input)?),
            schema: Arc::clone(schema),
        },
        Node::Lookup {
            input,
            table,
            keys,
            outer,
            columns,
            schema,
        } => Node::Lookup {
            keys: keys
                .iter()
                .map(|key| free_of_windows(key, input))
                .collect::<Result<_, _>>()?,
            input: Box::new(before_windows(input)?),
            table: *table,
            outer: *outer,
            columns: columns.clone(),
            schema: Arc::clone(schema),
        },
        Node::Window {
            input,
            time,
            schema,
            ..
        } => {
            let width = input.schema().fields().len();
            let positions = (0..width).chain([*time, *time]);
            let exprs = positions.zip(schema.fields());
            Node::Project {
                exprs: exprs
                    .map(|(at, field)| Arc::new(Column::new(field.name(), at)) as Expr)
                    .collect(),
                input: Box::new(before_windows(input)?),
                schema: Arc::clone(schema),
            }
        }
        Node::Union { .. } | Node::Pairs(_) => {
            return Err(Unspelled::Expression {
                text: "of a lookup over several streams".to_owned(),
            });
        }
        Node::Aggregate { .. } | Node::Rank(_) | Node::Running(_) => {
            return Err(Unspelled::Expression {
                text: "of a lookup over groups".to_owned(),
            });
        }
    })
}

/// The operator that keeps rows of each key as one machine does, if there is one: as SQL writes it.
#[must_use]
pub fn keyed(node: &Node) -> Option<&'static str> {
    match node {
        Node::Rank(_) => Some("ROW_NUMBER()"),
        Node::Running(Running {
            looked_up: Some(_), ..
        }) => Some("a lookup of a view whose rows change"),
        Node::Running(running) => {
            let is_pattern = |figure: &Figure| matches!(figure, Figure::Pattern { .. });
            Some(match running.figures.iter().any(is_pattern) {
                true => "MATCH_RECOGNIZE",
                false => "a function with OVER",
            })
        }
        other => keyed(other.input()?),
    }
}

/// A bound of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its start.
    Start,
    /// Its end.
    End,
}

/// Which columns of an operator are bounds of windows.
#[must_use]
pub fn bounds(node: &Node) -> Vec<Option<Bound>> {
    let width = node.schema().fields().len();
    let bound = |index: usize| match lineage::origin(node, index) {
        Some(lineage::Origin::WindowStart) => Some(Bound::Start),
        Some(lineage::Origin::WindowEnd) => Some(Bound::End),
        Some(lineage::Origin::Source(_)) | None => None,
    };
    (0..width).map(bound).collect()
}

/// The position of an expression that is just a column.
#[must_use]
pub fn column(expr: &Expr) -> Option<usize> {
    crate::view::column(expr)
}

fn free_of_windows(expr: &Expr, over: &Node) -> Result<Expr, Unspelled> {
    let is_bound = |column: &Column| {
        matches!(
            lineage::origin(over, column.index()),
            Some(lineage::Origin::WindowStart | lineage::Origin::WindowEnd)
        )
    };
    match collect_columns(expr).iter().any(is_bound) {
        true => Err(unknown(expr)),
        false => Ok(Arc::clone(expr)),
    }
}
