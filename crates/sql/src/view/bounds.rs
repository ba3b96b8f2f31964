//! What may read the bounds of windows that overlap, and of session windows: groups are made by them,
//! and nothing below the groups reads them otherwise. A row is in many windows that overlap, and is
//! kept once for all of them; of a session window the bounds are known when it is over.
//!
//! Session windows are of the rows that the table function reads: the groups have the columns of its
//! PARTITION BY, and what leaves rows out behind it would change sessions, or none.

use std::sync::Arc;

use datafusion::physical_expr::{PhysicalExpr, utils::collect_columns};
use mainstem_kernel::{Place, Problem};

use super::{
    Node, WindowKind,
    lineage::{self, Origin},
    node::Call,
    refuse::unbuilt,
    shape::column,
};
use crate::declare::Told;

/// Refuses a plan in which something else than groups reads the bounds of such windows.
///
/// # Errors
/// What reads them, by name.
pub(crate) fn check(plan: &Node, place: &Place) -> Result<(), Problem> {
    let Some(node @ Node::Window { windows, .. }) = lineage::window(plan) else {
        return Ok(());
    };
    let kind = windows.kind;
    if kind == WindowKind::Tumbling {
        return Ok(());
    }
    let function = kind.function();
    if lineage::rank(plan).is_some() {
        let what = format!("ROW_NUMBER() over windows of {function}");
        return Err(unbuilt(&what, place.clone()).hint(
            "make a view of the groups that emits on window close, and number its rows in another",
        ));
    }
    let Some(Node::Aggregate {
        input,
        keys,
        window: Some((start, end)),
        calls,
        ..
    }) = lineage::aggregate(plan)
    else {
        let what = format!("{function}(…) without GROUP BY window_start, window_end");
        return Err(unbuilt(&what, place.clone())
            .hint("group by both, and name the other columns of a row beside them"));
    };
    let others = (0..).zip(keys).filter(|(at, _)| at != start && at != end);
    let others: Vec<&Arc<dyn PhysicalExpr>> = others.map(|(_, key)| key).collect();
    let mut read = others.iter().copied().chain(calls.iter().flat_map(read_by));
    if read.any(|expr| reads_bounds(expr, input)) || computes(input) {
        let what = format!("an expression below the groups over a bound of {function}");
        return Err(unbuilt(&what, place.clone()).hint(
            "compute it of the groups: in SELECT over window_start or window_end, or in HAVING",
        ));
    }
    match kind {
        WindowKind::Session => sessions((input.as_ref(), others.as_slice()), node, place),
        WindowKind::Tumbling | WindowKind::Hopping | WindowKind::Cumulating => Ok(()),
    }
}

fn read_by(call: &Call) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
    call.args.iter().chain(&call.filter)
}

/// Whether an operator between the windows and the groups reads their bounds.
fn computes(node: &Node) -> bool {
    let reads = match node {
        Node::Filter { input, predicate } => reads_bounds(predicate, input),
        Node::Project { input, exprs, .. } => {
            let mut computed = exprs.iter().filter(|expr| column(expr).is_none());
            computed.any(|expr| reads_bounds(expr, input))
        }
        Node::Lookup { input, keys, .. } => keys.iter().any(|key| reads_bounds(key, input)),
        Node::Source { .. }
        | Node::Union { .. }
        | Node::Pairs(_)
        | Node::Window { .. }
        | Node::Aggregate { .. } => return false,
        Node::Rank(_) | Node::Running(_) => return true,
    };
    reads || node.input().is_some_and(computes)
}

fn reads_bounds(expr: &Arc<dyn PhysicalExpr>, over: &Node) -> bool {
    let columns = collect_columns(expr);
    let mut origins = columns
        .iter()
        .map(|column| lineage::origin(over, column.index()));
    origins.any(|origin| matches!(origin, Some(Origin::WindowStart | Origin::WindowEnd)))
}

/// Whether groups are those of PARTITION BY, and every row reaches them.
fn sessions(
    (input, keys): (&Node, &[&Arc<dyn PhysicalExpr>]),
    window: &Node,
    place: &Place,
) -> Result<(), Problem> {
    let Node::Window {
        input: below, by, ..
    } = window
    else {
        return Ok(());
    };
    let wanted: Vec<Option<Origin>> = by.iter().map(|by| lineage::origin(below, *by)).collect();
    let of_key = |key: &&Arc<dyn PhysicalExpr>| lineage::origin(input, column(key)?);
    let grouped: Vec<Option<Origin>> = keys.iter().map(of_key).collect();
    let is_same = grouped.iter().all(|key| wanted.contains(key))
        && wanted.iter().all(|by| grouped.contains(by));
    if !is_same {
        return Err(unbuilt(
            "SESSION(…) with other columns in PARTITION BY than in GROUP BY",
            place.clone(),
        )
        .detail("Each group has sessions of its own: where nothing comes for the gap.")
        .hint("write SESSION(stream PARTITION BY column, …) and GROUP BY window_start, window_end, column"));
    }
    match leaves_out(input, &wanted) {
        Some(what) => Err(unbuilt(&format!("{what} SESSION(…)"), place.clone())
            .detail("Sessions are of all rows that SESSION reads, and such a row would still be in one.")
            .hint("take the rows in a view of their own, and open sessions over it; or say it of a call: count(*) FILTER (WHERE …)")),
        None => Ok(()),
    }
}

/// What leaves rows out between the stream and the groups, unless it does so for whole keys.
fn leaves_out(node: &Node, by: &[Option<Origin>]) -> Option<&'static str> {
    match node {
        Node::Filter { input, predicate } => {
            let columns = collect_columns(predicate);
            let mut origins = columns
                .iter()
                .map(|column| lineage::origin(input, column.index()));
            if !origins.all(|origin| by.contains(&origin)) {
                return Some("WHERE over");
            }
        }
        Node::Lookup { outer: false, .. } => return Some("an inner join behind"),
        Node::Lookup { .. }
        | Node::Union { .. }
        | Node::Pairs(_)
        | Node::Project { .. }
        | Node::Window { .. }
        | Node::Source { .. }
        | Node::Aggregate { .. }
        | Node::Running(_) => {}
        Node::Rank(_) => return Some("ROW_NUMBER() behind"),
    }
    leaves_out(node.input()?, by)
}
