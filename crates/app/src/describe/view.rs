//! Views in lines: what one has, what another version of it has instead, and what it is computed
//! from. Columns are matched by name: a version never takes any over.

use mainstem_catalog::{Definitions, Object, ViewSpec};
use mainstem_kernel::Column;

use crate::words;

/// All parts of a view that does not exist yet.
pub(crate) fn all_of_view(spec: &ViewSpec, definitions: &Definitions) -> Vec<String> {
    let mut lines: Vec<String> = selected(spec)
        .map(|column| format!("+ {}", words::column(column)))
        .collect();
    if !spec.key.is_empty() {
        lines.push(format!("+ key ({})", words::names(&spec.key)));
    }
    lines.push(format!("+ {}", words::emit(spec.emit)));
    lines.push(format!("+ reads {}", reads(spec, definitions)));
    lines
}

/// What one version has and the other has not; that it computes something else, if nothing of that
/// can be seen. The name included, the statement's text not.
pub(crate) fn between_views(
    old: &ViewSpec,
    new: &ViewSpec,
    definitions: &Definitions,
) -> Vec<String> {
    let mut lines = Vec::new();
    if old.name != new.name {
        lines.push(format!("~ name {} → {}", old.name, new.name));
    }
    let is_renamed_only = lines.len();
    for column in selected(new) {
        match selected(old).find(|before| before.name == column.name) {
            None => lines.push(format!("+ {}", words::column(column))),
            Some(before) if (&before.ty, before.nullable) != (&column.ty, column.nullable) => {
                lines.push(format!(
                    "~ {} → {}",
                    words::column(before),
                    words::column(column).trim_start_matches("column ")
                ));
            }
            Some(_) => {}
        }
    }
    for gone in selected(old) {
        if !selected(new).any(|column| column.name == gone.name) {
            lines.push(format!("- {}", words::column(gone)));
        }
    }
    if old.key != new.key {
        let (from, to) = (words::names(&old.key), words::names(&new.key));
        lines.push(format!("~ key ({from}) → ({to})"));
    }
    if old.emit != new.emit {
        let (from, to) = (words::emit(old.emit), words::emit(new.emit));
        lines.push(format!("~ {from} → {to}"));
    }
    let (from, to) = (reads(old, definitions), reads(new, definitions));
    if from != to {
        lines.push(format!("~ reads {from} → {to}"));
    } else if old.reads != new.reads {
        lines.push(format!(
            "~ reads another version of {}",
            others(old, new, definitions)
        ));
    }
    if lines.len() == is_renamed_only && !old.computes_same(new) {
        lines.push("~ what it computes".to_owned());
    }
    lines
}

/// What it is computed from, and how far back that goes: `stream "a" (kept 2 years)`.
pub(crate) fn inputs(spec: &ViewSpec, definitions: &Definitions) -> String {
    let objects = spec.reads.iter().filter_map(|id| definitions.by_id(*id));
    let named = objects.map(|object| match object {
        Object::Stream(def) => {
            let kept = match def.spec.retention {
                None => "kept for ever".to_owned(),
                Some(span) => format!("kept {}", words::span(span)),
            };
            format!("{} ({kept})", object.label())
        }
        Object::Table(_) | Object::View(_) => object.label().to_string(),
    });
    listed(named.collect())
}

fn reads(spec: &ViewSpec, definitions: &Definitions) -> String {
    let objects = spec.reads.iter().filter_map(|id| definitions.by_id(*id));
    listed(objects.map(|object| object.label().to_string()).collect())
}

/// The inputs that only one of them has.
fn others(old: &ViewSpec, new: &ViewSpec, definitions: &Definitions) -> String {
    let objects = new.reads.iter().filter(|id| !old.reads.contains(id));
    let objects = objects.filter_map(|id| definitions.by_id(*id));
    listed(objects.map(|object| object.label().to_string()).collect())
}

fn selected(spec: &ViewSpec) -> impl Iterator<Item = &Column> {
    let columns = spec.columns.0.iter();
    columns.filter(|column| !spec.hidden.contains(&column.name))
}

/// `a, b and c`.
fn listed(mut names: Vec<String>) -> String {
    match names.pop() {
        None => String::new(),
        Some(only) if names.is_empty() => only,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}
