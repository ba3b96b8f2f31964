//! Carries what identifies a row up through a plan of DataFusion, as a view carries its key: the
//! question selects only what people see.

mod ranked;

use std::sync::Arc;

use datafusion::{
    common::{Column, Result, plan_err},
    logical_expr::{
        Distinct, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias,
        lit,
    },
};

use crate::view::{Pairs, Rank, lineage};

/// What identifies rows below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below<'a> {
    /// The key of each source, in order; empty if its rows do not change.
    pub(super) source_keys: &'a [Vec<String>],
    /// The operator that pairs rows that change, if there is one.
    pub(super) pairs: Option<&'a Pairs>,
    /// The operator that numbers rows, if there is one.
    pub(super) rank: Option<&'a Rank>,
}

/// The plan with the columns that identify a row behind its own, and their places.
///
/// # Errors
/// When the plan has an operator that no view has.
pub(super) fn carried(plan: LogicalPlan, below: Below<'_>) -> Result<(LogicalPlan, Vec<usize>)> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let keys = aggregate.group_expr.len();
            let plan = LogicalPlan::Aggregate(aggregate);
            match keys {
                0 => with_one_key(plan),
                _ => Ok((plan, (0..keys).collect())),
            }
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let keys = input.schema().fields().len();
            let plan = LogicalPlan::Distinct(Distinct::All(input));
            Ok((plan, (0..keys).collect()))
        }
        LogicalPlan::Projection(Projection {
            mut expr, input, ..
        }) => {
            let (input, places) = carried(Arc::unwrap_or_clone(input), below)?;
            let mut keys = Vec::with_capacity(places.len());
            for place in places {
                let key = Expr::Column(Column::from(input.schema().qualified_field(place)));
                let found = expr.iter().position(|expr| *unaliased(expr) == key);
                keys.push(found.unwrap_or(expr.len()));
                if found.is_none() {
                    let name = format!("carried {}", expr.len());
                    expr.push(key.alias(name));
                }
            }
            let plan = Projection::try_new(expr, Arc::new(input))?;
            Ok((LogicalPlan::Projection(plan), keys))
        }
        LogicalPlan::Filter(Filter {
            predicate, input, ..
        }) => {
            let (input, keys) = carried(Arc::unwrap_or_clone(input), below)?;
            let plan = Filter::try_new(predicate, Arc::new(input))?;
            Ok((LogicalPlan::Filter(plan), keys))
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
            let (input, keys) = carried(Arc::unwrap_or_clone(input), below)?;
            let plan = SubqueryAlias::try_new(Arc::new(input), alias)?;
            Ok((LogicalPlan::SubqueryAlias(plan), keys))
        }
        LogicalPlan::Window(window) => ranked::carried(window, below),
        LogicalPlan::Join(join) => joined(join, below),
        scan @ LogicalPlan::TableScan(_) => {
            let places = below.source_key().iter();
            let places =
                places.filter_map(|name| scan.schema().index_of_column_by_name(None, name));
            let places = places.collect();
            Ok((scan, places))
        }
        other => plan_err!("a view has no {}", other.display()),
    }
}

impl<'a> Below<'a> {
    /// The key of the first source.
    pub(super) fn source_key(self) -> &'a [String] {
        self.source_keys.first().map_or(&[], Vec::as_slice)
    }
}

/// Pairs of rows that change, each side of one source or of pairs.
fn joined(join: Join, below: Below<'_>) -> Result<(LogicalPlan, Vec<usize>)> {
    let of_left = below.pairs.map_or(1, |pairs| pairs.left.sources().len());
    let right = Below {
        source_keys: below.source_keys.get(of_left..).unwrap_or_default(),
        pairs: below
            .pairs
            .and_then(|pairs| lineage::changing(&pairs.right)),
        ..below
    };
    let left = Below {
        pairs: below.pairs.and_then(|pairs| lineage::changing(&pairs.left)),
        ..below
    };
    let plan = LogicalPlan::Join(join);
    let (exprs, inputs) = (plan.expressions(), plan.inputs());
    let [one, other] = inputs.as_slice() else {
        return plan_err!("a join has two sides");
    };
    let (left, mut keys) = carried((*one).clone(), left)?;
    let (right, of_right) = carried((*other).clone(), right)?;
    let width = left.schema().fields().len();
    let [by_left, by_right] = below.pairs.map_or([true; 2], identifies);
    if !by_left {
        keys.clear();
    }
    if by_right {
        keys.extend(
            of_right
                .into_iter()
                .map(|place| place.saturating_add(width)),
        );
    }
    let plan = plan.with_new_exprs(exprs, vec![left, right])?;
    Ok((plan, keys))
}

/// Whose rows identify a pair: left's and right's.
fn identifies(pairs: &Pairs) -> [bool; 2] {
    let width = pairs.left.schema().fields().len();
    let is_left = |place: &&usize| **place < width;
    let of_left = pairs.key().iter().filter(is_left).count();
    [of_left > 0, of_left < pairs.key().len()]
}

/// Of a grouping that makes one row of all the key is a constant, as in a view.
fn with_one_key(plan: LogicalPlan) -> Result<(LogicalPlan, Vec<usize>)> {
    let columns = plan
        .schema()
        .iter()
        .map(|field| Expr::Column(Column::from(field)));
    let mut exprs: Vec<Expr> = columns.collect();
    let place = exprs.len();
    exprs.push(lit(0_i64).alias("carried"));
    let plan = LogicalPlanBuilder::from(plan).project(exprs)?.build()?;
    Ok((plan, vec![place]))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}
