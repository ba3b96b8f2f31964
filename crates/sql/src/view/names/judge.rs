//! The pieces that make a view's question one for the rows that the view has at this moment: rows
//! that came too late are left out, and windows that are still open.
//!
//! # Which rows are late
//!
//! The watermark W of a stream is its greatest event time so far less its delay; times that are
//! more than five minutes ahead of their arrival do not count. A row is judged by W as of all rows
//! with smaller seqs. It is late when its window ended at or before W, less the time for which
//! windows are corrected; where windows overlap that is asked of each window of a row. So lateness is a function of the rows and their seqs, and a question can
//! find out without having been there (`event_time`):
//!
//! ```text
//! kept     rows JOIN marks ON _seq            WHERE window_end > before - delay - corrections
//! closed                                      WHERE window_end <= greatest of all - delay
//! ```
//!
//! Of session windows a row is late when its own time is behind W: no session that has closed could
//! go on with it. What is left makes sessions. The same holds for rows that take turns; those whose turn
//! has not come are left out.
//!
//! Of several streams W is the least of theirs, so it is asked of the seqs of all of them (`event_times`).
//!
//! Rows of a view that emits on window close are never late for the view above: they leave when W
//! passes the end of their window, and its watermark is a whole window behind. The same holds for pairs of
//! rows, for rows that took turns, and for what only passes such rows on. Rows of a view that passes those
//! of streams on as they come are judged by the seqs of the rows that they were made of: so its own
//! question stands in its place, with these seqs.

mod different;
mod event_time;
mod event_times;
mod refusals;
mod waits;

use std::time::Duration;

use mainstem_catalog::{Emit, Object, ViewDef};
use mainstem_kernel::{Problem, StreamId, types::SEQ_COLUMN};
use sqlparser::ast::{Ident, Query, Select, SelectItem, SetExpr, TableFactor};

use super::{
    super::{
        WindowKind, lineage, plan_view,
        relation::{Cut, Known},
        ties,
    },
    Against,
    batch::{self, Opened},
    bind_check,
};
use crate::declare::{ViewText, quoted, view_text};

pub(super) use different::cap_distinct;
pub(crate) use event_time::at_frontier;
use event_time::within;
use event_times::EventTimes;
pub(crate) use refusals::of_several_streams;
pub(super) use refusals::{of_a_side, without_names};
use refusals::{refused, rests, unknown};
pub(crate) use waits::Waits;
pub(super) use waits::{come, waiting};

/// An object cut into windows: those of its rows that were taken, in windows that are closed if the
/// view emits on window close.
///
/// # Errors
/// When its rows do not say when they came.
pub(super) fn windowed(
    against: Against<'_>,
    known: &Known,
    cut: &Cut,
    alias: &Ident,
) -> Result<TableFactor, Problem> {
    let event_time = EventTimes::of(against, &[known.input.id()])?;
    let columns = known.schema.fields().iter();
    let mut columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
    let shown = columns.join(", ");
    let source = source(against, known)?;
    let ahead = match source.is_judged {
        true => format!(" WHERE {}", within(&quoted(&cut.time))),
        // They are of a window that is over.
        false => String::new(),
    };
    if source.is_judged && !columns.iter().any(|column| column == SEQ_COLUMN) {
        columns.push(SEQ_COLUMN.to_owned());
    }
    let columns = columns.join(", ");
    let marks = match source.is_judged {
        true => event_time.marks(),
        false => String::new(),
    };
    let is_final = matches!(against.emit, Some(Emit::OnWindowClose { .. }));
    let closed = is_final.then(|| event_time.is_over("window_end"));
    if cut.windows.kind == WindowKind::Session {
        let time = quoted(&cut.time);
        let late = source
            .is_judged
            .then(|| event_time.is_in_time(&time, ">=", 0));
        let rows = format!("(SELECT {columns} FROM {}{ahead}) AS cut_rows", source.from);
        let rows = format!("{rows}{marks}{}", filter(late));
        let kept = format!("(SELECT {columns} FROM {rows}) AS kept");
        let sessions = batch::sessions(&kept, (&shown, &columns), cut);
        let rows = format!("({sessions}) AS in_sessions{}", filter(closed));
        return batch::factor(&format!(
            "(SELECT {shown}, window_start, window_end FROM {rows}) AS {alias}"
        ));
    }
    let Opened { from, bounds } = batch::opened(&source.from, cut);
    let rows = format!("(SELECT {columns}, {bounds} FROM {from}{ahead}) AS cut_rows");
    let is_there = cut
        .windows
        .kind
        .overlaps()
        .then(|| "window_end IS NOT NULL".to_owned());
    let open = source.is_judged.then(|| {
        let kept = i128::try_from(kept(against.emit).as_micros()).unwrap_or(i128::MAX);
        event_time.is_in_time("window_end", ">", kept)
    });
    let filter = filter(is_there.into_iter().chain(open).chain(closed));
    batch::factor(&format!(
        "(SELECT {shown}, window_start, window_end FROM {rows}{marks}{filter}) AS {alias}"
    ))
}

