//! What a grouping reads: one stream, or a UNION ALL of several in a subquery, each row with its place in the
//! log.

use mainstem_kernel::{Place, Problem, StreamId};
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    TableFactor,
};

use super::{super::text::PLACE, LookedUp, has_over, not_grouped, refused, stream};
use crate::{
    declare::quoted,
    engine::folded,
    view::{names::Against, refuse::has_aggregate, relation::Known},
};

/// What stands behind FROM.
#[derive(Clone, Debug)]
pub(in super::super) struct Source {
    /// As text, without a name.
    pub(in super::super) from: String,
    /// The streams.
    pub(in super::super) streams: Vec<StreamId>,
    /// All columns by name.
    pub(super) columns: Vec<String>,
    /// Columns that hold the place of a row in the log, and its event time if all streams have one.
    pub(in super::super) places: [String; 3],
    pub(in super::super) time: Option<String>,
    /// Whether it is one stream.
    pub(super) is_plain: bool,
    /// Whether it is the stream that looks the view up.
    pub(in super::super) is_own: bool,
}

impl Source {
    pub(super) fn of(
        against: Against<'_>,
        told: (&LookedUp, &Place),
        factor: &TableFactor,
    ) -> Result<Self, Problem> {
        match factor {
            TableFactor::Table {
                name, args: None, ..
            } => {
                let known = stream((against, told), name)?;
                let fields = known.schema.fields().iter();
                Ok(Self {
                    from: quoted(known.name.as_str()),
                    streams: vec![known.input.id()],
                    columns: fields.map(|field| field.name().clone()).collect(),
                    places: PLACE.map(str::to_owned),
                    time: time(&known),
                    is_plain: true,
                    is_own: false,
                })
            }
            TableFactor::Derived {
                subquery,
                lateral: false,
                ..
            } => Self::union((against, told), subquery),
            _ => Err(not_grouped(told)),
        }
    }

    fn union(at: (Against<'_>, (&LookedUp, &Place)), subquery: &Query) -> Result<Self, Problem> {
        let mut query = subquery.clone();
        let mut sides = Vec::new();
        known_sides(at, &query.body, &mut sides)?;
        let columns = names(&query.body, &sides);
        let streams: Vec<StreamId> = sides.iter().map(|known| known.input.id()).collect();
        let twice = streams.iter().enumerate();
        let twice = twice.filter(|(at, id)| streams.iter().take(*at).any(|before| before == *id));
        if twice.count() > 0 {
            let hint = "read the stream once in that view, with OR and CASE";
            return Err(refused(at.1, "reads a stream on two sides of UNION", hint));
        }
        let has_time = sides.iter().all(|known| time(known).is_some());
        place_sides(&mut query.body, &mut sides.iter(), has_time);
        Ok(Self {
            from: format!("({query})"),
            streams,
            columns,
            places: [0, 1, 2].map(|at| format!("_place{at}")),
            time: has_time.then(|| "_place_time".to_owned()),
            is_plain: false,
            is_own: false,
        })
    }
}

fn time(known: &Known) -> Option<String> {
    let watermark = known.input.watermark()?;
    Some(watermark.column.as_str().to_owned())
}

/// The stream of each side, in their order.
fn known_sides(
    at: (Against<'_>, (&LookedUp, &Place)),
    body: &SetExpr,
    sides: &mut Vec<Known>,
) -> Result<(), Problem> {
    match body {
        SetExpr::Select(select) => {
            sides.push(side(at, select)?);
            Ok(())
        }
        SetExpr::Query(query) if query.with.is_none() => known_sides(at, &query.body, sides),
        SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            left,
            right,
        } => {
            known_sides(at, left, sides)?;
            known_sides(at, right, sides)
        }
        _ => Err(not_grouped(at.1)),
    }
}

fn side(
    (against, told): (Against<'_>, (&LookedUp, &Place)),
    select: &Select,
) -> Result<Known, Problem> {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let computes = select.distinct.is_some()
        || select.having.is_some()
        || select.qualify.is_some()
        || !ungrouped
        || has_aggregate(&select.projection)
        || has_over(select);
    match select.from.as_slice() {
        [from] if !computes && from.joins.is_empty() => match &from.relation {
            TableFactor::Table {
                name, args: None, ..
            } => stream((against, told), name),
            _ => Err(not_grouped(told)),
        },
        _ => Err(refused(
            told,
            "groups what its subquery groups or joins",
            "let the subquery read streams alone: SELECT … FROM a UNION ALL SELECT … FROM b",
        )),
    }
}

/// The names of the columns, which are those of the first side.
fn names(body: &SetExpr, sides: &[Known]) -> Vec<String> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(query) => return names(&query.body, sides),
        SetExpr::SetOperation { left, .. } => return names(left, sides),
        _ => return Vec::new(),
    };
    let mut all = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => all.push(folded(alias)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => all.push(folded(name)),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                all.extend(parts.last().map(folded));
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let first = sides.first().map(|known| known.shown.as_slice());
                all.extend(first.unwrap_or_default().iter().cloned());
            }
            _ => {}
        }
    }
    all
}

/// Selects the place in the log of each row, too.
fn place_sides<'a>(
    body: &mut SetExpr,
    sides: &mut impl Iterator<Item = &'a Known>,
    has_time: bool,
) {
    match body {
        SetExpr::Select(select) => {
            let time = sides.next().and_then(time).filter(|_| has_time);
            let places = PLACE.into_iter().enumerate();
            let places = places.map(|(at, column)| (column.to_owned(), format!("_place{at}")));
            let time = time.map(|column| (column, "_place_time".to_owned()));
            let items = places
                .chain(time)
                .map(|(column, alias)| SelectItem::ExprWithAlias {
                    expr: Expr::Identifier(Ident::with_quote('"', column)),
                    alias: Ident::with_quote('"', alias),
                });
            select.projection.extend(items);
        }
        SetExpr::Query(query) => place_sides(&mut query.body, sides, has_time),
        SetExpr::SetOperation { left, right, .. } => {
            place_sides(left, sides, has_time);
            place_sides(right, sides, has_time);
        }
        _ => {}
    }
}
