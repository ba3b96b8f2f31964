//! What identifies a numbered row, behind the columns of a plan: its key, then the number or what
//! tells the rows of a key apart, as the view has it.

use std::sync::Arc;

use datafusion::{
    common::{Column, Result, plan_err},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Window, expr::WindowFunctionParams},
};

use super::Below;
use crate::view::lineage;

/// As `super::carried`, of the operator that numbers rows.
pub(super) fn carried(window: Window, below: Below<'_>) -> Result<(LogicalPlan, Vec<usize>)> {
    let Some(rank) = below.rank else {
        return plan_err!("a view has no {}", LogicalPlan::Window(window).display());
    };
    let mut window = window;
    let Some(params) = params(&window.window_expr).cloned() else {
        return plan_err!("the question does not number its rows");
    };
    let mut keys: Vec<Expr> = Vec::new();
    for key in &params.partition_by {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if rank.identity == [rank.number()] {
        let last = window.schema.fields().len().saturating_sub(1);
        keys.push(column(&LogicalPlan::Window(window.clone()), last));
    } else if !rank.identity.is_empty() {
        let identity =
            match below.source_key().is_empty() && lineage::aggregate(&rank.input).is_none() {
                true => places(&params),
                false => {
                    let input = Arc::unwrap_or_clone(window.input);
                    let (input, places) = super::carried(input, below)?;
                    let identity = places.iter().map(|place| column(&input, *place)).collect();
                    window = Window::try_new(window.window_expr, Arc::new(input))?;
                    identity
                }
            };
        let beside = identity.into_iter().filter(|key| !keys.contains(key));
        let beside: Vec<Expr> = beside.collect();
        keys.extend(beside);
    }
    behind(LogicalPlan::Window(window), keys)
}

/// The plan with these behind its columns where they are not among them.
fn behind(plan: LogicalPlan, keys: Vec<Expr>) -> Result<(LogicalPlan, Vec<usize>)> {
    let width = plan.schema().fields().len();
    let mut exprs: Vec<Expr> = (0..width).map(|place| column(&plan, place)).collect();
    let mut places = Vec::with_capacity(keys.len());
    for key in keys {
        let found = exprs.iter().position(|expr| *expr == key);
        places.push(found.unwrap_or(exprs.len()));
        if found.is_none() {
            let name = format!("numbered {}", exprs.len());
            exprs.push(key.alias(name));
        }
    }
    let plan = match exprs.len() == width {
        true => plan,
        false => LogicalPlanBuilder::from(plan).project(exprs)?.build()?,
    };
    Ok((plan, places))
}

fn column(plan: &LogicalPlan, place: usize) -> Expr {
    Expr::Column(Column::from(plan.schema().qualified_field(place)))
}

fn params(exprs: &[Expr]) -> Option<&WindowFunctionParams> {
    match exprs {
        [Expr::Alias(alias)] => params(std::slice::from_ref(alias.expr.as_ref())),
        [Expr::WindowFunction(function)] => Some(&function.params),
        _ => None,
    }
}

/// Partition and offset of a stream's row: the order ends with them.
fn places(params: &WindowFunctionParams) -> Vec<Expr> {
    let first = params.order_by.len().saturating_sub(2);
    let last = params.order_by.iter().skip(first);
    last.map(|sort| sort.expr.clone()).collect()
}
