//! A planned view as people look at it: its operators, in words, with what each reads and keeps. It
//! is what EXPLAIN VIEW prints and what pictures are drawn from; nothing is run from it.
//!
//! Operators are listed from the inputs up: each comes after all that its rows come from, and the
//! last one gives the rows of the view.

mod keyed;
mod moved;
mod spell;
mod tree;

use std::time::Duration;

use mainstem_catalog::Definitions;
use mainstem_kernel::StreamId;

use super::{Input, Node, PairsKind, PlannedView, StateNote, WindowKind, Windows};
use crate::declare::span_text;

/// One operator, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// What it is.
    pub kind: OperatorKind,
    /// What it does, without its columns: `filter`, `windows of 1 hour over at`.
    pub title: String,
    /// Columns, predicate, or what it computes; one per entry.
    pub details: Vec<String>,
    /// The object that it reads beside its inputs: of a source its stream, table or view, of a
    /// lookup its table.
    pub reads: Option<StreamId>,
    /// What it keeps, and what bounds it.
    pub state: Option<StateNote>,
    /// The operators that its rows come from, by their places in the list.
    pub inputs: Vec<usize>,
}

/// What an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorKind {
    /// Reads an object.
    Source,
    /// Chooses rows.
    Filter,
    /// Computes columns.
    Project,
    /// Adds columns of a table.
    Lookup,
    /// Adds windows.
    Window,
    /// Groups rows.
    Aggregate,
    /// Puts rows of several inputs one after the other.
    Union,
    /// Pairs rows of two inputs.
    Join,
    /// Something else: its title says what.
    Other,
}

impl OperatorKind {
    /// As programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Filter => "filter",
            Self::Project => "project",
            Self::Lookup => "lookup",
            Self::Window => "window",
            Self::Aggregate => "aggregate",
            Self::Union => "union",
            Self::Join => "join",
            Self::Other => "operator",
        }
    }
}

impl PlannedView {
    /// Its operators, from the inputs up.
    #[must_use]
    pub fn operators(&self, defs: &Definitions) -> Vec<Operator> {
        let mut list = Vec::new();
        let telling = Telling { view: self, defs };
        telling.push(&self.plan, &mut list);
        for (place, note) in self.keepers.iter().zip(&self.state) {
            if let Some(operator) = list.get_mut(*place) {
                operator.state = Some(StateNote {
                    bound: without_positions(&note.bound),
                    ..note.clone()
                });
            }
        }
        list
    }

    /// What EXPLAIN VIEW prints: a tree, from the view down to what it reads.
    #[must_use]
    pub fn tree(&self, name: &str, defs: &Definitions) -> Vec<String> {
        tree::lines(self, name, defs)
    }
}

struct Telling<'a> {
    view: &'a PlannedView,
    defs: &'a Definitions,
}

impl Telling<'_> {
    /// Appends an operator behind its inputs and gives its place.
    fn push(&self, node: &Node, list: &mut Vec<Operator>) -> usize {
        let inputs = node.inputs().into_iter();
        let inputs = inputs.map(|input| self.push(input, list)).collect();
        let told = self.told(node);
        list.push(Operator { inputs, ..told });
        list.len().saturating_sub(1)
    }

    /// An operator, as if it had no inputs.
    fn told(&self, node: &Node) -> Operator {
        let below = node.input().map(spell::names).unwrap_or_default();
        match node {
            Node::Source { input, columns, .. } => {
                let input = self.view.inputs.get(*input);
                let title = input.map(|input| self.object(input)).unwrap_or_default();
                Operator {
                    reads: input.map(Input::id),
                    ..operator(OperatorKind::Source, title, columns.clone())
                }
            }
            Node::Filter { predicate, .. } => {
                let predicate = spell::expr(predicate, &below);
                operator(OperatorKind::Filter, "filter".to_owned(), vec![predicate])
            }
            Node::Project { exprs, schema, .. } => {
                let names = schema.fields().iter();
                let computed = names.zip(spell::list(exprs, &below));
                let is_told =
                    |name: &str, spelled: &str| name == spelled || spell::has_no_name(name);
                let details =
                    computed.map(|(field, spelled)| match is_told(field.name(), &spelled) {
                        true => spelled,
                        false => format!("{} = {spelled}", field.name()),
                    });
                let title = "project".to_owned();
                operator(OperatorKind::Project, title, details.collect())
            }
            _ => self
                .lookup(node, &below)
                .or_else(|| windows(node, &below))
                .or_else(|| groups(node, &below))
                .or_else(|| keyed::told(node, &below))
                .or_else(|| together(node))
                .unwrap_or_else(|| plain(node)),
        }
    }

    fn lookup(&self, node: &Node, below: &[String]) -> Option<Operator> {
        let Node::Lookup {
            table,
            keys,
            outer,
            columns,
            ..
        } = node
        else {
            return None;
        };
        let input = self.view.inputs.get(*table);
        let object = input.map(|input| self.object(input)).unwrap_or_default();
        let kind = if *outer { "left lookup" } else { "lookup" };
        let keys = spell::list(keys, below).join(", ");
        let title = format!("{kind} of {object} by {keys}");
        Some(Operator {
            reads: input.map(Input::id),
            ..operator(OperatorKind::Lookup, title, columns.clone())
        })
    }

    /// `stream readings`.
    fn object(&self, input: &Input) -> String {
        let kind = match input {
            Input::Stream { .. } => "stream",
            Input::Table { .. } => "table",
            Input::View { .. } => "view",
        };
        match self.defs.by_id(input.id()) {
            Some(object) => format!("{kind} {}", object.name()),
            None => format!("{kind} {}", input.id()),
        }
    }
}

