//! The order in which rows of several streams take turns, in a question: by event time, and those of one time
//! by their places in the log.
//!
//! What runs views puts the sides of a UNION together by `_seq`, then by the number of the side, then as rows
//! are within it. No column that people see says that, so the question carries it up to OVER (…):
//!
//! ```text
//! SELECT …, lag(x) OVER (… ORDER BY at, _log_seq, …) FROM        -- names of the statement
//!   (SELECT …, s._seq AS _log_seq, 0 AS _log_side, … FROM sales s
//!    UNION ALL SELECT …, c._seq, 1, … FROM calls c)
//! ```
//!
//! Of a view that passes rows on these are the places of the rows that it passes; the judge has them. It changes
//! no question whose rows come from one stream: `ties` completes that.

mod columns;

use std::ops::ControlFlow;

use mainstem_catalog::Definitions;
use mainstem_kernel::{
    TenantId,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderByExpr, OrderByOptions, Query, Select, SelectItem,
    SetExpr, TableFactor, Visit, VisitMut, WindowType, visit_expressions, visit_expressions_mut,
};

use self::columns::{Read, column, expand, shown};
use super::{
    Input,
    names::expression,
    relation::{self, Known},
};
use crate::engine::{bare, folded};

/// The side of UNION that a row of a view which passes rows on was on; behind them in its question.
pub(crate) const SIDE_COLUMN: &str = "_side";
/// Columns of a place, which the question has up to its OVER (…).
const PLACE: [&str; 4] = ["_log_seq", "_log_side", "_log_partition", "_log_offset"];
/// The place of a row in the log.
const ARRIVAL: [&str; 3] = [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];
/// More sides than a view has.
const SIDES: u64 = 1_000;

/// Where a row is in the log, by the columns of `PLACE`.
type Place = Vec<(Expr, &'static str)>;

/// Orders the rows of a view that takes turns over several sources. `None` of a question that no view has.
pub(crate) fn carried(query: &Query, defs: &Definitions, tenant: TenantId) -> Option<Query> {
    let mut query = query.clone();
    let mut places = Places {
        defs,
        tenant,
        sides: 0,
    };
    places.query(&mut query, Wanted::Not)?;
    Some(query)
}

/// Whether OVER (…) orders by more than event time and the place in the log.
pub(crate) fn is_by_more(query: &Query) -> bool {
    let mut is_by_more = false;
    each_order(query, &mut |order: &[OrderByExpr]| {
        let mut places = ARRIVAL.into_iter();
        is_by_more |= order
            .iter()
            .skip(1)
            .any(|by| by.options.asc == Some(false) || name(&by.expr).as_deref() != places.next());
    });
    is_by_more
}

/// Whether what reads rows orders them by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Not,
    Places,
}

struct Places<'a> {
    defs: &'a Definitions,
    tenant: TenantId,
    /// Sides so far, from the left.
    sides: u64,
}

