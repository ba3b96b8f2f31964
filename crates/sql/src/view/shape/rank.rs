//! ROW_NUMBER() OVER (…) as the first rows of each key; the condition on the number says how many.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{FieldRef, Schema, SchemaRef},
    common::ScalarValue,
    logical_expr::{
        Expr, LogicalPlan, Operator, Window, WindowFunctionDefinition, expr::WindowFunction,
    },
    physical_expr::{
        PhysicalExpr,
        expressions::{BinaryExpr, CastExpr, Literal},
    },
};
use mainstem_kernel::{
    Code, Problem,
    types::{OFFSET_COLUMN, PARTITION_COLUMN},
};

use super::{
    super::{
        Input, Node,
        lineage::{self, Origin},
        node::{Order, Rank},
        refuse::unbuilt,
    },
    Shape, column, position, projected,
};
use crate::declare::{Told, mistake};

/// Until a condition says how many rows of a key are told.
const NO_LIMIT: u64 = u64::MAX;

impl Shape<'_> {
    pub(super) fn rank(&self, window: &Window, schema: SchemaRef) -> Result<Node, Problem> {
        if is_numbered(&window.input) {
            return Err(
                unbuilt("ROW_NUMBER() over numbered rows", self.place.clone())
                    .hint("make a view of the inner one, and read it in FROM"),
            );
        }
        let [expr] = window.window_expr.as_slice() else {
            return Err(unbuilt("several orders of rows", self.place.clone())
                .hint("make a view of each ROW_NUMBER()"));
        };
        let numbering = numbering(expr)
            .ok_or_else(|| unbuilt("this function with OVER", self.place.clone()))?;
        let params = &numbering.params;
        let over = window.input.schema();
        let input = self.node(&window.input)?;
        if lineage::changing(&input).is_some() {
            return Err(unbuilt("ROW_NUMBER() over a join", self.place.clone())
                .hint("make a view of the join, and number its rows in another"));
        }
        let width = input.schema().fields().len();
        let keys = self.physical(&params.partition_by, over)?;
        let (input, partition) = self.partitioned(input, &keys)?;
        let order = params.order_by.iter().map(|sort| {
            Ok(Order {
                expr: self.one(&sort.expr, over)?,
                descending: !sort.asc,
                nulls_first: sort.nulls_first,
            })
        });
        let order = different(order.collect::<Result<Vec<_>, Problem>>()?);
        let unique = self.unique(&input);
        let number = schema.fields().iter().skip(width);
        let fields = input.schema().fields().iter().chain(number).cloned();
        let ranked: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()));
        let window = self.windowed(&input, &partition)?;
        let last = ranked.fields().len().saturating_sub(1);
        let rank = Node::Rank(Rank {
            input: Box::new(input),
            partition,
            window,
            order,
            limit: NO_LIMIT,
            unique,
            identity: vec![last],
            schema: ranked,
        });
        // What is numbered by and was computed for it is left out again.
        let places = (0..width).chain([last]);
        let exprs = places.zip(schema.fields());
        let exprs = exprs.map(|(place, field)| position(field.name(), place));
        let exprs = exprs.collect();
        Ok(projected(rank, exprs, schema))
    }

    /// The columns of the key, those that are computed behind the input's own.
    pub(super) fn partitioned(
        &self,
        input: Node,
        keys: &[Arc<dyn PhysicalExpr>],
    ) -> Result<(Node, Vec<usize>), Problem> {
        let below = Arc::clone(input.schema());
        let mut fields: Vec<FieldRef> = below.fields().iter().cloned().collect();
        let own = fields.iter().enumerate();
        let mut exprs: Vec<_> = own.map(|(place, f)| position(f.name(), place)).collect();
        let mut partition = Vec::with_capacity(keys.len());
        for key in keys {
            let place = match column(key) {
                Some(place) => place,
                None => {
                    let field = key.return_field(&below);
                    let field = field.map_err(|_untyped| {
                        unbuilt(&format!("PARTITION BY {key}"), self.place.clone())
                    })?;
                    fields.push(field);
                    exprs.push(Arc::clone(key));
                    fields.len().saturating_sub(1)
                }
            };
            if !partition.contains(&place) {
                partition.push(place);
            }
        }
        let keyed = partition.iter().filter_map(|place| fields.get(*place));
        let keyed = Arc::new(Schema::new(keyed.cloned().collect::<Vec<_>>()));
        let columns: Vec<_> = partition.iter().map(|place| position("", *place)).collect();
        self.groupable(&columns, &keyed)?;
        let node = projected(input, exprs, Arc::new(Schema::new(fields)));
        Ok((node, partition))
    }

    /// Which columns of the key are the bounds of a window.
    fn windowed(
        &self,
        input: &Node,
        partition: &[usize],
    ) -> Result<Option<(usize, usize)>, Problem> {
        let place = |wanted: Origin| {
            let mut keys = partition.iter();
            keys.position(|key| lineage::origin(input, *key) == Some(wanted.clone()))
        };
        match (place(Origin::WindowStart), place(Origin::WindowEnd)) {
            (Some(start), Some(end)) => Ok(Some((start, end))),
            (None, None) if lineage::window(input).is_none() => Ok(None),
            _ => Err(mistake(
                Code::View003,
                self.place.clone(),
                "ROW_NUMBER() numbers rows of several windows together",
            )
            .hint("PARTITION BY window_start, window_end, and what else it is by")),
        }
    }

    /// Columns that identify a row, if they are there: the place of an event, the key of a row that
    /// changes, or of a group.
    fn unique(&self, input: &Node) -> Vec<usize> {
        let (bottom, wanted) = match bottom(input) {
            bottom @ Node::Aggregate { keys, .. } => (bottom, (0..keys.len()).collect()),
            bottom @ Node::Source { input, columns, .. } => {
                let place = |name: &str| columns.iter().position(|column| column == name);
                let known = self.bound.inputs.get(*input);
                let wanted: Option<Vec<usize>> = match known.map(|known| &known.input) {
                    Some(Input::Stream { .. }) => [PARTITION_COLUMN, OFFSET_COLUMN]
                        .into_iter()
                        .map(place)
                        .collect(),
                    Some(_) => known
                        .iter()
                        .flat_map(|known| &known.key)
                        .map(|name| place(name))
                        .collect(),
                    None => None,
                };
                (bottom, wanted.unwrap_or_default())
            }
            _ => return Vec::new(),
        };
        let width = input.schema().fields().len();
        let found = wanted.iter().map(|wanted| {
            let mut places = 0..width;
            places.find(|place| traced(input, *place, bottom) == Some(*wanted))
        });
        found.collect::<Option<Vec<usize>>>().unwrap_or_default()
    }
}