fn windows(node: &Node, below: &[String]) -> Option<Operator> {
    let Node::Window {
        input,
        time,
        windows,
        by,
        ..
    } = node
    else {
        return None;
    };
    let Windows {
        kind,
        size_us,
        slide_us,
        offset_us,
        zone,
    } = windows;
    let span = |micros: i64| span_text(Duration::from_micros(micros.unsigned_abs()));
    let time = below.get(*time).cloned().unwrap_or_default();
    let (size, slide) = (span(*size_us), span(*slide_us));
    let mut title = match kind {
        WindowKind::Tumbling => format!("windows of {size} over {time}"),
        WindowKind::Hopping => format!("windows of {size} every {slide} over {time}"),
        WindowKind::Cumulating => {
            format!("windows of up to {size} in steps of {slide} over {time}")
        }
        WindowKind::Session => {
            let names = spell::names(input);
            let by = by.iter().filter_map(|by| names.get(*by).cloned());
            let by: Vec<String> = by.collect();
            let by = by.join(", ");
            return Some(operator(
                OperatorKind::Window,
                format!("sessions of ({by}) over {time}, over {size} behind the last row"),
                Vec::new(),
            ));
        }
    };
    if *offset_us != 0 {
        title.push_str(&format!(", shifted by {}", span(*offset_us)));
    }
    if let Some(zone) = zone {
        title.push_str(&format!(", days of {zone}"));
    }
    Some(operator(OperatorKind::Window, title, Vec::new()))
}

fn groups(node: &Node, below: &[String]) -> Option<Operator> {
    let Node::Aggregate { keys, calls, .. } = node else {
        return None;
    };
    let keys = spell::list(keys, below).join(", ");
    let calls = calls.iter().map(|call| spell::call(call, below));
    let title = format!("aggregate by {keys}");
    Some(operator(OperatorKind::Aggregate, title, calls.collect()))
}

/// What puts the rows of several inputs together.
fn together(node: &Node) -> Option<Operator> {
    match node {
        Node::Union { schema, .. } => {
            let columns = schema.fields().iter().map(|field| field.name().clone());
            let title = "union all, in the order of the log".to_owned();
            Some(operator(OperatorKind::Union, title, columns.collect()))
        }
        Node::Pairs(pairs) => {
            let (left, right) = (spell::names(&pairs.left), spell::names(&pairs.right));
            let keys = pairs.keys.iter();
            let keys = keys
                .map(|(a, b)| format!("{} = {}", spell::expr(a, &left), spell::expr(b, &right)));
            let PairsKind::Near(near) = &pairs.kind else {
                let title = format!("{}join of rows that change", pairs.outer.as_str());
                return Some(operator(OperatorKind::Join, title, keys.collect()));
            };
            let name = |names: &[String], place: usize| names.get(place).cloned();
            let (a, b) = near.times;
            let (a, b) = (name(&left, a), name(&right, b));
            let apart = format!(
                "{} - {} from {} to {}",
                b.unwrap_or_default(),
                a.unwrap_or_default(),
                signed(near.from_us),
                signed(near.to_us)
            );
            let title = format!("{}join of rows near in time", pairs.outer.as_str());
            let details = keys.chain([apart]).collect();
            Some(operator(OperatorKind::Join, title, details))
        }
        _ => None,
    }
}

/// A span that may go back.
fn signed(micros: i64) -> String {
    let span = span_text(Duration::from_micros(micros.unsigned_abs()));
    match micros < 0 {
        true => format!("-{span}"),
        false => span,
    }
}

/// Columns by their names alone: `count(a@0)` is `count(a)`.
fn without_positions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('@') {
        out.push_str(before);
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == behind.len() {
            out.push('@');
        }
    }
    out + rest
}

/// What has no words of its own yet, as tests see it.
fn plain(node: &Node) -> Operator {
    let text = node.to_string();
    let line = text.lines().next().unwrap_or_default();
    let (title, detail) = line.split_once(": ").unwrap_or((line, ""));
    let detail = (!detail.is_empty()).then(|| detail.to_owned());
    let detail = detail.into_iter().collect();
    operator(OperatorKind::Other, title.to_owned(), detail)
}

fn operator(kind: OperatorKind, title: String, details: Vec<String>) -> Operator {
    Operator {
        kind,
        title,
        details,
        reads: None,
        state: None,
        inputs: Vec::new(),
    }
}
