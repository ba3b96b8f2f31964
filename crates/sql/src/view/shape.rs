//! DataFusion's plan of a view as our operators. What does not fit is refused by name.
//!
//! The plan comes from few rules of its optimizer (see `session`), so its shape is that of the
//! SELECT; columns are by position from here on.

mod aggregate;
mod changing;
mod lookup;
mod pairs;
mod rank;
mod running;
mod source;
mod union;

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::SchemaRef,
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    execution::context::ExecutionProps,
    logical_expr::{Expr, LogicalPlan, physical_planning_context::PhysicalPlanningContext},
    physical_expr::{
        PhysicalExpr, conjunction, create_physical_expr, expressions::Column, split_conjunction,
        utils::collect_columns,
    },
};
use mainstem_kernel::{Place, Problem};

pub(crate) use self::union::matched;
use super::{Node, Pairs, names::Bound, refuse::unbuilt};
use crate::{error::from_engine, question::in_file};

/// Turns plans into operators.
#[derive(Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) bound: &'a Bound,
    /// Where the view is named: for what the plan has no place of.
    pub(crate) place: &'a Place,
    pub(crate) distinct_max: Option<u64>,
}

impl Shape<'_> {
    /// What it reads of which rows change, as people name it.
    fn changing(&self, side: &Node) -> Option<String> {
        let read = side.sources().into_iter();
        let mut read = read.filter_map(|input| self.bound.inputs.get(input));
        let changing = read.find(|known| !known.input.is_append_only())?;
        Some(changing.label())
    }

    /// The operators of a plan.
    ///
    /// # Errors
    /// The first part that does not fit.
    pub(crate) fn node(&self, plan: &LogicalPlan) -> Result<Node, Problem> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.node(&projection.input)?;
                let exprs = self.physical(&projection.expr, projection.input.schema())?;
                Ok(projected(input, exprs, schema(plan)))
            }
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Filter(filter) => {
                let input = self.node(&filter.input)?;
                let predicate = self.one(&filter.predicate, filter.input.schema())?;
                Ok(filtered(input, &predicate))
            }
            LogicalPlan::Join(join) if self.is_lookup(&join.right) => {
                self.lookup(join, schema(plan))
            }
            LogicalPlan::Join(join) => self.pairs(join, schema(plan)),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, schema(plan)),
            LogicalPlan::Union(union) => self.union(union, schema(plan)),
            LogicalPlan::Window(window) => match rank::is_ranked(window) {
                true => self.rank(window, schema(plan)),
                false => self.running(window, schema(plan)),
            },
            LogicalPlan::TableScan(scan) => self.source(scan),
            other => Err(self.unfit(other)),
        }
    }

    fn unfit(&self, plan: &LogicalPlan) -> Problem {
        let what = match plan {
            LogicalPlan::Sort(_) => "ORDER BY",
            LogicalPlan::Limit(_) => "LIMIT",
            LogicalPlan::Unnest(_) => "unnest",
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => "a view without rows to read",
            _ => "this question",
        };
        unbuilt(what, self.place.clone())
    }

    /// Expressions over the columns of a plan.
    fn physical(
        &self,
        exprs: &[Expr],
        over: &DFSchema,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>, Problem> {
        exprs.iter().map(|expr| self.one(expr, over)).collect()
    }

    fn one(&self, expr: &Expr, over: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, Problem> {
        let props = ExecutionProps::new();
        let context = PhysicalPlanningContext::default();
        create_physical_expr(expr, over, &props, &context)
            .map_err(|error| in_file(from_engine(error), &self.place.file))
    }
}

fn schema(plan: &LogicalPlan) -> SchemaRef {
    Arc::clone(plan.schema().inner())
}

/// A projection, unless it changes nothing.
pub(crate) fn projected(input: Node, exprs: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Node {
    let is_same = exprs.len() == input.schema().fields().len()
        && exprs
            .iter()
            .enumerate()
            .all(|(index, expr)| column(expr) == Some(index))
        && input.schema().fields() == schema.fields();
    match is_same {
        true => input,
        false => Node::Project {
            input: Box::new(input),
            exprs,
            schema,
        },
    }
}

/// A filter, as near to the source as its columns allow: lookups and windows are done for fewer
/// rows.
pub(crate) fn filtered(input: Node, predicate: &Arc<dyn PhysicalExpr>) -> Node {
    let parts: Vec<_> = split_conjunction(predicate).into_iter().cloned().collect();
    parts.into_iter().fold(input, filtered_by)
}

fn filtered_by(node: Node, predicate: Arc<dyn PhysicalExpr>) -> Node {
    let needs = |below: &Node| {
        let width = below.schema().fields().len();
        let columns = collect_columns(&predicate);
        columns.iter().any(|column| column.index() >= width)
    };
    match node {
        Node::Lookup {
            input,
            table,
            keys,
            outer,
            columns,
            schema,
        } if !needs(&input) => Node::Lookup {
            input: Box::new(filtered_by(*input, predicate)),
            table,
            keys,
            outer,
            columns,
            schema,
        },
        Node::Window {
            input,
            time,
            windows,
            by,
            schema,
        } if !needs(&input) => Node::Window {
            input: Box::new(filtered_by(*input, predicate)),
            time,
            windows,
            by,
            schema,
        },
        // Rows that are filtered out before they are paired need not be kept.
        Node::Pairs(pairs) => filtered_pairs(*pairs, predicate),
        Node::Rank(rank) => rank::filtered(rank, predicate),
        // Narrower columns of windows: what is not wanted must not be late or fail.
        Node::Project {
            input,
            exprs,
            schema,
        } if let Some(below) = over_columns(&predicate, &exprs) => Node::Project {
            input: Box::new(filtered_by(*input, below)),
            exprs,
            schema,
        },
        Node::Filter {
            input,
            predicate: first,
        } => match *input {
            Node::Rank(rank) => both(rank::filtered(rank, predicate), first),
            _ => Node::Filter {
                input,
                predicate: conjunction([first, predicate]),
            },
        },
        other => Node::Filter {
            input: Box::new(other),
            predicate,
        },
    }
}

/// A filter that another condition joins, which held before.
fn both(node: Node, first: Arc<dyn PhysicalExpr>) -> Node {
    match node {
        Node::Filter { input, predicate } => Node::Filter {
            input,
            predicate: conjunction([first, predicate]),
        },
        other => Node::Filter {
            input: Box::new(other),
            predicate: first,
        },
    }
}

fn filtered_pairs(mut pairs: Pairs, predicate: Arc<dyn PhysicalExpr>) -> Node {
    let width = pairs.left.schema().fields().len();
    let columns = collect_columns(&predicate);
    let (is_left, is_right) = (
        !pairs.outer.right() && columns.iter().all(|column| column.index() < width),
        !pairs.outer.left() && columns.iter().all(|column| column.index() >= width),
    );
    if is_left {
        pairs.left = filtered_by(pairs.left, predicate);
        return Node::Pairs(Box::new(pairs));
    }
    let shifted = Arc::clone(&predicate).transform(|expr| {
        Ok(match expr.downcast_ref::<Column>() {
            Some(column) => {
                let index = column.index().saturating_sub(width);
                let own: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), index));
                Transformed::yes(own)
            }
            None => Transformed::no(expr),
        })
    });
    match shifted {
        Ok(shifted) if is_right => {
            pairs.right = filtered_by(pairs.right, shifted.data);
            Node::Pairs(Box::new(pairs))
        }
        _ => Node::Filter {
            input: Box::new(Node::Pairs(Box::new(pairs))),
            predicate,
        },
    }
}

/// A predicate over a projection as one over what is projected, if all that it reads are columns.
fn over_columns(
    predicate: &Arc<dyn PhysicalExpr>,
    projected: &[Arc<dyn PhysicalExpr>],
) -> Option<Arc<dyn PhysicalExpr>> {
    let is_column = |read: &Column| {
        let below = projected.get(read.index());
        below.is_some_and(|below| column(below).is_some())
    };
    if !collect_columns(predicate).iter().all(is_column) {
        return None;
    }
    let replaced = Arc::clone(predicate).transform(|expr| {
        let below = column(&expr).and_then(|index| projected.get(index));
        Ok(match below {
            Some(below) => Transformed::yes(Arc::clone(below)),
            None => Transformed::no(expr),
        })
    });
    replaced.ok().map(|replaced| replaced.data)
}

/// A column by its position.
fn position(name: &str, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, place))
}

/// The position of an expression that is just a column.
pub(crate) fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}
