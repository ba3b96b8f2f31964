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
//! has not come are left out. Of several streams those of one time are in the order of the log (`places`).
//!
//! Of several streams W is the least of theirs, so it is asked of the seqs of all of them (`event_times`).
//!
//! Rows of a view that emits on window close are never late for the view above: they leave when W
//! passes the end of their window, and its watermark is a whole window behind. The same holds for pairs of
//! rows, for rows that took turns, and for what only passes such rows on. Rows of a view that passes those
//! of streams on as they come are judged by the seqs of the rows that they were made of: so its own
//! question stands in its place, with these seqs; pairs on a side of its UNION have none (`passed`).

mod different;
mod event_time;
mod event_times;
mod least;
mod passed;
mod refusals;
mod waits;

use std::time::Duration;

use mainstem_catalog::{Emit, Object};
use mainstem_kernel::{Problem, StreamId, types::SEQ_COLUMN};
use sqlparser::ast::{Ident, TableFactor};

use super::{
    super::{
        WindowKind,
        relation::{Cut, Known},
    },
    Against,
    batch::{self, Opened},
};
use crate::declare::quoted;

pub(super) use different::cap_distinct;
pub(crate) use event_time::at_frontier;
use event_times::EventTimes;
use passed::source;
pub(crate) use refusals::without_places;
use refusals::{refused, unknown};
pub(super) use refusals::{unpaired, without_names};
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
        true => format!(" WHERE {}", source.within(&quoted(&cut.time))),
        // They are of a window that is over.
        false => String::new(),
    };
    if source.is_judged && !columns.iter().any(|column| column == SEQ_COLUMN) {
        columns.push(SEQ_COLUMN.to_owned());
    }
    let columns = columns.join(", ");
    let marks = match source.is_judged {
        true => event_time.marks(source.seqs),
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
