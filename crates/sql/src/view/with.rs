//! Queries that WITH gives names to, put where they are read: so the operators of a plan stand in the
//! order in which the text has them. It never looks at what names stand for otherwise.

use sqlparser::ast::{Query, SetExpr, TableAlias, TableFactor};

use crate::engine::{bare, folded};

/// Names that WITH has given to queries.
type Scope = Vec<(TableAlias, Query)>;

/// The same question without WITH.
pub(crate) fn put_in_place(query: &Query) -> Query {
    let mut query = query.clone();
    within(&mut query, &Scope::new());
    query
}

fn within(query: &mut Query, outer: &Scope) {
    let mut scope = outer.clone();
    for cte in query
        .with
        .take()
        .into_iter()
        .flat_map(|with| with.cte_tables)
    {
        let mut given = *cte.query;
        within(&mut given, &scope);
        scope.push((cte.alias, given));
    }
    body(&mut query.body, &scope);
}

fn body(of: &mut SetExpr, scope: &Scope) {
    match of {
        SetExpr::Query(inner) => within(inner, scope),
        SetExpr::SetOperation { left, right, .. } => {
            body(left, scope);
            body(right, scope);
        }
        SetExpr::Select(select) => {
            for from in &mut select.from {
                factor(&mut from.relation, scope);
                for join in &mut from.joins {
                    factor(&mut join.relation, scope);
                }
            }
        }
        _ => {}
    }
}

fn factor(factor: &mut TableFactor, scope: &Scope) {
    match factor {
        TableFactor::Derived { subquery, .. } => within(subquery, scope),
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let name = bare(name).map(folded);
            let mut scope = scope.iter().rev();
            let given = scope.find(|(alias, _)| Some(folded(&alias.name)) == name);
            let Some((own, query)) = given else { return };
            let alias = alias.take().map_or_else(
                || own.clone(),
                |alias| TableAlias {
                    columns: own.columns.clone(),
                    ..alias
                },
            );
            *factor = TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query.clone()),
                alias: Some(alias),
                sample: None,
            };
        }
        _ => {}
    }
}
