//! The schemas of a graph: mirrors of `mainstem_app::graph`.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// An application or a view as nodes and what flows between them.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Graph {
    /// The application.
    app: String,
    /// The view, if it is the graph of one.
    view: Option<String>,
    /// Which version of the view that is: another number once it was changed.
    version: Option<u64>,
    /// Everything up to here is in it.
    position: Option<String>,
    /// Each after all that leads to it.
    nodes: Vec<GraphNode>,
    /// What flows.
    edges: Vec<GraphEdge>,
}

/// A stream, a table, a view or an operator.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct GraphNode {
    /// Its name, or operator/N.
    id: String,
    /// stream, table, view, or what operator: filter, project, lookup, window, aggregate and so on.
    kind: String,
    /// Of an operator: its place in the view's plan, counted from the inputs up.
    operator: Option<usize>,
    /// What it is or does, in a line.
    title: String,
    /// Columns, expressions, or when rows come out.
    details: Vec<String>,
    /// What it keeps: one entry per operator.
    keeps: Vec<Keeps>,
    /// How it goes, if a node runs it.
    live: Option<Live>,
}

/// State, and what bounds it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Keeps {
    /// Of which operator.
    operator: String,
    /// How it is kept.
    kind: String,
    /// What bounds it.
    bound: String,
}

/// How a node of a graph goes. What is not known is left out.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Live {
    /// Of a view: live, building and so on.
    state: Option<String>,
    /// While it is built: how much of its input it has read.
    percent: Option<u8>,
    /// Of a stream, its rows; of a view, rows and changes that it has told since the start.
    rows: Option<u64>,
    /// How many came in a second, lately.
    rows_per_second: Option<f64>,
    /// How far it is behind the newest durable row.
    behind_ms: Option<u64>,
    /// Its state in memory; of a stream, its rows in the log and in history.
    bytes: Option<u64>,
    /// Its groups in memory.
    groups: Option<u64>,
    /// Rows that came too late since the start.
    late: u64,
    /// Rows that failed since the start.
    dead_letters: u64,
    /// Why it stands still.
    problem: Option<String>,
}

/// What flows from one node to another.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct GraphEdge {
    /// A node's id.
    from: String,
    /// A node's id.
    to: String,
    /// rows, or lookup where rows are found by key when they are needed.
    kind: String,
    /// Within a view: the operator that the rows come out of, counted from the inputs up as the plan
    /// has them. Those that only leave columns out count and have no node.
    operator: Option<usize>,
    /// How many rows a second, lately, if it is known.
    rows_per_second: Option<f64>,
}

/// Adds them.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    super::add::<Graph>(schemas, "Graph");
    super::add::<GraphNode>(schemas, "GraphNode");
    super::add::<Keeps>(schemas, "Keeps");
    super::add::<Live>(schemas, "Live");
    super::add::<GraphEdge>(schemas, "GraphEdge");
}

/// A stream and a view over it.
pub(super) fn example() -> Value {
    json!({
        "app": "fleet",
        "position": "p1-019ab3c4d5e60000",
        "nodes": [
            {
                "id": "readings", "kind": "stream", "title": "readings",
                "details": ["watermark at - 10 seconds"], "keeps": [],
                "live": {
                    "rows": 1_005_000, "rows_per_second": 51_200.5, "bytes": 53_477_376,
                    "late": 0, "dead_letters": 0,
                },
            },
            {
                "id": "minute_by_device", "kind": "view", "title": "minute_by_device",
                "details": ["windows of 1 minute over at", "EMIT ON WINDOW CLOSE"],
                "keeps": [{
                    "operator": "groups of (device_id, window_start, window_end)",
                    "kind": "panes",
                    "bound": "windows of 1 minute, each until the watermark (10 seconds behind) \
                        passes its end",
                }],
                "live": {
                    "state": "live", "rows": 1440, "rows_per_second": 24.5, "behind_ms": 2,
                    "bytes": 65536, "groups": 240, "late": 3, "dead_letters": 0,
                },
            },
        ],
        "edges": [{
            "from": "readings", "to": "minute_by_device", "kind": "rows",
            "rows_per_second": 51_200.5,
        }],
    })
}
