//! Columns of a SELECT that hold questions in parentheses and have no name get one, as PostgreSQL
//! names them: the engine would call all of them the same, and refuse the second.

use std::{collections::BTreeSet, mem, ops::ControlFlow};

use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Value, visit_expressions};

use super::{bare, folded};

/// What has no name of its own.
const NAMELESS: &str = "?column?";

/// Names them, each differently.
pub(super) fn name(projection: &mut [SelectItem]) {
    let mut taken: BTreeSet<String> = projection.iter().filter_map(given).collect();
    for item in projection {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        if !asks(expr) {
            continue;
        }
        let name = unlike(of(expr), &taken);
        taken.insert(name.clone());
        let expr = mem::replace(expr, Expr::value(Value::Null));
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', name),
        };
    }
}

/// The name that a column has already.
fn given(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) if !asks(expr) => Some(of(expr)),
        _ => None,
    }
}

/// Whether a question is part of an expression.
fn asks(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// What PostgreSQL calls a column.
fn of(expr: &Expr) -> String {
    let name = match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Function(call) => bare(&call.name).map(folded),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Nested(inner) => Some(of(inner)),
        Expr::Subquery(query) => first(query),
        _ => None,
    };
    name.unwrap_or_else(|| NAMELESS.to_owned())
}

/// The name of a question's first column.
fn first(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    match select.projection.first()? {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) => Some(of(expr)),
        _ => None,
    }
}

/// The name itself, or the first of `name_2`, `name_3`, … that nobody has.
fn unlike(name: String, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&name) {
        return name;
    }
    let mut numbered = (2_usize..).map(|number| format!("{name}_{number}"));
    numbered.find(|name| !taken.contains(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use sqlparser::{ast::Statement, parser::Parser};

    use super::*;
    use crate::dialect::MainstemDialect;

    fn check(sql: &str, expected: &str) {
        let mut parsed = Parser::parse_sql(&MainstemDialect::default(), sql).unwrap();
        let Some(Statement::Query(query)) = parsed.first_mut() else {
            panic!("no question: {sql}");
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            panic!("no SELECT: {sql}");
        };
        name(&mut select.projection);
        assert_eq!(query.to_string(), expected);
    }

    #[test]
    fn names_are_those_of_postgresql_and_differ() {
        check("SELECT a, f(b), 1 + 1", "SELECT a, f(b), 1 + 1");
        check(
            "SELECT (SELECT A), (SELECT t.\"A\" FROM t), ((SELECT max(a) FROM t)), (SELECT 1)",
            "SELECT (SELECT A) AS \"a\", (SELECT t.\"A\" FROM t) AS \"A\", \
             ((SELECT max(a) FROM t)) AS \"max\", (SELECT 1) AS \"?column?\"",
        );
        check(
            "SELECT EXISTS (SELECT 1), 1 IN (SELECT 2), (SELECT 1 AS a), a, (SELECT 2) AS b, (SELECT 3 AS b)",
            "SELECT EXISTS (SELECT 1) AS \"exists\", 1 IN (SELECT 2) AS \"?column?\", \
             (SELECT 1 AS a) AS \"a_2\", a, (SELECT 2) AS b, (SELECT 3 AS b) AS \"b_2\"",
        );
        check(
            "SELECT (SELECT * FROM t), -(SELECT 1)",
            "SELECT (SELECT * FROM t) AS \"?column?\", -(SELECT 1) AS \"?column?_2\"",
        );
    }
}
