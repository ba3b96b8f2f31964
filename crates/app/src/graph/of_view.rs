//! The graph of one view: what it reads, its operators, itself, and the views that read it.

use std::sync::Arc;

use mainstem_catalog::{Definitions, Object, ViewDef};
use mainstem_kernel::{Problem, StreamId};
use mainstem_sql::view::{Operator, OperatorKind, plan_again};

use super::{
    EdgeKind, Graph, GraphEdge, GraphNode, Keeps, edge,
    of_app::{kind_of_edge, of_object},
};
use crate::words;

/// The graph of a view.
///
/// # Errors
/// What stands against its plan, although it is declared.
pub fn view_graph(defs: &Definitions, def: &Arc<ViewDef>) -> Result<Graph, Vec<Problem>> {
    let (plan, named) = plan_again(defs, def)?;
    let operators = plan.operators(&named);
    let mut drawing = Drawing {
        defs: &named,
        nodes: Vec::new(),
        edges: Vec::new(),
    };
    for id in &def.spec.reads {
        drawing.input(*id, &operators);
    }
    let ids = drawing.operators(&operators);
    let own = def.spec.name.as_str();
    if let Some(last) = ids.len().checked_sub(1) {
        drawing.edges.extend(out_of(&ids, last, own));
    }
    drawing.nodes.push(itself(def));
    for reader in defs.readers(def.id).filter(|reader| reader.id != def.id) {
        let reader = of_object(Object::View(reader));
        drawing.edges.push(edge(own, &reader.id, EdgeKind::Rows));
        drawing.nodes.push(reader);
    }
    Ok(Graph {
        app: def.app.to_string(),
        view: Some(own.to_owned()),
        version: Some(u64::from(def.id.0)),
        position: None,
        nodes: drawing.nodes,
        edges: drawing.edges,
    })
}

struct Drawing<'a> {
    defs: &'a Definitions,
    nodes: Vec<GraphNode>,
    edges: Vec<GraphEdge>,
}

impl Drawing<'_> {
    /// An object that is read, with the columns that are.
    fn input(&mut self, id: StreamId, operators: &[Operator]) {
        let Some(object) = self.defs.by_id(id) else {
            return;
        };
        let mut node = of_object(object);
        let sources = operators
            .iter()
            .filter(|one| one.reads == Some(id) && one.kind == OperatorKind::Source);
        for source in sources {
            let new = source.details.iter();
            let new: Vec<_> = new.filter(|one| !node.details.contains(one)).collect();
            let new: Vec<String> = new.into_iter().cloned().collect();
            node.details.extend(new);
            node.keeps.extend(source.state.iter().map(Keeps::of));
        }
        self.nodes.push(node);
    }

    /// The operators that are not just an object that is read; returns the node of each.
    fn operators(&mut self, operators: &[Operator]) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for (place, operator) in operators.iter().enumerate() {
            let object = operator.reads.and_then(|id| self.defs.by_id(id));
            let object = object.map(|object| object.name().to_string());
            if let (OperatorKind::Source, Some(object)) = (operator.kind, &object) {
                ids.push(object.clone());
                continue;
            }
            // What only leaves columns out says nothing that the next one does not.
            if let (OperatorKind::Project, [input]) = (operator.kind, operator.inputs.as_slice())
                && !operator.details.iter().any(|detail| detail.contains(" = "))
                && let Some(below) = ids.get(*input).cloned()
            {
                ids.push(below);
                continue;
            }
            let id = format!("operator/{place}");
            let inputs = operator.inputs.iter();
            let rows = inputs.filter_map(|input| out_of(&ids, *input, &id));
            self.edges.extend(rows);
            let read = object.map(|object| edge(object, &id, kind_of_edge(operator.kind)));
            self.edges.extend(read);
            self.nodes.push(GraphNode {
                id: id.clone(),
                operator: Some(place),
                kind: operator.kind.as_str().to_owned(),
                title: operator.title.clone(),
                details: operator.details.clone(),
                keeps: operator.state.iter().map(Keeps::of).collect(),
                live: None,
            });
            ids.push(id);
        }
        ids
    }
}

/// The rows of an operator, from the node that shows it.
fn out_of(ids: &[String], operator: usize, to: &str) -> Option<GraphEdge> {
    Some(GraphEdge {
        operator: Some(operator),
        ..edge(ids.get(operator)?, to, EdgeKind::Rows)
    })
}

/// The view as the end of its operators: when its rows come out, and what identifies one.
fn itself(def: &ViewDef) -> GraphNode {
    let mut details = vec![words::emit(def.spec.emit)];
    if !def.spec.key.is_empty() {
        details.push(format!("key {}", words::names(&def.spec.key)));
    }
    if let Some(watermark) = &def.spec.watermark {
        details.push(format!("watermark {}", words::watermark(Some(watermark))));
    }
    GraphNode {
        id: def.spec.name.to_string(),
        kind: "view".to_owned(),
        operator: None,
        title: def.spec.name.to_string(),
        details,
        keeps: Vec::new(),
        live: None,
    }
}
