//! The pieces that make a view's question one for the rows that the view has at this moment: rows
//! that came too late are left out, and windows that are still open.
//!
//! # Which rows are late
//!
//! The watermark W of a stream is its greatest event time so far less its delay; times that are
//! more than five minutes ahead of their arrival do not count. A row is judged by W as of all rows
//! with smaller seqs. It is late when its window ended at or before W, less the time for which
//! windows are corrected. So lateness is a function of the rows and their seqs, and a question can
//! find out without having been there:
//!
//! ```text
//! frames   greatest time of each seq          SELECT _seq, max(time) … GROUP BY _seq
//! marks    greatest time of all smaller seqs  max(…) OVER (ORDER BY _seq … 1 PRECEDING)
//! kept     rows JOIN marks ON _seq            WHERE window_end > before - delay - corrections
//! closed                                      WHERE window_end <= greatest of all - delay
//! ```
//!
//! Rows of a view that emits on window close are never late for the view above: they leave when W
//! passes the end of their window, and its watermark is a whole window behind.

use std::{ops::ControlFlow, time::Duration};

use mainstem_catalog::{Emit, Object, StreamDef, ViewDef};
use mainstem_kernel::{Code, Problem, types::SEQ_COLUMN};
use sqlparser::ast::{
    DuplicateTreatment, Expr, FunctionArguments, Ident, Select, TableFactor, visit_expressions_mut,
};

use super::{
    super::{
        Input,
        relation::{Cut, Known},
    },
    Against, batch,
};
use crate::{
    declare::{Told, mistake, quoted},
    engine::{bare, folded},
};

/// How far an event time may be ahead of its arrival: rows beyond it go to dead letters.
const AHEAD: &str = "INTERVAL '5 minutes'";

/// The stream whose rows move the watermark of what windows are opened over.
struct Root<'a> {
    stream: &'a StreamDef,
    time: &'a str,
    delay_us: u128,
    /// How far the watermark is behind that of the stream.
    behind_us: u128,
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
    let root = root(against, known)?;
    let columns = known.schema.fields().iter();
    let columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
    let (columns, arguments) = (columns.join(", "), batch::arguments(cut));
    let name = quoted(known.name.as_str());
    let ahead = match known.input {
        Input::Stream { .. } => {
            format!(" WHERE {}", within(&quoted(&cut.time)))
        }
        // They are of a window that is over.
        Input::Table { .. } | Input::View { .. } => String::new(),
    };
    let rows = format!(
        "(SELECT {columns}, tumble_start({arguments}) AS window_start, \
         tumble_end({arguments}) AS window_end FROM {name}{ahead}) AS cut_rows"
    );
    let (mut marks, mut conditions) = (String::new(), Vec::new());
    if let Input::Stream { .. } = known.input {
        marks = format!(
            " JOIN (SELECT {SEQ_COLUMN} AS _at, max(_greatest) OVER (ORDER BY {SEQ_COLUMN} \
             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _before \
             FROM (SELECT {SEQ_COLUMN}, {} AS _greatest FROM {name} GROUP BY {SEQ_COLUMN}) \
             AS frames) AS marks ON marks._at = cut_rows.{SEQ_COLUMN}",
            greatest(&root)
        );
        let behind = root.delay_us.saturating_add(kept(against.emit).as_micros());
        conditions.push(format!(
            "(_before IS NULL OR window_end > _before - INTERVAL '{behind} microseconds')"
        ));
    }
    if matches!(against.emit, Some(Emit::OnWindowClose { .. })) {
        let behind = root.delay_us.saturating_add(root.behind_us);
        let stream = quoted(root.stream.spec.name.as_str());
        conditions.push(format!(
            "window_end <= (SELECT {} FROM {stream}) - INTERVAL '{behind} microseconds'",
            greatest(&root)
        ));
    }
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    batch::factor(&format!(
        "(SELECT {columns}, window_start, window_end FROM {rows}{marks}{filter}) AS {alias}"
    ))
}

/// Rows whose time is not NULL and not too far ahead.
fn within(time: &str) -> String {
    format!("{time} <= arrival_time({SEQ_COLUMN}) + {AHEAD}")
}

fn greatest(root: &Root<'_>) -> String {
    let time = quoted(root.time);
    format!("max({time}) FILTER (WHERE {})", within(&time))
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

fn root<'a>(against: Against<'a>, known: &Known) -> Result<Root<'a>, Problem> {
    let mut behind_us = 0;
    let mut id = known.input.id();
    loop {
        match against.defs.by_id(id) {
            Some(Object::Stream(stream)) => {
                let watermark = stream.spec.watermark.as_ref();
                let watermark = watermark.ok_or_else(|| refused(against, known))?;
                return Ok(Root {
                    stream,
                    time: watermark.column.as_str(),
                    delay_us: watermark.delay.as_micros(),
                    behind_us,
                });
            }
            Some(Object::View(view)) if is_judged(view, id == known.input.id()) => {
                let watermark = view.spec.watermark.as_ref();
                let delay = watermark.map_or(Duration::ZERO, |watermark| watermark.delay);
                behind_us = delay.as_micros().saturating_add(behind_us);
                let source = view.spec.reads.first();
                id = *source.ok_or_else(|| refused(against, known))?;
            }
            _ => return Err(refused(against, known)),
        }
    }
}

/// Whether it is known which rows of a view are late for the windows opened over it. Of one that
/// passes rows on as they come, only the seqs of its own source would say it.
fn is_judged(view: &ViewDef, is_cut: bool) -> bool {
    !is_cut || matches!(view.spec.emit, Emit::OnWindowClose { corrections: None })
}

fn refused(against: Against<'_>, known: &Known) -> Problem {
    let start = mainstem_kernel::Place {
        file: against.file.to_owned(),
        line: 1,
        column: 1,
    };
    let message = format!("view \"{}\" cannot be verified", against.own);
    mistake(Code::View014, start, message)
        .detail(format!(
            "It opens windows over {}, whose rows do not say when they arrived: which of them came \
             too late is not known any more.",
            known.label()
        ))
        .hint(format!("VERIFY VIEW {} verifies what it reads", known.name))
}

/// Caps each COUNT(DISTINCT …) of a SELECT at the most that the view may hold: so it answers.
pub(super) fn cap_distinct(select: &mut Select, most: u64) {
    let mut cap = |expr: &mut Expr| -> ControlFlow<()> {
        if is_distinct_count(expr)
            && let Ok(capped) = batch::expression(&format!("least({expr}, {most})"))
        {
            *expr = capped;
        }
        ControlFlow::Continue(())
    };
    // It never breaks off.
    let _never = visit_expressions_mut(&mut select.projection, &mut cap);
    let _never = visit_expressions_mut(&mut select.having, &mut cap);
}

fn is_distinct_count(expr: &Expr) -> bool {
    let Expr::Function(call) = expr else {
        return false;
    };
    let FunctionArguments::List(list) = &call.args else {
        return false;
    };
    bare(&call.name).is_some_and(|name| folded(name) == "count")
        && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
}
