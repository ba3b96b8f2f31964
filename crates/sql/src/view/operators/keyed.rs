//! Words for operators that keep rows of each key.

use std::time::Duration;

use mainstem_kernel::{StreamId, StreamName};

use super::{Operator, OperatorKind, operator, spell};
use crate::{
    declare::span_text,
    pattern::Program,
    view::node::{Figure, Frame, Node, Order, Rank, Running},
};

/// The first rows of each key, and figures of those before.
pub(super) fn told(node: &Node, below: &[String]) -> Option<Operator> {
    match node {
        Node::Rank(rank) => Some(first(rank, below)),
        Node::Running(running) => Some(before(running, below)),
        _ => None,
    }
}

fn first(rank: &Rank, below: &[String]) -> Operator {
    let rows = if rank.limit == 1 { "row" } else { "rows" };
    let title = format!(
        "first {} {rows}{}",
        rank.limit,
        of_each(&rank.partition, below)
    );
    let order = rank.order.iter().map(|order| {
        let Order {
            expr, descending, ..
        } = order;
        let way = if *descending { " DESC" } else { "" };
        format!("{}{way}", spell::expr(expr, below))
    });
    let order = order.collect::<Vec<_>>().join(", ");
    operator(
        OperatorKind::Other,
        title,
        vec![format!("in the order of {order}")],
    )
}

fn before(running: &Running, below: &[String]) -> Operator {
    let matches = |figure: &Figure| matches!(figure, Figure::Pattern { .. });
    let what = match running.figures.iter().all(matches) {
        true => "matches among the rows",
        false => "figures of the rows before",
    };
    if let Some((id, view)) = &running.looked_up {
        return looked_up((*id, view), running, below);
    }
    let title = format!("{what}{}", of_each(&running.partition, below));
    let order = running.turns.and_then(|turns| below.get(turns.time));
    let order = order.map(|time| format!("in the order of {time}"));
    let figures = running.figures.iter().map(|one| figure(one, below));
    let details = order.into_iter().chain(figures).collect();
    operator(OperatorKind::Other, title, details)
}

/// The row of a view as of each event.
fn looked_up((id, view): (StreamId, &StreamName), running: &Running, below: &[String]) -> Operator {
    let begin = format!("key {view}.");
    let names = running
        .partition
        .iter()
        .filter_map(|place| below.get(*place));
    let names = names.map(|name| name.strip_prefix(&begin).unwrap_or(name).to_owned());
    let names: Vec<String> = names.collect();
    let by = match names.is_empty() {
        true => String::new(),
        false => format!(" by {}", names.join(", ")),
    };
    let figures = running.figures.iter().map(|one| figure(one, below));
    Operator {
        reads: Some(id),
        ..operator(
            OperatorKind::Lookup,
            format!("lookup of view {view}{by}, as of each row"),
            figures.collect(),
        )
    }
}

/// What a figure is computed of.
pub(super) fn figure(figure: &Figure, below: &[String]) -> String {
    match figure {
        Figure::Aggregate(call, Frame { first, last }) => {
            let call = spell::call(call, below);
            let end = match last {
                0 => "this row".to_owned(),
                last => format!("{last} before"),
            };
            match first {
                None => format!("{call} up to {end}"),
                Some(first) => format!("{call} from {first} before to {end}"),
            }
        }
        Figure::Pattern { program, .. } => matched(program),
        Figure::Lag { arg, rows, .. } => {
            format!("{} of {rows} before", spell::expr(arg, below))
        }
    }
}

fn matched(program: &Program) -> String {
    let within = program.within_us.map(|within_us| {
        let within_us = u64::try_from(within_us).unwrap_or(0);
        format!(" within {}", span_text(Duration::from_micros(within_us)))
    });
    format!("pattern {}{}", program.text, within.unwrap_or_default())
}

/// " of each a, b"; nothing if all rows are of one key.
fn of_each(partition: &[usize], below: &[String]) -> String {
    if partition.is_empty() {
        return String::new();
    }
    let names = partition.iter().filter_map(|place| below.get(*place));
    let names: Vec<&str> = names.map(String::as_str).collect();
    format!(" of each {}", names.join(", "))
}
