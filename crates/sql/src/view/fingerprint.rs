//! A name for what a plan computes. Other names of columns do not change it; anything that
//! changes a row does.
//!
//! It is the BLAKE3 hash of a text: a version, the inputs, the operators with columns by their
//! ids or positions and with types, what identifies a row, and when rows are final. How often
//! updates are told does not change rows and is left out.

use std::{fmt::Write, sync::Arc};

use datafusion::{
    arrow::datatypes::Schema,
    common::tree_node::{Transformed, TreeNode},
    physical_expr::{PhysicalExpr, expressions::Column},
};
use mainstem_catalog::{Definitions, Emit, Object};
use mainstem_kernel::StreamId;

use super::{
    Input, Node, WindowKind, Windows,
    node::{Call, Figure, Pairs, PairsKind, Rank, Running},
};

/// Raised when equal texts no longer mean equal rows.
const VERSION: u32 = 1;
/// Hexadecimal digits that are kept.
const DIGITS: usize = 32;

/// The name of what is computed.
pub(crate) fn fingerprint(
    defs: &Definitions,
    (inputs, plan): (&[Input], &Node),
    key: &[usize],
    emit: Emit,
) -> String {
    let text = text(defs, (inputs, plan), key, emit);
    let hash = blake3::hash(text.as_bytes()).to_hex();
    hash.chars().take(DIGITS).collect()
}

fn text(
    defs: &Definitions,
    (inputs, plan): (&[Input], &Node),
    key: &[usize],
    emit: Emit,
) -> String {
    let mut out = format!("mainstem view {VERSION}\n");
    operators(defs, inputs, plan, &mut out);
    // Writing to a String cannot fail.
    let _written = writeln!(out, "key {key:?}");
    let emit = match emit {
        Emit::OnUpdate { .. } => "update".to_owned(),
        other => format!("{other:?}"),
    };
    let _written = writeln!(out, "emit {emit}");
    out
}

/// An operator and what is below it. Each ends with its sources, so that sides cannot be mixed up.
fn operators(defs: &Definitions, inputs: &[Input], node: &Node, out: &mut String) {
    operator(defs, inputs, node, out);
    for below in node.inputs() {
        operators(defs, inputs, below, out);
    }
}

fn paired(pairs: &Pairs) -> String {
    let keys = pairs.keys.iter();
    let keys = keys.map(|(left, right)| (anonymous(left), anonymous(right)));
    let (keys, outer) = (keys.collect::<Vec<_>>(), pairs.outer.left());
    match &pairs.kind {
        PairsKind::Near(near) => {
            let (from, to, slice) = (near.from_us, near.to_us, near.slice_us);
            let times = near.times;
            format!("pairs {keys:?} {times:?} {from} {to} {outer} {slice}")
        }
        PairsKind::Changing { key } => {
            let more = if pairs.outer.right() { " right" } else { "" };
            format!("pairs {keys:?} by {key:?} {outer}{more}")
        }
    }
}

fn operator(defs: &Definitions, inputs: &[Input], node: &Node, out: &mut String) {
    let input = |index: usize| inputs.get(index).map_or(StreamId::CATALOG, Input::id);
    let ids = |index: usize, names: &[String]| -> Vec<String> {
        let object = defs.by_id(input(index));
        names.iter().map(|name| column_id(object, name)).collect()
    };
    let types = types(node.schema());
    let line = match node {
        Node::Source {
            input: index,
            columns,
            ..
        } => {
            let event_time = inputs.get(*index).and_then(Input::watermark);
            let watermark = event_time.map(|w| {
                (
                    column_id(defs.by_id(input(*index)), w.column.as_str()),
                    w.delay,
                )
            });
            let idle = event_time.and_then(|w| w.idle_timeout);
            let idle = idle.map_or_else(String::new, |span| format!(" idle {span:?}"));
            format!(
                "source {} {:?} {watermark:?}{idle}",
                input(*index),
                ids(*index, columns)
            )
        }
        Node::Filter { predicate, .. } => format!("filter {}", anonymous(predicate)),
        Node::Project { exprs, .. } => format!("project {:?}", all(exprs)),
        Node::Union { inputs, .. } => format!("union {}", inputs.len()),
        Node::Pairs(pairs) => paired(pairs),
        Node::Lookup {
            table,
            keys,
            outer,
            columns,
            ..
        } => {
            let columns = ids(*table, columns);
            format!(
                "lookup {} {:?} {outer} {columns:?}",
                input(*table),
                all(keys)
            )
        }
        Node::Window {
            time, windows, by, ..
        } => window(*time, windows, by),
        Node::Aggregate {
            keys,
            window,
            calls,
            ..
        } => {
            let calls: Vec<String> = calls.iter().map(call).collect();
            format!("aggregate {:?} {window:?} {calls:?}", all(keys))
        }
        Node::Rank(rank) => ranked(rank),
        Node::Running(running) => figures(running),
    };
    let _written = writeln!(out, "{line} {types}");
}