/// The operator that rows begin at: a source, or groups.
fn bottom(node: &Node) -> &Node {
    match node {
        Node::Aggregate { .. } => node,
        other => other.input().map_or(other, bottom),
    }
}

/// The column of the bottom that a column is, unchanged.
fn traced(node: &Node, index: usize, end: &Node) -> Option<usize> {
    match node {
        node if std::ptr::eq(node, end) => Some(index),
        Node::Project { input, exprs, .. } => traced(input, column(exprs.get(index)?)?, end),
        Node::Filter { input, .. } => traced(input, index, end),
        Node::Lookup { input, .. } | Node::Window { input, .. } => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| traced(input, index, end)).flatten()
        }
        _ => None,
    }
}

/// The order without what is ordered by before.
fn different(order: Vec<Order>) -> Vec<Order> {
    let mut kept: Vec<Order> = Vec::with_capacity(order.len());
    for one in order {
        let is_constant = one.expr.downcast_ref::<Literal>().is_some();
        if !is_constant && !kept.iter().any(|before| *before.expr == *one.expr) {
            kept.push(one);
        }
    }
    kept
}

/// Whether rows are numbered below.
pub(super) fn is_numbered(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Window(_)) || plan.inputs().into_iter().any(is_numbered)
}

/// Whether it is ROW_NUMBER() that is asked for.
pub(super) fn is_ranked(window: &Window) -> bool {
    window
        .window_expr
        .iter()
        .any(|expr| numbering(expr).is_some())
}

/// ROW_NUMBER() of an expression.
fn numbering(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => numbering(&alias.expr),
        Expr::WindowFunction(function) => match &function.fun {
            WindowFunctionDefinition::WindowUDF(udf) if udf.name() == "row_number" => {
                Some(function)
            }
            _ => None,
        },
        _ => None,
    }
}

/// A condition on numbered rows: what bounds the number becomes the limit.
pub(super) fn filtered(mut rank: Rank, predicate: Arc<dyn PhysicalExpr>) -> Node {
    let bound = bound(&predicate, rank.number());
    if let Some(Bound { most, .. }) = bound {
        rank.limit = rank.limit.min(most);
    }
    match bound {
        Some(Bound { is_all: true, .. }) => Node::Rank(rank),
        _ => Node::Filter {
            input: Box::new(Node::Rank(rank)),
            predicate,
        },
    }
}

/// What a condition says of the number.
#[derive(Clone, Copy)]
struct Bound {
    /// It is at most this.
    most: u64,
    /// The condition says no more.
    is_all: bool,
}

fn bound(predicate: &Arc<dyn PhysicalExpr>, number: usize) -> Option<Bound> {
    if let Some(constant) = predicate.downcast_ref::<Literal>() {
        // It is true of no row, so one is enough to say so.
        let is_never = !matches!(constant.value(), ScalarValue::Boolean(Some(true)));
        return is_never.then_some(Bound {
            most: 1,
            is_all: false,
        });
    }
    let compared = predicate.downcast_ref::<BinaryExpr>()?;
    let (left, right) = (compared.left(), compared.right());
    let (op, value) = match (is_column(left, number), is_column(right, number)) {
        (true, false) => (*compared.op(), whole(right)?),
        (false, true) => (compared.op().swap()?, whole(left)?),
        _ => return None,
    };
    let (most, is_all) = match op {
        Operator::LtEq => (value, true),
        Operator::Lt => (value.checked_sub(1)?, true),
        Operator::Eq => (value, value == 1),
        Operator::GtEq if value <= 1 => return Some(ALL),
        Operator::Gt if value <= 0 => return Some(ALL),
        _ => return None,
    };
    let most = u64::try_from(most).ok().filter(|most| *most > 0)?;
    Some(Bound { most, is_all })
}

/// True of every number.
const ALL: Bound = Bound {
    most: NO_LIMIT,
    is_all: true,
};

fn is_column(expr: &Arc<dyn PhysicalExpr>, place: usize) -> bool {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => is_column(cast.expr(), place),
        None => column(expr) == Some(place),
    }
}

/// A whole number that is given.
fn whole(expr: &Arc<dyn PhysicalExpr>) -> Option<i128> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::UInt64(value) => value.map(i128::from),
        ScalarValue::Decimal128(value, _, 0) => *value,
        _ => None,
    }
}