impl Places<'_> {
    /// Gives the names of the columns that are passed on with places.
    fn query(&mut self, query: &mut Query, wanted: Wanted) -> Option<Vec<Ident>> {
        self.body(&mut query.body, wanted)
    }

    fn body(&mut self, body: &mut SetExpr, wanted: Wanted) -> Option<Vec<Ident>> {
        match body {
            SetExpr::Select(select) => self.select(select, wanted),
            SetExpr::Query(inner) => self.query(inner, wanted),
            SetExpr::SetOperation { left, right, .. } => {
                let shown = self.body(left, wanted)?;
                self.body(right, wanted)?;
                Some(shown)
            }
            _ => None,
        }
    }

    fn select(&mut self, select: &mut Select, wanted: Wanted) -> Option<Vec<Ident>> {
        let below = match orders(select) {
            true => Wanted::Places,
            false => wanted,
        };
        let [from] = select.from.as_mut_slice() else {
            return None;
        };
        let (first, place) = self.first(&mut from.relation, below)?;
        let mut read = vec![first];
        for join in &from.joins {
            read.push(self.looked_up(&join.relation)?);
        }
        if below == Wanted::Not {
            return Some(Vec::new());
        }
        expand(select, &read)?;
        let places: Vec<Expr> = place.iter().map(|(expr, _)| expr.clone()).collect();
        order_by(&mut select.projection, &places);
        order_by(&mut select.qualify, &places);
        if wanted == Wanted::Not {
            return Some(Vec::new());
        }
        if !passes(&select.group_by, select.distinct.as_ref()) {
            return None;
        }
        let shown = shown(select, &read);
        let place = place
            .into_iter()
            .map(|(expr, name)| SelectItem::ExprWithAlias {
                expr,
                alias: Ident::new(name),
            });
        select.projection.extend(place);
        Some(shown)
    }

    /// What stands directly behind FROM, and the places of its rows, if they are wanted.
    fn first(&mut self, factor: &mut TableFactor, wanted: Wanted) -> Option<(Read, Place)> {
        match factor {
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                let names = self.query(subquery, wanted)?;
                let qualifier = alias.as_ref().map(|alias| alias.name.clone());
                let place = PLACE.map(|name| (column(qualifier.as_ref(), Ident::new(name)), name));
                Some((Read { qualifier, names }, place.to_vec()))
            }
            table => {
                let (known, read) = self.table(table)?;
                let place = match wanted {
                    Wanted::Not => Vec::new(),
                    Wanted::Places => self.place(&known, read.qualifier.as_ref()?)?,
                };
                Some((read, place))
            }
        }
    }

    fn looked_up(&self, factor: &TableFactor) -> Option<Read> {
        self.table(factor).map(|(_, read)| read)
    }

    fn table(&self, factor: &TableFactor) -> Option<(Known, Read)> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return None;
        };
        let name = bare(name)?;
        let known = self.known(name)?;
        let names = known.shown.iter();
        let read = Read {
            qualifier: Some(alias.as_ref().map_or(name, |alias| &alias.name).clone()),
            names: names.map(|name| Ident::with_quote('"', name)).collect(),
        };
        Some((known, read))
    }

    fn known(&self, name: &Ident) -> Option<Known> {
        let place = mainstem_kernel::Place {
            file: String::new(),
            line: 1,
            column: 1,
        };
        relation::find((self.defs, self.tenant), &folded(name), place).ok()
    }

    /// The place of a row of the next side.
    fn place(&mut self, known: &Known, qualifier: &Ident) -> Option<Place> {
        let side = self.sides.checked_mul(SIDES)?;
        self.sides = self.sides.saturating_add(1);
        let side = match known.input {
            Input::Stream { .. } => side.to_string(),
            _ => format!("{side} + {qualifier}.{SIDE_COLUMN}"),
        };
        let of = |column: &str| format!("{qualifier}.{column}");
        let values = [
            of(SEQ_COLUMN),
            side,
            of(PARTITION_COLUMN),
            of(OFFSET_COLUMN),
        ];
        let place = values.into_iter().zip(PLACE);
        let place = place.map(|(sql, name)| Some((expression(&sql).ok()?, name)));
        place.collect()
    }
}

/// The name of a column.
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) => name(inner),
        _ => None,
    }
}

/// Whether every row that is read is one row.
fn passes(group_by: &GroupByExpr, distinct: Option<&Distinct>) -> bool {
    distinct.is_none() && matches!(group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

/// Whether a SELECT has OVER (… ORDER BY …).
fn orders(select: &Select) -> bool {
    let mut found = false;
    let mut look = |order: &[OrderByExpr]| found |= !order.is_empty();
    each_order(&select.projection, &mut look);
    each_order(&select.qualify, &mut look);
    found
}

fn each_order<V: Visit>(within: &V, look: &mut impl FnMut(&[OrderByExpr])) {
    // It never breaks off.
    let _never = visit_expressions(within, |expr| {
        if let Expr::Function(call) = expr
            && let Some(WindowType::WindowSpec(spec)) = &call.over
        {
            look(&spec.order_by);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Puts places behind the first that OVER (…) orders by.
fn order_by<V: VisitMut>(within: &mut V, places: &[Expr]) {
    let options = OrderByOptions {
        asc: None,
        nulls_first: None,
    };
    // It never breaks off.
    let _never = visit_expressions_mut(within, |expr| {
        if let Expr::Function(call) = expr
            && let Some(WindowType::WindowSpec(spec)) = &mut call.over
            && !spec.order_by.is_empty()
        {
            spec.order_by.truncate(1);
            spec.order_by.extend(places.iter().map(|expr| OrderByExpr {
                expr: expr.clone(),
                options,
                with_fill: None,
            }));
        }
        ControlFlow::<()>::Continue(())
    });
}
