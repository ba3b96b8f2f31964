//! Aggregates of DISTINCT in the question of a view that bounds them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    DuplicateTreatment, Expr, FunctionArguments, Ident, Select, WindowFrameBound, WindowType,
    visit_expressions_mut,
};

use super::super::batch;
use crate::engine::{bare, folded};

/// Caps each COUNT(DISTINCT …) of a SELECT at the most that the view may hold, and leaves sums and means
/// of more values out: so it answers.
pub(in super::super) fn cap_distinct(select: &mut Select, most: u64) {
    let mut cap = |expr: &mut Expr| -> ControlFlow<()> {
        let capped = of_different(expr).map(|(name, count)| match name.as_str() {
            "count" => format!("least({expr}, {most})"),
            _ => format!("CASE WHEN {count} <= {most} THEN {expr} END"),
        });
        if let Some(Ok(capped)) = capped.map(|capped| batch::expression(&capped)) {
            *expr = capped;
        }
        ControlFlow::Continue(())
    };
    // It never breaks off.
    let _never = visit_expressions_mut(&mut select.projection, &mut cap);
    let _never = visit_expressions_mut(&mut select.having, &mut cap);
}

/// Whether rows leave a frame.
fn has_frame(over: &WindowType) -> bool {
    let WindowType::WindowSpec(spec) = over else {
        return false;
    };
    let frame = spec.window_frame.as_ref();
    frame.is_some_and(|frame| frame.start_bound != WindowFrameBound::Preceding(None))
}

/// The name of an aggregate that takes each different value once and is bounded, and the call that
/// counts what it takes.
fn of_different(expr: &Expr) -> Option<(String, Expr)> {
    let Expr::Function(call) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let name = bare(&call.name).map(folded)?;
    let is_bounded = ["count", "sum", "avg", "mean"].contains(&name.as_str());
    if call.over.as_ref().is_some_and(has_frame) {
        // It has no more values than rows.
        return None;
    }
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let mut count = call.clone();
    count.name = Ident::new("count").into();
    (is_bounded && is_distinct).then_some((name, Expr::Function(count)))
}