/// Conditions as WHERE.
fn filter(conditions: impl IntoIterator<Item = String>) -> String {
    let conditions: Vec<String> = conditions.into_iter().collect();
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

/// How long a window can change after its end was passed.
fn kept(emit: Option<Emit>) -> Duration {
    match emit {
        Some(Emit::OnWindowClose {
            corrections: Some(span),
        }) => span,
        _ => Duration::ZERO,
    }
}

/// Whether rows of an object are only added.
fn is_added(against: Against<'_>, id: StreamId) -> bool {
    match against.defs.by_id(id) {
        Some(Object::Stream(_)) => true,
        Some(Object::View(view)) => view.spec.emit.is_stream(),
        Some(Object::Table(_)) | None => false,
    }
}

/// What windows are cut of.
struct Source {
    /// As FROM has it.
    from: String,
    /// Whether its rows may be late; then it has their seqs.
    is_judged: bool,
}

fn source(against: Against<'_>, known: &Known) -> Result<Source, Problem> {
    let named = |is_judged: bool| Source {
        from: quoted(known.name.as_str()),
        is_judged,
    };
    let Some(Object::View(view)) = against.defs.by_id(known.input.id()) else {
        return Ok(named(true));
    };
    if is_never_late(against, view) {
        return Ok(named(false));
    }
    let text = view_text(&view.spec.sql).map_err(|_text| refused(against, known))?;
    let query = passed(against, view, &text).ok_or_else(|| refused(against, known))?;
    Ok(Source {
        from: format!("({query}) AS passed"),
        is_judged: true,
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
    let text = view_text(&view.spec.sql).ok();
    let plan = text.and_then(|text| plan_view(against.defs, against.tenant, &text).ok());
    plan.is_some_and(|plan| lineage::waits(&plan.plan))
}

/// The question of a view that passes the rows of streams on, with the seqs of these rows; `None`
/// if they are not at hand.
fn passed(against: Against<'_>, view: &ViewDef, text: &ViewText) -> Option<Query> {
    let mut read = view.spec.reads.iter().filter(|id| is_added(against, **id));
    let is_stream = |id| matches!(against.defs.by_id(id), Some(Object::Stream(_)));
    if text.parsed.query.with.is_some() || !read.all(|id| is_stream(*id)) {
        return None;
    }
    let query = ties::complete(&text.parsed.query, against.defs, against.tenant);
    // A subquery behind FROM has no seqs to be selected of.
    sides(&query.body)
        .map(|sides| sides.iter().all(|side| is_direct(side)))?
        .then_some(())?;
    let mut query = bind_check(&query, against_of(against, text)).ok()?;
    with_seqs(&mut query.body)?;
    Some(query)
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

fn is_direct(select: &Select) -> bool {
    let first = select.from.first().map(|from| &from.relation);
    matches!(first, Some(TableFactor::Table { args: None, .. }))
}

/// Selects the seqs of what stands behind FROM.
fn with_seqs(body: &mut SetExpr) -> Option<()> {
    match body {
        SetExpr::Select(select) => {
            let (TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. }) =
                &select.from.first()?.relation
            else {
                return None;
            };
            let seq = format!("{}.{SEQ_COLUMN}", alias.as_ref()?.name);
            select.projection.push(SelectItem::ExprWithAlias {
                expr: batch::expression(&seq).ok()?,
                alias: Ident::new(SEQ_COLUMN),
            });
            Some(())
        }
        SetExpr::Query(query) => with_seqs(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            with_seqs(left)?;
            with_seqs(right)
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
