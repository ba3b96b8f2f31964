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
//! rows, and for rows that took turns. Rows of a view that
//! passes them on as they come are judged by the seqs of the rows that they were made of: so its
//! own question stands in its place, with these seqs.

mod event_time;
mod event_times;

use std::{ops::ControlFlow, time::Duration};

use mainstem_catalog::{Emit, Object, ViewDef};
use mainstem_kernel::{Code, Problem, StreamId, StreamName, types::SEQ_COLUMN};
use sqlparser::ast::{
    DuplicateTreatment, Expr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr,
    TableFactor, WindowFrameBound, WindowType, visit_expressions_mut,
};

use super::{
    super::{
        Input, Node, WindowKind, lineage, plan_view,
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
use event_time::within;
use event_times::EventTimes;

/// How rows of a view wait for event time.
#[derive(Clone, Debug)]
pub(crate) enum Waits {
    /// They take turns in slices of so many µs.
    Turns {
        /// Length of a slice.
        slice_us: i64,
    },
    /// For the other of a pair.
    Pairs {
        /// What is paired.
        sources: Vec<StreamId>,
        /// Of a LEFT JOIN.
        alone: Option<Alone>,
    },
}

/// When rows of the first side come beside nothing.
#[derive(Clone, Debug)]
pub(crate) struct Alone {
    /// The column of event time of each side.
    left: String,
    right: String,
    slice_us: i64,
    /// How much later the other of a pair may be.
    reach_us: i64,
}

impl Waits {
    /// Of a view with this plan, which reads these objects.
    pub(crate) fn of(plan: &Node, inputs: &[Input]) -> Option<Self> {
        if let Some(turns) = lineage::turns(plan) {
            return Some(Self::Turns {
                slice_us: turns.slice_us,
            });
        }
        let (pairs, near) = lineage::near(plan)?;
        let name =
            |side: &Node, at: usize| side.schema().fields().get(at).map(|f| f.name().clone());
        let alone = Alone {
            left: name(&pairs.left, near.times.0)?,
            right: name(&pairs.right, near.times.1)?,
            slice_us: near.slice_us,
            reach_us: near.reach_us().0,
        };
        let sources = plan.sources().into_iter();
        let sources = sources.filter_map(|at| inputs.get(at).map(Input::id));
        Some(Self::Pairs {
            sources: sources.collect(),
            alone: pairs.outer.left().then_some(alone),
        })
    }
}

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

/// What a view reads whose rows wait for event time: those that were taken; where they take turns, as far
/// as their turn has come.
///
/// # Errors
/// When its rows do not say when they came.
pub(super) fn waiting(
    (against, waits): (Against<'_>, &Waits),
    known: &Known,
    alias: &Ident,
) -> Result<TableFactor, Problem> {
    let own = [known.input.id()];
    let (sources, turn_us): (&[StreamId], _) = match waits {
        Waits::Turns { slice_us } => (&own, Some(*slice_us)),
        Waits::Pairs { sources, .. } => (sources, None),
    };
    let event_time = EventTimes::of(against, sources)?;
    let Source { from, is_judged } = source(against, known)?;
    let Some(time) = known.input.watermark().filter(|_| is_judged) else {
        // What is never late waits for nothing but the other of a pair.
        return match turn_us {
            None => Ok(batch::named(known.name.as_str(), alias)),
            Some(_) => Err(refused(against, known)),
        };
    };
    let columns = known.schema.fields().iter();
    let columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
    let mut read = columns.clone();
    if !read.iter().any(|column| *column == quoted(SEQ_COLUMN)) {
        read.push(SEQ_COLUMN.to_owned());
    }
    let (columns, read) = (columns.join(", "), read.join(", "));
    let time = quoted(time.column.as_str());
    let (marks, ahead) = (event_time.marks(), within(&time));
    let in_time = event_time.is_in_time(&time, ">=", 0);
    let in_turn = turn_us.map(|turn_us| event_time.is_in_turn(&time, (turn_us, 0)));
    let taken = filter(std::iter::once(in_time).chain(in_turn));
    batch::factor(&format!(
        "(SELECT {columns} FROM (SELECT {read} FROM {from} WHERE {ahead}) AS cut_rows{marks}{taken}) \
         AS {alias}"
    ))
}

/// Which pairs of a LEFT JOIN of streams have come: those of two rows, and rows beside nothing once their
/// slice is over. `sides` are what both are called.
///
/// # Errors
/// When their rows do not say when they came.
pub(super) fn come(
    against: Against<'_>,
    sources: &[StreamId],
    (alone, sides): (&Alone, (&Ident, &Ident)),
) -> Result<Expr, Problem> {
    let left = format!("{}.{}", sides.0, quoted(&alone.left));
    let right = format!("{}.{}", sides.1, quoted(&alone.right));
    let event_time = EventTimes::of(against, sources)?;
    let is_over = event_time.is_in_turn(&left, (alone.slice_us, alone.reach_us));
    batch::expression(&format!("({right} IS NOT NULL OR {is_over})"))
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
            let text = view_text(&view.spec.sql).map_err(|_text| refused(against, known))?;
            let plan = plan_view(against.defs, against.tenant, &text);
            if plan.is_ok_and(|plan| lineage::waits(&plan.plan)) {
                // Its rows leave when W has passed them, and its watermark is as much behind.
                return Ok(Source {
                    from: quoted(known.name.as_str()),
                    is_judged: false,
                });
            }
            let query = passed(against, view, &text).ok_or_else(|| refused(against, known))?;
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

/// A view of several streams whose rows take turns.
pub(crate) fn of_several_streams(against: Against<'_>) -> Problem {
    unverified(against)
        .detail(
            "Its rows take turns in event time, and those of one time come in the order in which several \
             streams brought them: no question has such an order.",
        )
        .hint(OWN)
}

/// A join of streams on a side of UNION.
pub(super) fn of_a_side(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("It joins streams on a side of UNION, beside rows that are judged otherwise.")
        .hint("make a view of the join, and read it in UNION")
}

/// A LEFT JOIN whose sides no condition can name.
pub(super) fn without_names(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("A side of its LEFT JOIN has no name, so nothing tells which rows still wait.")
        .hint("give both sides a name: FROM a LEFT JOIN (SELECT …) b ON …")
}

/// Event time of several streams, of which one goes on by itself.
fn rests(against: Against<'_>, stream: &StreamName) -> Problem {
    unverified(against)
        .detail(format!(
            "It reads several streams, and the event time of \"{stream}\" goes on by itself \
             (idle_timeout): how far it had gone on when rows of the others came is not known any more."
        ))
        .hint(OWN)
}

/// Event time that nobody knows.
fn unknown(against: Against<'_>, id: StreamId) -> Problem {
    let name = against.defs.by_id(id).map(|object| object.name().clone());
    let name = name.map_or_else(|| "what it reads".to_owned(), |name| format!("\"{name}\""));
    unverified(against)
        .detail(format!(
            "It waits for the event time of {name}, which has none."
        ))
        .hint(OWN)
}

const OWN: &str = "ask the view and a question of your own for the rows that you doubt";

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

/// Whether rows leave a frame.
fn has_frame(over: &WindowType) -> bool {
    let WindowType::WindowSpec(spec) = over else {
        return false;
    };
    let frame = spec.window_frame.as_ref();
    frame.is_some_and(|frame| frame.start_bound != WindowFrameBound::Preceding(None))
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
    if call.over.as_ref().is_some_and(has_frame) {
        // It has no more values than rows.
        return None;
    }
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let mut count = call.clone();
    count.name = Ident::new("count").into();
    (is_bounded && is_distinct).then_some((name, Expr::Function(count)))
}
