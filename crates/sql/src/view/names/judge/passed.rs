//! Rows of what a view reads, with the seqs that they are judged by: those of a stream have them; a view that
//! passes rows on has none, and its own question stands in its place. It never judges a row.

use mainstem_catalog::{Emit, Object, ViewDef};
use mainstem_kernel::{
    Problem, StreamId,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use sqlparser::ast::{Ident, Join, Query, Select, SelectItem, SetExpr, Spanned, TableFactor};

use super::{
    super::{
        super::{
            PlannedView, lineage, places::SIDE_COLUMN, plan_view, relation::Known, ties, with,
        },
        Against, batch, bind_check,
    },
    Waits,
    event_time::within,
    is_added, refused,
};
use crate::{
    declare::{ViewText, quoted, view_text},
    engine::{bare, folded},
};

/// Where a row that is passed on was: in the log, and on which side of UNION.
pub(super) const PLACE_COLUMNS: [&str; 4] =
    [SEQ_COLUMN, SIDE_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];

/// Rows that may be late.
pub(super) struct Source {
    /// As FROM has it.
    pub(super) from: String,
    /// Whether its rows may be late; then it has their seqs.
    pub(super) is_judged: bool,
    /// Whether they are those of a view, behind which their places stand.
    pub(super) is_passed: bool,
    pub(super) seqs: Seqs,
}

/// Which rows have seqs that they are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seqs {
    All,
    /// The others have NULL, and are never late.
    Some,
}

impl Seqs {
    /// How rows are joined with what is known of their seqs.
    pub(super) const fn join(self) -> &'static str {
        match self {
            Self::All => "JOIN",
            Self::Some => "LEFT JOIN",
        }
    }
}

impl Source {
    /// Rows that are not too far ahead.
    pub(super) fn within(&self, time: &str) -> String {
        match self.seqs {
            Seqs::All => within(time),
            Seqs::Some => format!("({SEQ_COLUMN} IS NULL OR {})", within(time)),
        }
    }
}

/// What windows are cut of, or what waits for event time.
///
/// # Errors
/// When nobody knows any more when its rows came.
pub(super) fn source(against: Against<'_>, known: &Known) -> Result<Source, Problem> {
    let named = |is_judged: bool| Source {
        from: quoted(known.name.as_str()),
        is_judged,
        is_passed: false,
        seqs: Seqs::All,
    };
    let Some(Object::View(view)) = against.defs.by_id(known.input.id()) else {
        return Ok(named(true));
    };
    if is_never_late(against, view) {
        return Ok(named(false));
    }
    let text = view_text(&view.spec.sql).map_err(|_text| refused(against, known))?;
    let (query, seqs) = passed(against, view, &text).ok_or_else(|| refused(against, known))?;
    Ok(Source {
        from: format!("({query}) AS passed"),
        is_judged: true,
        is_passed: true,
        seqs,
    })
}

/// Whether no row of a view is late for what reads it: they leave when W has passed them, and its
/// watermark is as much behind; or they are passed on from such.
fn is_never_late(against: Against<'_>, view: &ViewDef) -> bool {
    let is_below = |id: &StreamId| match against.defs.by_id(*id) {
        Some(Object::View(below)) => is_never_late(against, below),
        _ => false,
    };
    let mut read = view.spec.reads.iter().filter(|id| is_added(against, **id));
    match view.spec.emit {
        Emit::Append => waits(against, view) || read.all(is_below),
        Emit::OnUpdate { .. } | Emit::OnWindowClose { .. } => true,
    }
}

/// Whether rows of a view wait for event time.
fn waits(against: Against<'_>, view: &ViewDef) -> bool {
    let plan = planned(against, view);
    plan.is_some_and(|plan| lineage::waits(&plan.plan))
}

fn planned(against: Against<'_>, view: &ViewDef) -> Option<PlannedView> {
    let text = view_text(&view.spec.sql).ok()?;
    plan_view(against.defs, against.tenant, &text).ok()
}

