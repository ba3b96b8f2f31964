//! `Graph`: what an application or a view is made of, as nodes and what flows between them, and how
//! it goes where a node tells. Pictures are drawn from it and programs read it as JSON. It never
//! decides anything, and asks nobody.
//!
//! Of an application, nodes are its streams, tables and views. Of a view they are the objects that
//! it reads, its operators, itself, and the views that read it. Nodes come after all that leads to
//! them.

mod of_app;
mod of_view;

#[cfg(test)]
mod tests;

use mainstem_sql::view::StateNote;
use serde::{Deserialize, Serialize};

pub use of_app::app_graph;
pub use of_view::view_graph;

/// Nodes, and what flows between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The application.
    pub app: String,
    /// The view, if it is the graph of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Which version of the view that is: another number once it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Everything up to here is in it, as a node tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Each after all that leads to it.
    pub nodes: Vec<GraphNode>,
    /// What flows.
    pub edges: Vec<GraphEdge>,
}

/// A stream, a table, a view or an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphNode {
    /// Its name, or `operator/N`; no other node of the graph has it.
    pub id: String,
    /// `stream`, `table`, `view`, or what operator: `filter`, `project`, `lookup`, `window`,
    /// `aggregate` and so on.
    pub kind: String,
    /// Of an operator: its place in the view's plan, counted from the inputs up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<usize>,
    /// What it is or does, in a line.
    pub title: String,
    /// Columns, expressions, or when rows come out.
    pub details: Vec<String>,
    /// What it keeps: one entry per operator.
    pub keeps: Vec<Keeps>,
    /// How it goes, if a node runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

/// State, and what bounds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeps {
    /// Of which operator.
    pub operator: String,
    /// How it is kept.
    pub kind: String,
    /// What bounds it.
    pub bound: String,
}

/// How a node of the graph goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Of a view: `live`, `building` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// While it is built: how much of its input it has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Of a stream, its rows; of a view, rows and changes that it has told since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// How many came in a second, lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<f64>,
    /// How far it is behind the newest durable row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_ms: Option<u64>,
    /// Its state in memory; of a stream, its rows in the log and in history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its groups in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// Rows that came too late since the start.
    #[serde(default)]
    pub late: u64,
    /// Rows that failed since the start.
    #[serde(default)]
    pub dead_letters: u64,
    /// Why it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What flows from one node to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphEdge {
    /// A node's id.
    pub from: String,
    /// A node's id.
    pub to: String,
    /// How it is read.
    pub kind: EdgeKind,
    /// Within a view: the operator that the rows come out of, counted from the inputs up as the plan
    /// has them. Those that only leave columns out count and have no node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<usize>,
    /// How many rows a second, lately, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<f64>,
}

/// How one node reads another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Every row, as it comes.
    Rows,
    /// Rows by key, when they are needed.
    Lookup,
}

impl Graph {
    /// Adds how its nodes go, and how many rows a second come out of the view's operators, as far as
    /// that is known. What a stream or view gives is what flows from it, and what comes out of an
    /// operator flows to the next one.
    pub fn enliven(
        &mut self,
        position: Option<String>,
        live: impl Fn(&GraphNode) -> Option<Live>,
        passed: impl Fn(usize) -> Option<f64>,
    ) {
        self.position = position;
        for node in &mut self.nodes {
            node.live = live(node);
        }
        for edge in self
            .edges
            .iter_mut()
            .filter(|edge| edge.kind == EdgeKind::Rows)
        {
            let from = self.nodes.iter().find(|node| node.id == edge.from);
            let live = from.and_then(|node| node.live.as_ref());
            edge.rows_per_second = live.and_then(|live| live.rows_per_second);
        }
        // What comes out of a view came out of its last operator.
        if let Some(view) = &self.view {
            let own = self.nodes.iter().find(|node| node.id == *view);
            let rate = own.and_then(|node| node.live.as_ref()?.rows_per_second);
            for edge in self.edges.iter_mut().filter(|edge| edge.to == *view) {
                edge.rows_per_second = rate;
            }
        }
        for edge in &mut self.edges {
            let counted = edge.operator.and_then(&passed);
            edge.rows_per_second = counted.or(edge.rows_per_second);
        }
    }
}

impl Keeps {
    fn of(note: &StateNote) -> Self {
        Self {
            operator: note.operator.clone(),
            kind: note.kind.as_str().to_owned(),
            bound: note.bound.clone(),
        }
    }
}

fn edge(from: impl Into<String>, to: impl Into<String>, kind: EdgeKind) -> GraphEdge {
    GraphEdge {
        from: from.into(),
        to: to.into(),
        kind,
        operator: None,
        rows_per_second: None,
    }
}
