//! The view that is looked up, read from its own text: which streams it groups, by what, and what it computes.
//! What is no grouping of streams is refused, with a way round.

mod read;
mod source;

use std::ops::ControlFlow;

use mainstem_catalog::{Object, ViewDef};
use mainstem_kernel::{Code, Place, Problem, StreamId};
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectName, Query, Select, SetExpr, TableFactor, visit_expressions,
};

use self::read::{Read, read};
pub(super) use self::source::Source;
use super::{
    LookedUp,
    figures::{Argument, Figures, key_of},
};
use crate::{
    declare::{Told, mistake, view_text},
    engine::{bare, folded},
    view::{
        Input,
        names::{Against, with_choices},
        refuse::{has_aggregate, unbuilt},
        relation::{self, Known},
    },
};

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
            let selected = read
                .columns
                .iter()
                .position(|column| column.to_string() == text);
            let column = selected.and_then(|at| def.spec.columns.0.get(at));
            let Some(column) = column else {
                let shown = text.replace('"', "");
                let what = format!("does not select {shown}, which it groups by");
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
        return Err(refused(
            told,
            "says DISTINCT",
            "write GROUP BY in that view",
        ));
    }
    if !from.joins.is_empty() {
        let hint = "group the stream alone, and look tables up beside the view";
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
    let found = visit_expressions(&select.projection, |expr| match expr {
        Expr::Function(call) if call.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The stream of a name.
///
/// # Errors
/// When it is none.
fn stream(
    (against, told): (Against<'_>, (&LookedUp, &Place)),
    name: &ObjectName,
) -> Result<Known, Problem> {
    let known = bare(name).and_then(|ident| {
        let place = told.1.clone();
        let from = (against.defs, against.tenant);
        relation::find(from, &folded(ident), place).ok()
    });
    match known {
        Some(known) if matches!(known.input, Input::Stream { .. }) => Ok(known),
        Some(known) => Err(refused(
            told,
            &format!("reads {}", known.label()),
            "group the streams that these rows come from; a table is looked up itself",
        )),
        None => {
            let message = format!("view \"{}\" reads \"{name}\", which is gone", told.0.name);
            Err(mistake(Code::Sql021, told.1.clone(), message))
        }
    }
}
