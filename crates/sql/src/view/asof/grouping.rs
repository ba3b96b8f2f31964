//! The view that is looked up, read from its own text: which streams it groups, by what, and what it computes.
//! What is no grouping of streams is refused, with a way round.

use std::ops::ControlFlow;

use mainstem_catalog::{Object, ViewDef};
use mainstem_kernel::{Place, Problem, StreamId};
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, Value,
    ValueWithSpan, VisitMut, visit_expressions_mut,
};

use super::{
    LookedUp,
    figures::{Argument, Figures, key_of},
};
use crate::{
    declare::{Told, mistake, view_text},
    engine::{bare, folded},
    view::{
        names::{Against, with_choices},
        refuse::{has_aggregate, unbuilt},
        relation::Known,
    },
};

mod source;

pub(super) use source::Source;

/// A view that groups streams.
#[derive(Debug)]
pub(super) struct Grouping {
    pub(super) of: LookedUp,
    pub(super) source: Source,
    /// Its WHERE.
    pub(super) filter: Option<String>,
    /// The columns of its key, and what they are of a row of the source.
    pub(super) keys: Vec<(String, Expr)>,
    pub(super) arguments: Vec<Argument>,
    /// Calls without OVER, the first of which counts rows.
    pub(super) calls: Vec<String>,
    /// Its columns over figures and keys.
    pub(super) columns: Vec<(String, Expr)>,
    /// Whether the group has a row.
    pub(super) there: String,
}

/// "… is not built yet in views", of a view that is looked up.
pub(super) fn refused((of, place): (&LookedUp, &Place), what: &str, hint: &str) -> Problem {
    let what = format!("a lookup of view \"{}\", which {what},", of.name);
    unbuilt(&what, place.clone()).hint(hint)
}

/// The names that a view's own text has.
struct Names<'a> {
    qualifier: &'a Ident,
    columns: &'a [String],
    /// Names that SELECT gives.
    given: Vec<(String, Expr)>,
}

impl Grouping {
    /// `reader` is the stream that looks it up, and what the statement calls it.
    ///
    /// # Errors
    /// When it is no grouping of streams.
    pub(super) fn of(
        against: Against<'_>,
        (known, alias, place): (&Known, &Ident, &Place),
        reader: (StreamId, &Ident),
    ) -> Result<Self, Problem> {
        let of = LookedUp {
            id: known.input.id(),
            name: known.name.clone(),
        };
        let told = (&of, place);
        let Some(Object::View(def)) = against.defs.by_id(of.id) else {
            return Err(refused(told, "is gone", "look up one that is there"));
        };
        let text = view_text(&def.spec.sql);
        let text = text.map_err(|_text| refused(told, "cannot be read", "look a table up"))?;
        let mut select = select_of(&text.parsed.query, told)?;
        let from = select.from.first().ok_or_else(|| not_grouped(told))?;
        let source = Source::of(against, told, &from.relation)?;
        let is_own = source.is_plain && source.streams.contains(&reader.0);
        if !is_own && source.streams.contains(&reader.0) {
            return Err(refused(
                told,
                "reads the stream that looks it up beside others",
                "group each stream in a view of its own",
            ));
        }
        let source = Source { is_own, ..source };
        with_choices(&mut select);
        let qualifier = if is_own { reader.1 } else { alias };
        let read = read(&select, told, (&source, qualifier))?;
        Self::computed((of.clone(), place), def, (source, read))
    }

    fn computed(
        (of, place): (LookedUp, &Place),
        def: &ViewDef,
        (source, read): (Source, Read),
    ) -> Result<Self, Problem> {
        let mut keys = Vec::with_capacity(read.by.len());
        let mut stand = Vec::with_capacity(read.by.len());
        for expr in &read.by {
            let text = expr.to_string();
            let selected = read.columns.iter().position(|column| column.to_string() == text);
            let column = selected.and_then(|at| def.spec.columns.0.get(at));
            let Some(column) = column else {
                let what = format!("does not select {expr}, which it groups by");
                let hint = "select it in that view, so that ON can compare it";
                return Err(refused((&of, place), &what, hint));
            };
            if keys.iter().any(|(_, known): &(String, Expr)| known == expr) {
                continue;
            }
            stand.push((text, key_of(&of, column.name.as_str(), &column.ty)?));
            keys.push((column.name.as_str().to_owned(), expr.clone()));
        }
        let filter = read.filter.as_ref().map(ToString::to_string);
        let counts = filter.clone().filter(|_| source.is_own);
        let told = (&of, place);
        let mut figures = Figures::new(told, counts, stand);
        let mut columns = Vec::with_capacity(read.columns.len());
        for (expr, column) in read.columns.iter().zip(&def.spec.columns.0) {
            columns.push((column.name.as_str().to_owned(), figures.over(expr)?));
        }
        let rows = Figures::name(&of, 0);
        let mut there = vec![format!("{rows} > 0")];
        there.extend(keys.iter().map(|(column, _)| {
            let key = Ident::with_quote('"', of.key_name(column));
            format!("{key} IS NOT NULL")
        }));
        if let Some(having) = &read.having {
            there.push(format!("({})", figures.over(having)?));
        }
        let Figures {
            arguments, calls, ..
        } = figures;
        Ok(Self {
            source,
            filter,
            keys,
            arguments,
            calls,
            columns,
            there: there.join(" AND "),
            of,
        })
    }
}

