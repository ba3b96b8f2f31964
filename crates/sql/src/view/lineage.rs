//! Where a column of an operator comes from.

use super::{Node, shape::column};

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

/// The origin of an operator's column; `None` if it is computed or looked up.
pub(crate) fn origin(node: &Node, index: usize) -> Option<Origin> {
    match node {
        Node::Source { columns, .. } => columns.get(index).cloned().map(Origin::Source),
        Node::Filter { input, .. } => origin(input, index),
        Node::Project { input, exprs, .. } => origin(input, column(exprs.get(index)?)?),
        Node::Lookup { input, .. } => {
            let is_input = index < input.schema().fields().len();
            is_input.then(|| origin(input, index)).flatten()
        }
        Node::Tumble { input, .. } => {
            let width = input.schema().fields().len();
            match index.checked_sub(width) {
                None => origin(input, index),
                Some(0) => Some(Origin::WindowStart),
                Some(_) => Some(Origin::WindowEnd),
            }
        }
        Node::Aggregate { input, keys, .. } => origin(input, column(keys.get(index)?)?),
    }
}

/// The operator that opens windows, if there is one.
pub(crate) fn tumble(node: &Node) -> Option<&Node> {
    match node {
        Node::Tumble { .. } => Some(node),
        other => tumble(other.input()?),
    }
}

/// The operator that groups, if there is one.
pub(crate) fn aggregate(node: &Node) -> Option<&Node> {
    match node {
        Node::Aggregate { .. } => Some(node),
        other => aggregate(other.input()?),
    }
}
