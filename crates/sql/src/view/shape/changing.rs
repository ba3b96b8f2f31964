//! A join of rows that change: of two tables, or of views whose rows change, by equal keys. A pair is
//! there for as long as both of its rows are.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    logical_expr::Join,
    physical_expr::PhysicalExpr,
};
use mainstem_kernel::Problem;

use super::{
    super::{
        Node, Outer, Pairs, PairsKind,
        output::{RowKey, carried},
        refuse::unbuilt,
    },
    Shape, column, filtered, position, projected,
};
use crate::declare::Told;

/// Equalities of a join: over the columns of left, over those of right.
type Keys = Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)>;

/// One side, with what identifies a row behind its columns.
struct Side {
    node: Node,
    /// How many columns it had.
    width: usize,
    key: Vec<usize>,
}

impl Shape<'_> {
    /// Pairs of rows that change.
    pub(super) fn changing_pairs(
        &self,
        join: &Join,
        (left, right): (Node, Node),
        (outer, schema): (Outer, SchemaRef),
    ) -> Result<Node, Problem> {
        if super::pairs::has_pairs(&left) && super::pairs::has_pairs(&right) {
            let what = "a join of two joins of tables or views";
            return Err(unbuilt(what, self.place.clone())
                .hint("join one after the other: a JOIN b ON … JOIN c ON … JOIN d ON …"));
        }
        let (left, right) = (self.changing_side(left)?, self.changing_side(right)?);
        let mut keys = Keys::new();
        for (one, other) in &join.on {
            let one = self.one(one, join.left.schema())?;
            let other = self.one(other, join.right.schema())?;
            self.comparable((&one, &left.node), (&other, &right.node))?;
            keys.push((one, other));
        }
        if keys.is_empty() {
            let what = "a join of rows that change without an equality";
            return Err(unbuilt(what, self.place.clone())
                .hint("add a column of both to ON: a.key = b.key AND …"));
        }
        if outer != Outer::Neither && join.filter.is_some() {
            let kind = outer.as_str().to_uppercase();
            let what = format!("a {kind}JOIN of rows that change with more conditions than keys");
            return Err(unbuilt(&what, self.place.clone()).hint(format!(
                "filter in a subquery: {kind}JOIN (SELECT … FROM table WHERE …) b ON …"
            )));
        }
        let node = paired((left, right), keys, (outer, &schema));
        match &join.filter {
            None => Ok(node),
            Some(filter) => Ok(filtered(node, &self.one(filter, &join.schema)?)),
        }
    }

    /// One side: rows of a table or a view as they are, some of them, parts of them, or pairs of them.
    fn changing_side(&self, node: Node) -> Result<Side, Problem> {
        let refused = |what: &str| unbuilt(what, self.place.clone());
        if keeps(&node) {
            return Err(refused("a join with groups or numbered rows")
                .hint("make a view of it, and join with that"));
        }
        let source = node.sources().first().copied();
        let source = source.and_then(|input| self.bound.inputs.get(input));
        let source = source.ok_or_else(|| refused("a join with nothing to read"))?;
        let width = node.schema().fields().len();
        let row_key = RowKey {
            source: &source.key,
            schema: &source.schema,
        };
        let (node, key) = carried(node, &row_key);
        Ok(Side { node, width, key })
    }
}

/// Whether an operator of a side keeps something, other than pairs, which are checked by themselves.
fn keeps(node: &Node) -> bool {
    match node {
        Node::Source { .. } | Node::Pairs(_) => false,
        Node::Filter { input, .. } | Node::Project { input, .. } => keeps(input),
        _ => true,
    }
}

/// The pairs, in the columns that both sides had.
fn paired((left, right): (Side, Side), keys: Keys, (outer, schema): (Outer, &SchemaRef)) -> Node {
    let behind = left.node.schema().fields().len();
    let key = identity((&left, &right), &keys, outer);
    let own = beside(left.node.schema(), outer.right());
    let other = beside(right.node.schema(), outer.left());
    let fields: Vec<Arc<Field>> = own.chain(other).collect();
    let places = (0..left.width).chain(behind..behind.saturating_add(right.width));
    let exprs = places.map(|place| {
        let name = fields.get(place).map_or("", |field| field.name());
        position(name, place)
    });
    let exprs = exprs.collect();
    let pairs = Pairs {
        left: left.node,
        right: right.node,
        keys,
        kind: PairsKind::Changing { key },
        outer,
        schema: Arc::new(Schema::new(fields)),
    };
    projected(Node::Pairs(Box::new(pairs)), exprs, Arc::clone(schema))
}

/// The columns of a side, NULL where rows of the other come without one of it.
fn beside(schema: &SchemaRef, is_alone: bool) -> impl Iterator<Item = Arc<Field>> {
    schema.fields().iter().map(move |field| match is_alone {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => Arc::clone(field),
    })
}

/// What identifies a pair: the row of one side, if at most one row of the other joins with it, and none
/// of the other comes alone; else both.
fn identity((left, right): (&Side, &Side), keys: &Keys, outer: Outer) -> Vec<usize> {
    let behind = left.node.schema().fields().len();
    let (of_left, of_right): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
    let is_whole = |key: &[usize], exprs: &[Arc<dyn PhysicalExpr>]| {
        let mut key = key.iter();
        key.all(|place| exprs.iter().any(|expr| column(expr) == Some(*place)))
    };
    let shifted = right.key.iter().map(|place| place.saturating_add(behind));
    if !outer.right() && is_whole(&right.key, &of_right) {
        return left.key.clone();
    }
    match !outer.left() && is_whole(&left.key, &of_left) {
        true => shifted.collect(),
        false => left.key.iter().copied().chain(shifted).collect(),
    }
}
