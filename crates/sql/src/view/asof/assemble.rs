//! The SELECT that looks views up as one over figures: three subqueries behind FROM, and its own names as those of
//! their columns.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Problem};
use sqlparser::{
    ast::{
        Expr, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned,
        TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
    },
    tokenizer::Span,
};

use super::{
    join::{Joined, View},
    scope::{Level, Scope, joined as all_of, split},
    text::Text,
};
use crate::{
    declare::{mistake, place_of},
    engine::folded,
    view::names::factor,
};

/// Makes a SELECT one over figures.
///
/// # Errors
/// Names that mean several columns, or none.
pub(super) fn assembled(
    file: &str,
    select: &mut Select,
    joined: Joined<'_>,
) -> Result<(), Problem> {
    let scope = &joined.scope;
    expand(select, scope)?;
    let is_own = |view: &View| view.grouping.source.is_own;
    let (mut below, mut above) = (Vec::new(), Vec::new());
    for condition in select.selection.iter().flat_map(split) {
        // Where events are counted, too, none of them is left out before.
        let early = !joined.views.iter().any(is_own) && !scope.reads_view(&condition)?;
        match early {
            true => below.push(condition),
            false => above.push(condition),
        }
    }
    above.extend(joined.views.iter().flat_map(|view| view.rest.clone()));
    select.selection = all_of(above);
    let mut used = Vec::new();
    scope.rename(&mut below, Level::Below, &mut Vec::new())?;
    named_again(select, scope);
    scope.rename(&mut select.projection, Level::Above, &mut used)?;
    scope.rename(&mut select.selection, Level::Above, &mut used)?;
    scope.rename(&mut select.group_by, Level::Above, &mut used)?;
    scope.rename(&mut select.having, Level::Above, &mut used)?;
    scope.rename(&mut select.qualify, Level::Above, &mut used)?;
    let broken = || {
        let place = place_of(file, joined.from.relation.span().start);
        mistake(Code::View001, place, "a lookup of a view like this")
    };
    let text = Text {
        joined: &joined,
        used: &used,
    };
    let mut from = factor(&format!("({}) AS _looked", text.rows()))?;
    let mut moved = Moved::to(&joined.from.relation);
    let _never = from.visit(&mut moved);
    let events = inner(&mut from).and_then(inner_of).and_then(inner_of);
    let events = events.ok_or_else(broken)?;
    events.from = vec![joined.from];
    let filter = events.selection.take().into_iter().chain(below);
    events.selection = all_of(filter.collect());
    select.from = vec![TableWithJoins {
        relation: from,
        joins: Vec::new(),
    }];
    Ok(())
}

/// `*` and `t.*` as the columns that they show.
fn expand(select: &mut Select, scope: &Scope<'_>) -> Result<(), Problem> {
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        let wanted = match &item {
            SelectItem::Wildcard(_) => None,
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName(parts)),
                _,
            ) => parts.last().and_then(|part| part.as_ident()).map(folded),
            _ => {
                items.push(item);
                continue;
            }
        };
        let before = items.len();
        for seen in &scope.seen {
            if wanted
                .as_ref()
                .is_none_or(|wanted| *wanted == folded(&seen.qualifier))
            {
                let columns = seen.shown.iter().map(|column| seen.below(column));
                items.extend(columns.map(SelectItem::UnnamedExpr));
            }
        }
        if items.len() == before {
            let place = place_of(scope.file, item.span().start);
            let message = format!("there is nothing in FROM that \"{item}\" names");
            return Err(mistake(Code::Sql022, place, message));
        }
    }
    select.projection = items;
    Ok(())
}

/// Columns keep the names that the statement gives them.
fn named_again(select: &mut Select, scope: &Scope<'_>) {
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let alias = match &expr {
            Expr::Identifier(name) => name.clone(),
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(name) => name.clone(),
                None => continue,
            },
            _ => continue,
        };
        if matches!(scope.column(expr), Ok(Some(_))) {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
        }
    }
}

/// The SELECT of a subquery; of a UNION its first side.
fn inner(factor: &mut TableFactor) -> Option<&mut Select> {
    let TableFactor::Derived { subquery, .. } = factor else {
        return None;
    };
    let mut body = subquery.body.as_mut();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

fn inner_of(select: &mut Select) -> Option<&mut Select> {
    inner(&mut select.from.first_mut()?.relation)
}

/// Puts a text of our own where the statement has its lookup, so that nothing in it is taken for what was
/// marked in the statement.
pub(super) struct Moved(Span);

impl Moved {
    /// Where a part of the statement is.
    pub(super) fn to(of: &impl Spanned) -> Self {
        Self(of.span())
    }
}

impl VisitorMut for Moved {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        for part in &mut relation.0 {
            if let sqlparser::ast::ObjectNamePart::Identifier(name) = part {
                name.span = self.0;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => name.span = self.0,
            Expr::CompoundIdentifier(parts) => {
                parts.iter_mut().for_each(|part| part.span = self.0);
            }
            Expr::Function(call) => return self.pre_visit_relation(&mut call.name),
            Expr::Value(value) if !matches!(value.value, Value::Placeholder(_)) => {
                value.span = self.0;
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
