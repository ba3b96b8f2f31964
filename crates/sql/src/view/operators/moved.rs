//! What moves the event time that a view goes by, of each stream that it comes from: rows, and
//! `idle_timeout`. Words alone; whoever runs the view moves it.

use mainstem_catalog::{Definitions, Object, StreamDef};
use mainstem_kernel::StreamId;

use super::super::{Node, PlannedView};
use crate::declare::span_text;

/// A line per stream; none if the view does not go by event time.
pub(super) fn lines(view: &PlannedView, defs: &Definitions) -> Vec<String> {
    let mut streams = Vec::new();
    if goes_by_it(&view.plan) {
        for input in view.plan.sources() {
            if let Some(input) = view.inputs.get(input) {
                below(input.id(), defs, &mut streams);
            }
        }
    }
    streams.into_iter().filter_map(line).collect()
}

/// Whether something opens windows, pairs rows that are near in time, or lets them take turns.
fn goes_by_it(node: &Node) -> bool {
    let own = match node {
        Node::Window { .. } => true,
        Node::Pairs(pairs) => pairs.near().is_some(),
        Node::Running(running) => running.turns.is_some(),
        _ => false,
    };
    own || node.inputs().into_iter().any(goes_by_it)
}

/// The streams whose rows move the event time of an object, each once.
fn below<'a>(id: StreamId, defs: &'a Definitions, streams: &mut Vec<&'a StreamDef>) {
    match defs.by_id(id) {
        Some(Object::Stream(def)) if !streams.iter().any(|seen| seen.id == id) => {
            streams.push(def);
        }
        Some(Object::View(def)) if def.spec.emit.is_stream() => {
            for id in &def.spec.reads {
                below(*id, defs, streams);
            }
        }
        Some(Object::Stream(_) | Object::View(_) | Object::Table(_)) | None => {}
    }
}

fn line(stream: &StreamDef) -> Option<String> {
    let watermark = stream.spec.watermark.as_ref()?;
    let name = &stream.spec.name;
    let idle = watermark.idle_timeout.map(span_text);
    Some(match idle {
        Some(idle) => format!(
            "event time of {name} goes on with its rows, and on one machine by itself after {idle} \
             without any (idle_timeout)"
        ),
        None => format!("event time of {name} goes on with its rows alone: it has no idle_timeout"),
    })
}
