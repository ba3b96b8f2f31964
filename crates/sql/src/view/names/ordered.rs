//! `first_value(x ORDER BY at)` and `last_value(x ORDER BY at)` are `min_by(x, at)` and `max_by(x, at)`: of
//! rows with the same `at` it is the least or greatest x, whatever their order, and rows without
//! `at` do not count.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, OrderByExpr, VisitMut, visit_expressions_mut,
};

use crate::engine::{bare, folded};

/// What the rows of a call are ordered by, and whether it descends; `None` if it is not one value in
/// the usual order.
pub(crate) fn ordered_by(list: &FunctionArgumentList) -> Option<(&Expr, bool)> {
    let ([FunctionArgumentClause::OrderBy(by)], [_]) =
        (list.clauses.as_slice(), list.args.as_slice())
    else {
        return None;
    };
    match by.as_slice() {
        [
            OrderByExpr {
                expr,
                options,
                with_fill: None,
            },
        ] if options.nulls_first.is_none() => Some((expr, options.asc == Some(false))),
        _ => None,
    }
}

/// Rewrites such calls.
pub(crate) fn rewrite<V: VisitMut>(within: &mut V) {
    let _never = visit_expressions_mut(within, |expr| {
        if let Expr::Function(call) = expr
            && call.over.is_none()
        {
            chosen(call);
        }
        ControlFlow::<()>::Continue(())
    });
}

fn chosen(call: &mut Function) {
    let name = bare(&call.name).map(folded).unwrap_or_default();
    let is_first = match name.as_str() {
        "first_value" => true,
        "last_value" => false,
        _ => return,
    };
    let FunctionArguments::List(list) = &mut call.args else {
        return;
    };
    let Some((by, descends)) = ordered_by(list).map(|(by, descends)| (by.clone(), descends)) else {
        return;
    };
    let chosen = if is_first == descends {
        "max_by"
    } else {
        "min_by"
    };
    list.clauses.clear();
    list.args
        .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(by)));
    let span = call.name.0.first().and_then(|part| part.as_ident());
    let name = match span {
        Some(ident) => Ident::with_span(ident.span, chosen),
        None => Ident::new(chosen),
    };
    call.name = ObjectName::from(vec![name]);
}