fn not_grouped(told: (&LookedUp, &Place)) -> Problem {
    refused(
        told,
        "does not group streams",
        "look up a view that says SELECT key, … FROM stream GROUP BY key EMIT ON UPDATE, or a table",
    )
}

/// The one SELECT of a grouping.
fn select_of(query: &Query, told: (&LookedUp, &Place)) -> Result<Select, Problem> {
    if query.with.is_some() {
        let hint = "write the subquery behind FROM in that view";
        return Err(refused(told, "begins with WITH", hint));
    }
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return select_of(inner, told),
        _ => return Err(not_grouped(told)),
    };
    let [from] = select.from.as_slice() else {
        return Err(not_grouped(told));
    };
    if select.distinct.is_some() {
        return Err(refused(told, "says DISTINCT", "write GROUP BY in that view"));
    }
    if !from.joins.is_empty() {
        let hint = "make the joined rows a stream of their own, or look the table up beside the view";
        return Err(refused(told, "joins", hint));
    }
    let numbers = select.qualify.is_some() || has_over(select);
    if numbers {
        let hint = "write max_by(value, time) … GROUP BY key in that view for the newest value";
        return Err(refused(told, "has OVER (…)", hint));
    }
    if matches!(from.relation, TableFactor::Table { args: Some(_), .. }) {
        let hint = "group the stream without windows, or JOIN streams that are near in time";
        return Err(refused(told, "groups windows", hint));
    }
    let groups = match &select.group_by {
        GroupByExpr::Expressions(by, more) => {
            more.is_empty() && (!by.is_empty() || has_aggregate(&select.projection))
        }
        GroupByExpr::All(_) => false,
    };
    match groups {
        true => Ok(select.as_ref().clone()),
        false => Err(not_grouped(told)),
    }
}

pub(super) fn has_over(select: &Select) -> bool {
    let found = sqlparser::ast::visit_expressions(&select.projection, |expr| match expr {
        Expr::Function(call) if call.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The parts of a grouping, in the names of its source.
struct Read {
    columns: Vec<Expr>,
    by: Vec<Expr>,
    filter: Option<Expr>,
    having: Option<Expr>,
}

fn read(
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
        let found = sqlparser::ast::visit_expressions(having, |expr| match expr {
            Expr::Identifier(name) => {
                let name = folded(name);
                let given = self.given.iter().find(|(given, _)| *given == name);
                let is_same = |given: &Expr| {
                    matches!(given, Expr::Identifier(own) if folded(own) == name)
                };
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

/// The stream of a name.
///
/// # Errors
/// When it is none.
fn stream(
    (against, told): (Against<'_>, (&LookedUp, &Place)),
    name: &sqlparser::ast::ObjectName,
) -> Result<Known, Problem> {
    let known = bare(name).and_then(|ident| {
        let place = told.1.clone();
        let from = (against.defs, against.tenant);
        crate::view::relation::find(from, &folded(ident), place).ok()
    });
    match known {
        Some(known) if matches!(known.input, crate::view::Input::Stream { .. }) => Ok(known),
        Some(known) => Err(refused(
            told,
            &format!("reads {}", known.label()),
            "group the streams that these rows come from, or keep the figures in a table",
        )),
        None => {
            let message = format!("view \"{}\" reads \"{name}\", which is gone", told.0.name);
            Err(mistake(
                mainstem_kernel::Code::Sql021,
                told.1.clone(),
                message,
            ))
        }
    }
}
