//! Which columns of a view may be NULL, as its sources declare theirs.
//!
//! The planner takes every column of a stream for one that may be NULL, because files may be older
//! than a declaration. A column that is declared NOT NULL always was: it cannot become so later.

use datafusion::arrow::datatypes::{Field, Schema};
use mainstem_catalog::{Definitions, Object};

use super::{Expr, Unspelled, unknown};
use crate::view::{Node, PlannedView, Rank, Running};

/// Whether each column of a view may be NULL.
///
/// # Errors
/// When an expression does not say; a plan that was made never does that.
pub fn nullable(plan: &PlannedView, defs: &Definitions) -> Result<Vec<bool>, Unspelled> {
    let columns = Columns { plan, defs };
    columns.of(&plan.plan)
}

struct Columns<'a> {
    plan: &'a PlannedView,
    defs: &'a Definitions,
}

impl Columns<'_> {
    fn of(&self, node: &Node) -> Result<Vec<bool>, Unspelled> {
        let planned = node
            .schema()
            .fields()
            .iter()
            .map(|field| field.is_nullable());
        Ok(match node {
            Node::Source { input, columns, .. } => {
                let names = columns.iter().zip(planned);
                let names = names.map(|(name, planned)| planned && !self.is_declared(*input, name));
                names.collect()
            }
            Node::Filter { input, .. } => self.of(input)?,
            Node::Project { input, exprs, .. } => self.exprs(input, exprs)?,
            Node::Union { inputs, .. } => {
                let mut nullable = vec![false; node.schema().fields().len()];
                for side in inputs {
                    let side = self.of(side)?;
                    nullable
                        .iter_mut()
                        .zip(side)
                        .for_each(|(any, one)| *any |= one);
                }
                nullable
            }
            Node::Pairs(pairs) => {
                let left = self.of(&pairs.left)?;
                let right = self.of(&pairs.right)?.into_iter();
                left.into_iter()
                    .map(|nullable| nullable || pairs.outer.right())
                    .chain(right.map(|nullable| nullable || pairs.outer.left()))
                    .collect()
            }
            Node::Lookup { input, .. } | Node::Window { input, .. } => {
                let below = self.of(input)?;
                let added = planned.skip(below.len());
                below.iter().copied().chain(added).collect()
            }
            Node::Rank(Rank { input, .. }) | Node::Running(Running { input, .. }) => {
                let below = self.of(input)?;
                let added = planned.skip(below.len());
                below.iter().copied().chain(added).collect()
            }
            Node::Aggregate { input, keys, .. } => {
                let keys = self.exprs(input, keys)?;
                let calls = planned.skip(keys.len());
                keys.iter().copied().chain(calls).collect()
            }
        })
    }

    fn exprs(&self, input: &Node, exprs: &[Expr]) -> Result<Vec<bool>, Unspelled> {
        let below = self.of(input)?.into_iter();
        let fields = input.schema().fields().iter().zip(below);
        let fields = fields.map(|(field, nullable)| field.as_ref().clone().with_nullable(nullable));
        let schema = Schema::new(fields.collect::<Vec<Field>>());
        let nullable = |expr: &Expr| expr.nullable(&schema).map_err(|_unknown| unknown(expr));
        exprs.iter().map(nullable).collect()
    }

    /// Whether a column of an input is declared NOT NULL.
    fn is_declared(&self, input: usize, name: &str) -> bool {
        let object = self.plan.inputs.get(input).map(crate::view::Input::id);
        let columns = match object.and_then(|id| self.defs.by_id(id)) {
            Some(Object::Stream(def)) => &def.spec.columns,
            Some(Object::View(def)) => &def.spec.columns,
            Some(Object::Table(def)) => &def.spec.columns,
            None => return false,
        };
        let found = columns.0.iter().find(|column| column.name.as_str() == name);
        found.is_some_and(|column| !column.nullable)
    }
}
