//! The graph of an application: its streams, tables and views, and which view reads which.

use mainstem_catalog::{Definitions, Object, ViewDef};
use mainstem_kernel::{AppName, Problem, StreamId, TenantId};
use mainstem_sql::{
    PlannedView,
    view::{OperatorKind, plan_again},
};

use super::{EdgeKind, Graph, GraphNode, Keeps, edge};
use crate::words;

/// The graph of an application. Of a view that is built anew, the version that is shown.
///
/// # Errors
/// What stands against a view's plan, although it is declared.
pub fn app_graph(
    defs: &Definitions,
    tenant: TenantId,
    app: &AppName,
) -> Result<Graph, Vec<Problem>> {
    let streams = defs.streams_of(tenant, app).map(Object::Stream);
    let tables = defs.tables_of(tenant, app).map(Object::Table);
    let mut nodes: Vec<GraphNode> = streams.chain(tables).map(of_object).collect();
    let mut edges = Vec::new();
    let is_shown = |def: &&std::sync::Arc<ViewDef>| {
        let named = defs.view(tenant, def.spec.name.as_str());
        named.is_some_and(|named| named.id == def.id)
    };
    for def in defs.views_of(tenant, app).filter(is_shown) {
        let (plan, defs) = plan_again(defs, def)?;
        nodes.push(of_view(&defs, def, &plan));
        let to = def.spec.name.as_str();
        for (id, kind) in reads(&plan, &defs) {
            let from = defs.by_id(id);
            edges.extend(from.map(|from| edge(from.name().as_str(), to, kind)));
        }
    }
    Ok(Graph {
        app: app.to_string(),
        view: None,
        version: None,
        position: None,
        nodes,
        edges,
    })
}

/// What a view reads and how, each once.
fn reads(plan: &PlannedView, defs: &Definitions) -> Vec<(StreamId, EdgeKind)> {
    let mut read = Vec::new();
    for operator in plan.operators(defs) {
        let new = operator.reads.map(|id| (id, kind_of_edge(operator.kind)));
        read.extend(new.filter(|new| !read.contains(new)));
    }
    read
}

/// How an operator reads its object.
pub(super) fn kind_of_edge(kind: OperatorKind) -> EdgeKind {
    match kind {
        OperatorKind::Lookup => EdgeKind::Lookup,
        _ => EdgeKind::Rows,
    }
}

/// A stream, a table, or a view of which nothing but its outside counts.
pub(super) fn of_object(object: Object<'_>) -> GraphNode {
    let details = match object {
        Object::Stream(def) => {
            let watermark = def.spec.watermark.as_ref();
            let told = watermark.map(|one| format!("watermark {}", words::watermark(Some(one))));
            told.into_iter().collect()
        }
        Object::Table(def) => vec![format!("key {}", words::names(&def.spec.key))],
        Object::View(def) => vec![words::emit(def.spec.emit)],
    };
    GraphNode {
        id: object.name().to_string(),
        kind: object.kind().to_string(),
        operator: None,
        title: object.name().to_string(),
        details,
        keeps: Vec::new(),
        live: None,
    }
}

/// A view as one node: what it does on the way to its rows, and when they come out.
fn of_view(defs: &Definitions, def: &ViewDef, plan: &PlannedView) -> GraphNode {
    let operators = plan.operators(defs);
    let telling = operators
        .iter()
        .filter(|one| !matches!(one.kind, OperatorKind::Source | OperatorKind::Project));
    let told = telling.map(|one| match one.kind {
        OperatorKind::Filter => format!("{} {}", one.title, one.details.join(", ")),
        _ => one.title.clone(),
    });
    let mut details: Vec<String> = told.collect();
    details.push(words::emit(def.spec.emit));
    GraphNode {
        id: def.spec.name.to_string(),
        kind: "view".to_owned(),
        operator: None,
        title: def.spec.name.to_string(),
        details,
        keeps: plan.state.iter().map(Keeps::of).collect(),
        live: None,
    }
}
