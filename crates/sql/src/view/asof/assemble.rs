//! The SELECT that looks views up as one over figures: three subqueries behind FROM, and its own names as those of
//! their columns.

use std::{collections::BTreeSet, ops::ControlFlow};

use mainstem_kernel::{
    Code, Problem,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use sqlparser::{
    ast::{
        Expr, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
        Spanned, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
    },
    tokenizer::Span,
};

use super::{
    figures::Figures,
    join::{Joined, View},
    scope::{Level, Scope, joined as all_of, split},
};
use crate::{
    declare::{mistake, place_of},
    engine::folded,
    view::names::factor,
};

/// A column of what is read: its name; what it is of an event; of a row of each view's source.
struct Item {
    name: String,
    event: String,
    sides: Vec<String>,
}

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
    let mut moved = Moved(joined.from.relation.span());
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
            if wanted.as_ref().is_none_or(|wanted| *wanted == folded(&seen.qualifier)) {
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

struct Text<'a> {
    joined: &'a Joined<'a>,
    /// Columns of streams and tables that are read above the figures.
    used: &'a [(usize, String)],
}

impl Text<'_> {
    /// Columns of views, of events that have a row of each.
    fn rows(&self) -> String {
        let mut columns: Vec<String> = self.kept().map(|name| name.to_string()).collect();
        let mut conditions = vec!["_event".to_owned()];
        for view in &self.joined.views {
            let there = &view.grouping.there;
            if !view.is_outer {
                conditions.push(there.clone());
            }
            let Some(seen) = self.joined.scope.seen.get(view.seen) else {
                continue;
            };
            columns.extend(view.grouping.columns.iter().map(|(column, expr)| {
                format!("CASE WHEN {there} THEN {expr} END AS {}", seen.above(column))
            }));
        }
        format!(
            "SELECT {} FROM ({}) AS _figures WHERE {}",
            columns.join(", "),
            self.figures(),
            conditions.join(" AND ")
        )
    }

    /// What columns that are read above are called.
    fn kept(&self) -> impl Iterator<Item = Ident> {
        self.used.iter().filter_map(|(at, column)| {
            let seen = self.joined.scope.seen.get(*at)?;
            Some(seen.above(column))
        })
    }

    /// All rows with the figures of their keys.
    fn figures(&self) -> String {
        let mut columns = vec!["_event".to_owned()];
        columns.extend(self.kept().map(|name| name.to_string()));
        for View { grouping, .. } in &self.joined.views {
            let keys = grouping.keys.iter();
            let keys = keys.map(|(column, _)| quoted(&grouping.of.key_name(column)));
            let keys: Vec<String> = keys.collect();
            let by = match keys.is_empty() {
                true => String::new(),
                false => format!("PARTITION BY {} ", keys.join(", ")),
            };
            let over = format!(
                "OVER ({by}ORDER BY {SEQ_COLUMN}, {PARTITION_COLUMN}, {OFFSET_COLUMN} \
                 ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
            );
            columns.extend(keys);
            let calls = grouping.calls.iter().enumerate();
            columns.extend(calls.map(|(number, call)| {
                format!("{call} {over} AS {}", Figures::name(&grouping.of, number))
            }));
        }
        format!(
            "SELECT {} FROM ({}) AS _rows",
            columns.join(", "),
            self.events()
        )
    }

    /// Events and the rows of the views' sources.
    fn events(&self) -> String {
        let items = self.items();
        let event = items.iter().map(|item| {
            let Item { name, event, .. } = item;
            format!("{event} AS {}", quoted(name))
        });
        let views = &self.joined.views;
        let own = views.iter().filter(|view| !view.grouping.source.is_own);
        let keys = own.filter(|view| !view.is_outer);
        let keys = keys.flat_map(|view| &view.given);
        let here: BTreeSet<String> = keys.map(|key| format!("({key}) IS NOT NULL")).collect();
        let mut text = format!(
            "SELECT {} FROM _events{}",
            event.collect::<Vec<_>>().join(", "),
            filter(here.into_iter().collect())
        );
        for (at, view) in views.iter().enumerate() {
            let source = &view.grouping.source;
            if source.is_own {
                continue;
            }
            let columns = items.iter().filter_map(|item| item.sides.get(at).cloned());
            let columns: Vec<String> = columns.collect();
            let keys = view.grouping.keys.iter();
            let keys = keys.map(|(_, key)| format!("({key}) IS NOT NULL"));
            let given = view.grouping.filter.iter().map(|one| format!("({one})"));
            text.push_str(&format!(
                " UNION ALL SELECT {} FROM {} AS {}{}",
                columns.join(", "),
                source.from,
                self.alias(view),
                filter(given.chain(keys).collect())
            ));
        }
        text
    }

    /// What the source of a view is called.
    fn alias(&self, view: &View) -> String {
        let seen = self.joined.scope.seen.get(view.seen);
        seen.map_or_else(String::new, |seen| seen.qualifier.to_string())
    }

    fn items(&self) -> Vec<Item> {
        let views = &self.joined.views;
        let each = |of: &dyn Fn(&View) -> String| views.iter().map(of).collect::<Vec<_>>();
        let nothing = |_: &View| "NULL".to_owned();
        let mut items = vec![Item {
            name: "_event".to_owned(),
            event: "TRUE".to_owned(),
            sides: each(&|_| "FALSE".to_owned()),
        }];
        for ((at, column), name) in self.used.iter().zip(self.kept()) {
            let Some(seen) = self.joined.scope.seen.get(*at) else {
                continue;
            };
            let is_time = *at == 0 && self.joined.time.as_ref() == Some(column);
            let time = |view: &View| match &view.grouping.source.time {
                Some(time) if is_time => format!("{}.{}", self.alias(view), quoted(time)),
                _ => nothing(view),
            };
            items.push(Item {
                name: name.value,
                event: seen.below(column).to_string(),
                sides: each(&time),
            });
        }
        for (number, column) in [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN]
            .into_iter()
            .enumerate()
        {
            let reader = self.joined.scope.seen.first();
            let place = |view: &View| {
                let own = view.grouping.source.places.get(number);
                let own = own.map(|own| quoted(own)).unwrap_or_default();
                format!("{}.{own}", self.alias(view))
            };
            items.push(Item {
                name: column.to_owned(),
                event: reader.map_or_else(String::new, |seen| seen.below(column).to_string()),
                sides: each(&place),
            });
        }
        for (own, view) in views.iter().enumerate() {
            let only = |text: &str| {
                let sides = 0..views.len();
                let sides = sides.map(|at| match at == own {
                    true => text.to_owned(),
                    false => "NULL".to_owned(),
                });
                sides.collect::<Vec<_>>()
            };
            let grouping = &view.grouping;
            for ((column, key), given) in grouping.keys.iter().zip(&view.given) {
                items.push(Item {
                    name: grouping.of.key_name(column),
                    event: given.to_string(),
                    sides: only(&key.to_string()),
                });
            }
            for argument in &grouping.arguments {
                let event = match grouping.source.is_own {
                    true => argument.text.as_str(),
                    false => "NULL",
                };
                items.push(Item {
                    name: argument.name.clone(),
                    event: event.to_owned(),
                    sides: only(&argument.text),
                });
            }
        }
        items
    }
}

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

fn filter(conditions: Vec<String>) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
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
struct Moved(Span);

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
