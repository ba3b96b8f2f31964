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
//! Rows of a view that emits on window close are never late for the view above: they leave when W
//! passes the end of their window, and its watermark is a whole window behind. Rows of a view that
//! passes them on as they come are judged by the seqs of the rows that they were made of: so its
//! own question stands in its place, with these seqs.

mod event_time;

use std::{ops::ControlFlow, time::Duration};

use mainstem_catalog::{Emit, Object, ViewDef};
use mainstem_kernel::{Code, Problem, StreamId, types::SEQ_COLUMN};
use sqlparser::ast::{
    DuplicateTreatment, Expr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr,
    TableFactor, visit_expressions_mut,
};

use super::{
    super::{
        WindowKind,
        relation::{Cut, Known},
        ties,
    },
    Against,
    batch::{self, Opened},
    bind_check,
};
use crate::{
    declare::{Told, ViewText, mistake, quoted, view_text},
    engine::{bare, folded},
};

pub(crate) use event_time::at_frontier;
use event_time::{EventTime, within};

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
    let event_time = event_time(against, known)?;
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
        let kept = kept(against.emit).as_micros();
        event_time.is_in_time("window_end", ">", kept)
    });
    let filter = filter(is_there.into_iter().chain(open).chain(closed));
    batch::factor(&format!(
        "(SELECT {shown}, window_start, window_end FROM {rows}{marks}{filter}) AS {alias}"
    ))
}

/// A stream whose rows take turns: those that were taken, as far as their turn has come.
///
/// # Errors
/// When its rows do not say when they came.
pub(super) fn in_turn(
    against: Against<'_>,
    known: &Known,
    turn_us: i64,
    alias: &Ident,
) -> Result<TableFactor, Problem> {
    let event_time = event_time(against, known)?;
    let Source { from, is_judged } = source(against, known)?;
    if !is_judged {
        return Err(refused(against, known));
    }
    let columns = known.schema.fields().iter();
    let columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
    let columns = columns.join(", ");
    let time = quoted(event_time.column);
    let (marks, ahead) = (event_time.marks(), within(&time));
    let in_time = event_time.is_in_time(&time, ">=", 0);
    let in_turn = event_time.is_in_turn(&time, turn_us);
    batch::factor(&format!(
        "(SELECT {columns} FROM (SELECT {columns} FROM {from} WHERE {ahead}) AS cut_rows{marks} \
         WHERE {in_time} AND {in_turn}) AS {alias}"
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

fn event_time<'a>(against: Against<'a>, known: &Known) -> Result<EventTime<'a>, Problem> {
    let mut behind_us = 0;
    let mut id = known.input.id();
    loop {
        match against.defs.by_id(id) {
            Some(Object::Stream(stream)) => {
                let watermark = stream.spec.watermark.as_ref();
                let watermark = watermark.ok_or_else(|| refused(against, known))?;
                return Ok(EventTime {
                    stream,
                    column: watermark.column.as_str(),
                    delay_us: watermark.delay.as_micros(),
                    behind_us,
                    idle_ms: watermark.idle_timeout.map(|idle| idle.as_millis()),
                });
            }
            Some(Object::View(view)) => {
                let watermark = view.spec.watermark.as_ref();
                let delay = watermark.map_or(Duration::ZERO, |watermark| watermark.delay);
                behind_us = delay.as_micros().saturating_add(behind_us);
                // Of several, no question knows by which rows of the others one was judged.
                let mut sources = view.spec.reads.iter().filter(|id| is_added(against, **id));
                id = match (sources.next(), sources.next()) {
                    (Some(only), None) => *only,
                    _ => return Err(refused(against, known)),
                };
            }
            Some(Object::Table(_)) | None => return Err(refused(against, known)),
        }
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
    let view = match against.defs.by_id(known.input.id()) {
        Some(Object::View(view)) => view,
        _ => {
            return Ok(Source {
                from: quoted(known.name.as_str()),
                is_judged: true,
            });
        }
    };
    match view.spec.emit {
        Emit::Append => {
            let query = passed(against, view).ok_or_else(|| refused(against, known))?;
            Ok(Source {
                from: format!("({query}) AS passed"),
                is_judged: true,
            })
        }
        Emit::OnUpdate { .. } | Emit::OnWindowClose { .. } => Ok(Source {
            from: quoted(known.name.as_str()),
            is_judged: false,
        }),
    }
}

/// The question of a view that passes the rows of a stream on, with the seqs of these rows; `None`
/// if they are not at hand.
fn passed(against: Against<'_>, view: &ViewDef) -> Option<Query> {
    let first = against.defs.by_id(*view.spec.reads.first()?)?;
    let text = view_text(&view.spec.sql).ok()?;
    let written = select_of(&text.parsed.query)?;
    let is_direct = matches!(written.from.first()?.relation, TableFactor::Table { .. });
    if !matches!(first, Object::Stream(_)) || text.parsed.query.with.is_some() || !is_direct {
        return None;
    }
    if ties::orders(&text.parsed.query) {
        // Its rows leave later than those that they were made of.
        return None;
    }
    let query = ties::complete(&text.parsed.query, against.defs, against.tenant);
    let mut query = bind_check(&query, against_of(against, &text)).ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
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
    Some(query)
}

fn select_of(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
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
        turn_us: None,
        ..against
    }
}

/// A view of several streams that waits: which rows were late for it no question says.
pub(crate) fn of_several_streams(against: Against<'_>) -> Problem {
    unverified(against)
        .detail(
            "It reads several streams, and a row is late for it by how far the others were when it \
             came: no question knows that any more.",
        )
        .hint("ask the view and a question of your own for the rows that you doubt")
}

fn refused(against: Against<'_>, known: &Known) -> Problem {
    unverified(against)
        .detail(format!(
            "It opens windows over {}, whose rows do not say when what they are made of arrived: \
             which of them came too late is not known any more.",
            known.label()
        ))
        .hint(format!("VERIFY VIEW {} verifies what it reads", known.name))
}

fn unverified(against: Against<'_>) -> Problem {
    let start = mainstem_kernel::Place {
        file: against.file.to_owned(),
        line: 1,
        column: 1,
    };
    let message = format!("view \"{}\" cannot be verified", against.own);
    mistake(Code::View014, start, message)
}

/// Caps each COUNT(DISTINCT …) of a SELECT at the most that the view may hold, and leaves sums and means
/// of more values out: so it answers.
pub(super) fn cap_distinct(select: &mut Select, most: u64) {
    let mut cap = |expr: &mut Expr| -> ControlFlow<()> {
        let capped = of_different(expr).map(|(name, count)| match name.as_str() {
            "count" => format!("least({expr}, {most})"),
            _ => format!("CASE WHEN {count} <= {most} THEN {expr} END"),
        });
        if let Some(Ok(capped)) = capped.map(|capped| batch::expression(&capped)) {
            *expr = capped;
        }
        ControlFlow::Continue(())
    };
    // It never breaks off.
    let _never = visit_expressions_mut(&mut select.projection, &mut cap);
    let _never = visit_expressions_mut(&mut select.having, &mut cap);
}

/// The name of an aggregate that takes each different value once and is bounded, and the call that
/// counts what it takes.
fn of_different(expr: &Expr) -> Option<(String, Expr)> {
    let Expr::Function(call) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let name = bare(&call.name).map(folded)?;
    let is_bounded = ["count", "sum", "avg", "mean"].contains(&name.as_str());
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let mut count = call.clone();
    count.name = Ident::new("count").into();
    (is_bounded && is_distinct).then_some((name, Expr::Function(count)))
}