/// The question of a view that passes the rows of streams on, with the seqs of these rows; `None`
/// if they are not at hand.
fn passed(against: Against<'_>, view: &ViewDef, text: &ViewText) -> Option<(Query, Seqs)> {
    let plan = planned(against, view)?;
    let waits = Waits::of(&plan.plan, &plan.inputs);
    let against = Against {
        waits: waits.as_ref(),
        ..against_of(against, text)
    };
    let query = with::put_in_place(&text.parsed.query);
    let query = ties::complete(&query, against.defs, against.tenant);
    let sides = sides(&query.body)?.into_iter();
    let have = sides.map(|side| has_seqs(against, side));
    let have: Vec<bool> = have.collect::<Option<_>>()?;
    let seqs = match have.iter().all(|has| *has) {
        true => Seqs::All,
        false => Seqs::Some,
    };
    let mut query = bind_check(&query, against).ok()?;
    with_places(&mut query.body, &mut have.into_iter().enumerate())?;
    Some((query, seqs))
}

/// Whether rows of a side of UNION are judged by their seqs, as those of a stream are. Pairs of streams
/// were judged before they came, and are no more behind event time than their view says; so is what is
/// never late anyhow. `None` if nobody knows when its rows came.
fn has_seqs(against: Against<'_>, side: &Select) -> Option<bool> {
    let from = side.from.first()?;
    let is_as_of = |join: &Join| match &join.relation {
        TableFactor::Table { name, .. } => against.marks.is_proctime(name.span().start),
        _ => false,
    };
    if !from.joins.iter().all(is_as_of) {
        return Some(false);
    }
    let name = match &from.relation {
        TableFactor::Table {
            name, args: None, ..
        } => name,
        // Its places are selected there, and `*` would select them once more.
        TableFactor::Derived { subquery, .. } => {
            let below = has_seqs(against, select_of(subquery)?)?;
            return (!below || !has_wildcard(side)).then_some(below);
        }
        _ => return None,
    };
    match against.defs.object(against.tenant, &folded(bare(name)?))? {
        Object::Stream(_) => Some(true),
        Object::View(below) => is_never_late(against, below).then_some(false),
        Object::Table(_) => None,
    }
}

fn select_of(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(inner) => select_of(inner),
        _ => None,
    }
}

fn has_wildcard(select: &Select) -> bool {
    let mut items = select.projection.iter();
    items.any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    })
}

/// The SELECTs of a UNION, or the only one.
fn sides(body: &SetExpr) -> Option<Vec<&Select>> {
    match body {
        SetExpr::Select(select) => Some(vec![select]),
        SetExpr::Query(query) => sides(&query.body),
        SetExpr::SetOperation { left, right, .. } => {
            let mut all = sides(left)?;
            all.extend(sides(right)?);
            Some(all)
        }
        _ => None,
    }
}

/// Selects the places of what stands behind FROM, on the sides that have some.
fn with_places(body: &mut SetExpr, have: &mut impl Iterator<Item = (usize, bool)>) -> Option<()> {
    match body {
        SetExpr::Select(select) => {
            let (side, has) = have.next()?;
            let is_alone = !has || select.from.iter().all(|from| from.joins.is_empty());
            let first = &mut select.from.first_mut()?.relation;
            if let (TableFactor::Derived { subquery, .. }, true) = (&mut *first, has) {
                with_places(&mut subquery.body, &mut std::iter::once((0, true)))?;
            }
            let (TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. }) = first
            else {
                return None;
            };
            let of = match alias {
                Some(alias) => format!("{}.", alias.name),
                None if is_alone => String::new(),
                None => return None,
            };
            for column in PLACE_COLUMNS {
                let value = match (has, column) {
                    (_, SIDE_COLUMN) => side.to_string(),
                    (true, column) => format!("{of}{column}"),
                    (false, PARTITION_COLUMN) => "CAST(NULL AS INTEGER)".to_owned(),
                    (false, _) => "CAST(NULL AS BIGINT)".to_owned(),
                };
                select.projection.push(SelectItem::ExprWithAlias {
                    expr: batch::expression(&value).ok()?,
                    alias: Ident::new(column),
                });
            }
            Some(())
        }
        SetExpr::Query(query) => with_places(&mut query.body, have),
        SetExpr::SetOperation { left, right, .. } => {
            with_places(left, have)?;
            with_places(right, have)
        }
        _ => None,
    }
}

/// The same definitions, for another view.
fn against_of<'a>(against: Against<'a>, text: &'a ViewText) -> Against<'a> {
    Against {
        marks: &text.parsed.marks,
        own: text.name.as_str(),
        emit: text.emit,
        distinct_max: text.distinct_max,
        waits: None,
        ..against
    }
}