fn figures(running: &Running) -> String {
    let figures: Vec<String> = running.figures.iter().map(figure).collect();
    let turns = running.turns.map(|turns| (turns.time, turns.slice_us));
    let turns = turns.map(|(time, slice)| format!(" turns @{time} {slice}"));
    let turns = turns.unwrap_or_default();
    format!("running {:?} {figures:?}{turns}", running.partition)
}

fn ranked(rank: &Rank) -> String {
    let Rank {
        partition,
        window,
        order,
        limit,
        identity,
        ..
    } = rank;
    let order = order.iter().map(|order| {
        let expr = anonymous(&order.expr);
        format!("{expr} {} {}", order.descending, order.nulls_first)
    });
    let order: Vec<String> = order.collect();
    format!("rank {partition:?} {window:?} {order:?} {limit} {identity:?}")
}

fn figure(figure: &Figure) -> String {
    match figure {
        Figure::Aggregate(of, frame) => format!("{} {frame:?}", call(of)),
        Figure::Lag { arg, rows, ty } => format!("lag {} {rows} {ty}", anonymous(arg)),
        Figure::Pattern { program, args, ty } => {
            let args: Vec<String> = args.iter().map(anonymous).collect();
            format!("{} {args:?} {ty}", program.name())
        }
    }
}

fn window(time: usize, windows: &Windows, by: &[usize]) -> String {
    let Windows {
        kind,
        size_us,
        slide_us,
        offset_us,
        zone,
    } = windows;
    match kind {
        WindowKind::Tumbling => format!("tumble {time} {size_us} {offset_us} {zone:?}"),
        WindowKind::Hopping => format!("hop {time} {slide_us} {size_us} {offset_us} {zone:?}"),
        WindowKind::Cumulating => {
            format!("cumulate {time} {slide_us} {size_us} {offset_us} {zone:?}")
        }
        WindowKind::Session => format!("session {time} {size_us} {by:?}"),
    }
}

/// A column by its id, which outlives its name; by its name if it has none yet.
fn column_id(object: Option<Object<'_>>, name: &str) -> String {
    let columns = match object {
        Some(Object::Stream(def)) => &def.spec.columns,
        Some(Object::Table(def)) => &def.spec.columns,
        Some(Object::View(def)) => &def.spec.columns,
        None => return name.to_owned(),
    };
    match columns.get(name) {
        Some(column) if column.id != 0 => format!("#{}", column.id),
        _ => name.to_owned(),
    }
}

fn call(call: &Call) -> String {
    let Call {
        function,
        args,
        filter,
        ty,
        distinct_max,
    } = call;
    let filter = filter.as_ref().map(anonymous);
    format!(
        "{} {:?} {filter:?} {ty} {distinct_max:?}",
        function.as_str(),
        all(args)
    )
}

fn types(schema: &Schema) -> String {
    let fields = schema.fields().iter();
    let types: Vec<String> = fields
        .map(|field| {
            format!(
                "{}{}",
                field.data_type(),
                if field.is_nullable() { "?" } else { "" }
            )
        })
        .collect();
    types.join(",")
}

fn all(exprs: &[Arc<dyn PhysicalExpr>]) -> Vec<String> {
    exprs.iter().map(anonymous).collect()
}

/// An expression with columns by position.
fn anonymous(expr: &Arc<dyn PhysicalExpr>) -> String {
    let renamed = Arc::clone(expr).transform_up(|expr| {
        Ok(match expr.downcast_ref::<Column>() {
            Some(column) => {
                let index = column.index();
                Transformed::yes(Arc::new(Column::new("", index)) as Arc<dyn PhysicalExpr>)
            }
            None => Transformed::no(expr),
        })
    });
    renamed.map_or_else(|_| expr.to_string(), |renamed| renamed.data.to_string())
}
