//! Operators as lines of text: a tree, the view on top. It never decides what an operator says.

use mainstem_catalog::Definitions;

use super::{super::PlannedView, Operator, moved};
use crate::declare::{emit_text, span_text};

/// Lines are broken between entries so that they stay about this long.
const WIDTH: usize = 100;

/// The tree of a view.
pub(super) fn lines(view: &PlannedView, name: &str, defs: &Definitions) -> Vec<String> {
    let operators = &view.operators(defs);
    let mut out = vec![format!("view {name}")];
    let mut head = head(view);
    let moved = moved::lines(view, defs);
    head.extend(moved.iter().flat_map(|line| broken(line, WIDTH)));
    out.extend(head.into_iter().map(|line| format!("│  {line}")));
    if let Some(last) = operators.len().checked_sub(1) {
        let place = Place {
            first: "└─ ".to_owned(),
            rest: "   ".to_owned(),
        };
        draw(operators, last, &place, &mut out);
    }
    out
}

/// When rows come out, what identifies one, and their event time.
fn head(view: &PlannedView) -> Vec<String> {
    let emit = emit_text(view.emit);
    let mut lines = vec![emit.unwrap_or_else(|| "rows as they come".to_owned())];
    let columns = view.key.iter();
    let columns = columns.filter_map(|index| view.columns.0.get(*index));
    let key: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    if !key.is_empty() {
        lines.push(format!("key: {}", key.join(", ")));
    }
    if let Some(watermark) = &view.watermark {
        let behind = match watermark.delay.is_zero() {
            true => String::new(),
            false => {
                let delay = span_text(watermark.delay);
                format!(", at most {delay} behind that of what it reads")
            }
        };
        lines.push(format!("event time: {}{behind}", watermark.column));
    }
    if view.state.is_empty() {
        lines.push("keeps nothing".to_owned());
    }
    lines
}

/// What stands before the first line of an operator, and before all others below it.
struct Place {
    first: String,
    rest: String,
}

fn draw(operators: &[Operator], at: usize, place: &Place, out: &mut Vec<String>) {
    let Some(operator) = operators.get(at) else {
        return;
    };
    let Place { first, rest } = place;
    let bar = match operator.inputs.is_empty() {
        true => "   ",
        false => "│  ",
    };
    let mut lines = wrapped(operator, WIDTH.saturating_sub(rest.chars().count()));
    if let Some(note) = &operator.state {
        let text = format!("keeps {}: {}", note.kind.as_str(), note.bound);
        lines.extend(broken(&text, WIDTH.saturating_sub(rest.chars().count())));
    }
    let mut lines = lines.into_iter();
    let title = lines.next().unwrap_or_default();
    out.push(format!("{first}{title}"));
    out.extend(lines.map(|line| format!("{rest}{bar}{line}")));
    let last = operator.inputs.len().saturating_sub(1);
    for (index, input) in operator.inputs.iter().enumerate() {
        let (first, bar) = match index == last {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        let place = Place {
            first: format!("{rest}{first}"),
            rest: format!("{rest}{bar}"),
        };
        draw(operators, *input, &place, out);
    }
}

/// A sentence in lines that are broken at blanks; the second and later ones are set in.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() + 1 > width && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, " ".to_owned()));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Title and details, in as few lines as fit; the second and later ones are set in.
fn wrapped(operator: &Operator, width: usize) -> Vec<String> {
    let Operator { title, details, .. } = operator;
    let mut lines = Vec::new();
    let mut line = title.clone();
    let mut is_begun = false;
    let count = details.len();
    for (index, detail) in details.iter().enumerate() {
        let comma = if index.saturating_add(1) == count {
            ""
        } else {
            ","
        };
        let colon = if index == 0 { ":" } else { "" };
        let length = line.chars().count() + detail.chars().count() + 3;
        if length > width && is_begun {
            lines.push(std::mem::replace(&mut line, format!("  {detail}{comma}")));
        } else {
            line.push_str(&format!("{colon} {detail}{comma}"));
        }
        is_begun = true;
    }
    lines.push(line);
    lines
}
