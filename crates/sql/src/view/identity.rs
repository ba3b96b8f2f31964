//! What identifies a numbered row of a key: its number, or the row itself. A row that keeps its
//! values while its number shifts does not change for those who do not see the number.

use std::collections::BTreeSet;

use datafusion::physical_expr::utils::collect_columns;

use super::{Node, node::Rank};

/// Decides it for the operator that numbers rows, if there is one.
pub(crate) fn identified(mut plan: Node) -> Node {
    let width = plan.schema().fields().len();
    let reads = reads_number(&plan, (0..width).collect());
    if let Some(rank) = rank_of(&mut plan) {
        let beside = |place: &usize| !rank.partition.contains(place);
        rank.identity = match (rank.limit, rank.partition.is_empty()) {
            (1, false) => Vec::new(),
            _ if !reads && !rank.unique.is_empty() => {
                rank.unique.iter().copied().filter(beside).collect()
            }
            _ => vec![rank.number()],
        };
    }
    plan
}

/// Whether some of an operator's columns depend on the number of a row.
fn reads_number(node: &Node, wanted: BTreeSet<usize>) -> bool {
    match node {
        Node::Rank(rank) => wanted.contains(&rank.number()),
        Node::Filter { input, predicate } => {
            let read = collect_columns(predicate);
            let read = read.iter().map(|column| column.index());
            reads_number(input, wanted.into_iter().chain(read).collect())
        }
        Node::Project { input, exprs, .. } => {
            let exprs = wanted.iter().filter_map(|place| exprs.get(*place));
            let read = exprs.flat_map(collect_columns);
            reads_number(input, read.map(|column| column.index()).collect())
        }
        _ => false,
    }
}

fn rank_of(node: &mut Node) -> Option<&mut Rank> {
    match node {
        Node::Rank(rank) => Some(rank),
        Node::Filter { input, .. } | Node::Project { input, .. } => rank_of(input),
        _ => None,
    }
}
