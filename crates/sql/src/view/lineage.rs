//! Where a column of an operator comes from.

use std::time::Duration;

use super::{
    Input, Node,
    node::{Near, Pairs, Rank, Running, Turns},
    shape::column,
};

/// Where a column comes from, if its values are not changed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The column of that name of the source.
    Source(String),
    /// The start of the window.
    WindowStart,
    /// The end of the window.
    WindowEnd,
}

/// The origin of an operator's column; `None` if it is computed, looked up, or of several sources.
pub(crate) fn origin(node: &Node, index: usize) -> Option<Origin> {
    match node {
        Node::Source { columns, .. } => columns.get(index).cloned().map(Origin::Source),
        Node::Filter { input, .. } => origin(input, index),
        Node::Project { input, exprs, .. } => origin(input, column(exprs.get(index)?)?),
        Node::Union { .. } | Node::Pairs(_) => None,
        Node::Lookup { input, .. } => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| origin(input, index)).flatten()
        }
        Node::Window { input, .. } => {
            let width = input.schema().fields().len();
            match index.checked_sub(width) {
                None => origin(input, index),
                Some(0) => Some(Origin::WindowStart),
                Some(_) => Some(Origin::WindowEnd),
            }
        }
        Node::Aggregate { input, keys, .. } => origin(input, column(keys.get(index)?)?),
        Node::Rank(rank) => match index == rank.number() {
            true => None,
            false => origin(&rank.input, index),
        },
        Node::Running(Running { input, .. }) => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| origin(input, index)).flatten()
        }
    }
}

/// The column of what is read that an operator's column is: of a UNION that of all sides.
pub(crate) fn read_as(node: &Node, index: usize) -> Option<String> {
    match node {
        Node::Union { inputs, .. } => {
            let mut names = inputs.iter().map(|side| read_as(side, index));
            let first = names.next()??;
            names
                .all(|name| name.as_ref() == Some(&first))
                .then_some(first)
        }
        Node::Filter { input, .. } => read_as(input, index),
        Node::Project { input, exprs, .. } => read_as(input, column(exprs.get(index)?)?),
        Node::Lookup { input, .. } | Node::Running(Running { input, .. }) => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| read_as(input, index)).flatten()
        }
        other => match origin(other, index)? {
            Origin::Source(name) => Some(name),
            Origin::WindowStart | Origin::WindowEnd => None,
        },
    }
}

/// How far an operator's column may be behind the watermark of its view, in which the delays of all that
/// it reads are already: so along a chain of views each adds its own, once. `None` if it is not event
/// time, whichever input a row is of.
pub(crate) fn event_time(node: &Node, index: usize, inputs: &[Input]) -> Option<Duration> {
    match node {
        Node::Source { input, columns, .. } => {
            let watermark = inputs.get(*input)?.watermark()?;
            (columns.get(index)? == watermark.column.as_str()).then_some(Duration::ZERO)
        }
        Node::Filter { input, .. } => event_time(input, index, inputs),
        Node::Project { input, exprs, .. } => event_time(input, column(exprs.get(index)?)?, inputs),
        Node::Union { inputs: sides, .. } => {
            let sides = sides.iter().map(|side| event_time(side, index, inputs));
            sides.collect::<Option<Vec<_>>>()?.into_iter().max()
        }
        // The later row of a pair is not behind the watermark, and the other near it.
        Node::Pairs(pairs) => {
            let behind = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
            let near = pairs.near()?;
            let (left, right) = near.reach_us();
            let width = pairs.left.schema().fields().len();
            if index == near.times.0 {
                let waits = if pairs.outer.left() { near.slice_us } else { 0 };
                return Some(behind(left.max(0).saturating_add(waits)));
            }
            // Where there is no pair, it is NULL.
            (!pairs.outer.left() && index == width.saturating_add(near.times.1))
                .then(|| behind(right))
        }
        Node::Lookup { input, .. } | Node::Window { input, .. } => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| event_time(input, index, inputs)).flatten()
        }
        Node::Running(Running { input, turns, .. }) => {
            let is_input = index < input.schema().fields().len();
            let behind = is_input
                .then(|| event_time(input, index, inputs))
                .flatten()?;
            // Rows of a slice come when the watermark has passed it.
            let waits = turns.map_or(0, |turns| turns.slice_us);
            let waits = Duration::from_micros(u64::try_from(waits).unwrap_or(0));
            Some(behind.saturating_add(waits))
        }
        Node::Rank(rank) => match index == rank.number() {
            true => None,
            false => event_time(&rank.input, index, inputs),
        },
        Node::Aggregate { input, keys, .. } => event_time(input, column(keys.get(index)?)?, inputs),
    }
}

/// The operator that opens windows, if there is one.
pub(crate) fn window(node: &Node) -> Option<&Node> {
    match node {
        Node::Window { .. } => Some(node),
        other => window(other.input()?),
    }
}

/// The operator that groups, if there is one.
pub(crate) fn aggregate(node: &Node) -> Option<&Node> {
    match node {
        Node::Aggregate { .. } => Some(node),
        other => aggregate(other.input()?),
    }
}

/// The operator that tells figures of the rows before, if there is one.
pub(crate) fn running(node: &Node) -> Option<&Running> {
    match node {
        Node::Running(found) => Some(found),
        other => running(other.input()?),
    }
}

/// The operator that pairs rows that change, if there is one.
pub(crate) fn changing(node: &Node) -> Option<&Pairs> {
    match node {
        Node::Pairs(pairs) => pairs.near().is_none().then_some(pairs),
        other => changing(other.input()?),
    }
}

/// The operator that pairs rows near in time, if there is one, and how near.
pub(crate) fn near(node: &Node) -> Option<(&Pairs, &Near)> {
    match node {
        Node::Pairs(pairs) => pairs.near().map(|near| (pairs.as_ref(), near)),
        other => near(other.input()?),
    }
}

/// All operators that pair rows near in time, in the order of the text: several where they stand on sides of
/// UNION.
pub(crate) fn all_near(node: &Node) -> Vec<(&Pairs, &Near)> {
    match node {
        Node::Pairs(pairs) => pairs
            .near()
            .map(|near| (pairs.as_ref(), near))
            .into_iter()
            .collect(),
        other => other.inputs().into_iter().flat_map(all_near).collect(),
    }
}

/// Whether rows leave only when event time is there: as pairs, or in turns.
pub(crate) fn waits(node: &Node) -> bool {
    near(node).is_some() || turns(node).is_some()
}

/// The turns that rows take, if they do.
pub(crate) fn turns(node: &Node) -> Option<Turns> {
    match node {
        Node::Running(Running {
            turns: Some(turns), ..
        }) => Some(*turns),
        other => turns(other.input()?),
    }
}

/// The operator that numbers rows, if there is one.
pub(crate) fn rank(node: &Node) -> Option<&Rank> {
    match node {
        Node::Rank(rank) => Some(rank),
        other => rank(other.input()?),
    }
}
