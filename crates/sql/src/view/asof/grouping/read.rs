//! The expressions of a grouping, with every column as its source's own: names that SELECT gives and places of
//! columns are resolved.

use std::ops::ControlFlow;

use mainstem_kernel::{Place, Problem};
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Select, SelectItem, Value, ValueWithSpan, VisitMut,
    visit_expressions, visit_expressions_mut,
};

use super::{LookedUp, Source, not_grouped, refused};
use crate::engine::folded;

/// The parts of a grouping, in the names of its source.
pub(super) struct Read {
    pub(super) columns: Vec<Expr>,
    pub(super) by: Vec<Expr>,
    pub(super) filter: Option<Expr>,
    pub(super) having: Option<Expr>,
}

/// The names that a view's own text has.
struct Names<'a> {
    qualifier: &'a Ident,
    columns: &'a [String],
    /// Names that SELECT gives.
    given: Vec<(String, Expr)>,
}

pub(super) fn read(
    select: &Select,
    told: (&LookedUp, &Place),
    (source, qualifier): (&Source, &Ident),
) -> Result<Read, Problem> {
    let mut columns = Vec::with_capacity(select.projection.len());
    let mut given = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => columns.push(expr.clone()),
            SelectItem::ExprWithAlias { expr, alias } => {
                given.push((folded(alias), expr.clone()));
                columns.push(expr.clone());
            }
            _ => return Err(refused(told, "selects *", "name its columns in that view")),
        }
    }
    let names = Names {
        qualifier,
        columns: &source.columns,
        given,
    };
    let GroupByExpr::Expressions(by, _) = &select.group_by else {
        return Err(not_grouped(told));
    };
    let by = by.iter().map(|expr| match ordinal(expr) {
        Some(number) => {
            let column = number.checked_sub(1).and_then(|at| columns.get(at));
            column.cloned().unwrap_or_else(|| expr.clone())
        }
        None => expr.clone(),
    });
    let by: Vec<Expr> = by.map(|expr| bare_of(names.own(&expr))).collect();
    if let Some(having) = &select.having {
        names.unambiguous(having, told)?;
    }
    let filter = select.selection.as_ref().map(|expr| names.own(expr));
    Ok(Read {
        by,
        filter,
        having: select.having.as_ref().map(|expr| names.own(expr)),
        columns: columns
            .iter()
            .map(|expr| bare_of(names.own(expr)))
            .collect(),
    })
}

/// An expression without parentheses around it.
fn bare_of(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => bare_of(*inner),
        other => other,
    }
}

/// GROUP BY 1.
fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => number.to_string().parse().ok(),
        _ => None,
    }
}

impl Names<'_> {
    /// An expression with every column as the source's own.
    fn own(&self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        self.rename(&mut expr);
        expr
    }

    fn rename<V: VisitMut>(&self, within: &mut V) {
        let _never = visit_expressions_mut(within, |expr| {
            let named = match expr {
                Expr::Identifier(name) => name.clone(),
                Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [_, name] => name.clone(),
                    _ => return ControlFlow::<()>::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            let name = folded(&named);
            let is_column = self.columns.contains(&name);
            let given = self.given.iter().find(|(given, _)| *given == name);
            match (expr, given) {
                (expr @ Expr::Identifier(_), Some((_, given))) if !is_column => {
                    let mut given = given.clone();
                    self.columns_of(&mut given);
                    *expr = Expr::Nested(Box::new(given));
                }
                (expr, _) => {
                    let column = Ident::with_quote('"', name);
                    *expr = Expr::CompoundIdentifier(vec![self.qualifier.clone(), column]);
                }
            }
            ControlFlow::Continue(())
        });
    }

    /// What SELECT names has columns of the source alone.
    fn columns_of(&self, expr: &mut Expr) {
        let names = Names {
            given: Vec::new(),
            ..*self
        };
        names.rename(expr);
    }

    /// Of a name that is a column and given by SELECT, too, HAVING would not say which it means.
    fn unambiguous(&self, having: &Expr, told: (&LookedUp, &Place)) -> Result<(), Problem> {
        let found = visit_expressions(having, |expr| match expr {
            Expr::Identifier(name) => {
                let name = folded(name);
                let given = self.given.iter().find(|(given, _)| *given == name);
                let is_same =
                    |given: &Expr| matches!(given, Expr::Identifier(own) if folded(own) == name);
                match given {
                    Some((_, given)) if self.columns.contains(&name) && !is_same(given) => {
                        ControlFlow::Break(name)
                    }
                    _ => ControlFlow::Continue(()),
                }
            }
            _ => ControlFlow::Continue(()),
        });
        match found {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(name) => Err(refused(
                told,
                &format!("says \"{name}\" in HAVING for a column and for what it computes"),
                "write out in HAVING what it computes",
            )),
        }
    }
}
