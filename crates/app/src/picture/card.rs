//! One node as a card: its lines, its size, and how it is drawn.

use mainstem_kernel::ByteSize;

use super::{
    layout::{Point, Size},
    put,
    text::{escaped, short, width, wrap},
};
use crate::graph::{GraphNode, Live};

/// Room for text.
const TEXT_MIN: f64 = 120.0;
const TEXT_MAX: f64 = 250.0;
/// Left and right of it.
const PAD: f64 = 16.0;
const NAME_SIZE: f64 = 14.0;
const TEXT_SIZE: f64 = 12.0;
const LINE: f64 = 17.0;
/// Bold letters are so much wider.
const BOLD: f64 = 1.16;
/// Details beyond are counted.
const DETAILS_MAX: usize = 7;

/// A card that is about to be drawn.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) size: Size,
    class: &'static str,
    kind: String,
    name: Vec<String>,
    /// Lines below the name in groups; a rule stands between groups.
    groups: Vec<Vec<Line>>,
    /// All of it, for whoever points at the card.
    whole: String,
    /// Of a view its name, for pages that lead there.
    view: Option<String>,
}

#[derive(Debug)]
struct Line {
    class: &'static str,
    text: String,
}

impl Card {
    /// The card of a node.
    pub(super) fn of(node: &GraphNode) -> Self {
        let name = wrap(&node.title, NAME_SIZE * BOLD, TEXT_MAX, 3);
        let mut groups = vec![details(node), keeps(node)];
        groups.extend(node.live.as_ref().map(live));
        groups.retain(|lines| !lines.is_empty());
        let names = name.iter().map(|line| width(line, NAME_SIZE * BOLD));
        let lines = groups.iter().flatten();
        let lines = lines.map(|line| match line.class {
            "" | "keeps" => width(&line.text, TEXT_SIZE),
            _ => width(&line.text, TEXT_SIZE * BOLD),
        });
        let widest = names.chain(lines).fold(TEXT_MIN, f64::max);
        let lines: usize = groups.iter().map(Vec::len).sum();
        // Top, kind, name, lines, and a rule's room before each group.
        let height = 14.0
            + 15.0
            + name.len() as f64 * 19.0
            + lines as f64 * LINE
            + groups.len() as f64 * 9.0
            + 9.0;
        Self {
            size: Size {
                width: (widest + 2.0 * PAD).ceil(),
                height,
            },
            class: match node.kind.as_str() {
                "stream" => "stream",
                "table" => "table",
                "view" => "view",
                _ => "operator",
            },
            kind: node.kind.to_uppercase(),
            name,
            groups,
            whole: whole(node),
            view: (node.kind == "view").then(|| node.title.clone()),
        }
    }

    /// Draws it with its upper left corner there.
    pub(super) fn draw(&self, at: Point, out: &mut String) {
        let Point { x, y } = at;
        let Size { width, height } = self.size;
        let view = self.view.as_ref();
        let view = view.map(|view| format!(" data-view=\"{}\"", escaped(view)));
        put(
            out,
            format_args!(
                "<g class=\"{}\"{}><title>{}</title>\
                 <rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\" rx=\"8\"/>\
                 <rect class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\" width=\"4\" height=\"{:.1}\" rx=\"2\"/>",
                self.class,
                view.unwrap_or_default(),
                escaped(&self.whole),
                y + 10.0,
                height - 20.0,
            ),
        );
        let left = x + PAD;
        let mut base = y + 14.0 + 9.0;
        text(out, "kind", (left, base), &self.kind);
        for line in &self.name {
            base += 19.0;
            text(out, "name", (left, base), line);
        }
        for lines in &self.groups {
            base += 9.0;
            put(
                out,
                format_args!(
                    "<line class=\"rule\" x1=\"{left:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                    x + width - PAD,
                    base - 0.5,
                    base - 0.5
                ),
            );
            for line in lines {
                base += LINE;
                text(out, line.class, (left, base - 1.0), &line.text);
            }
        }
        out.push_str("</g>\n");
    }
}

fn text(out: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let class = match class {
        "" => String::new(),
        class => format!(" class=\"{class}\""),
    };
    let text = escaped(text);
    put(
        out,
        format_args!("<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"),
    );
}

fn line(class: &'static str, text: String) -> Line {
    Line { class, text }
}

fn details(node: &GraphNode) -> Vec<Line> {
    let fitting = match node.details.len() {
        count if count <= DETAILS_MAX => count,
        _ => DETAILS_MAX - 1,
    };
    let shown = node.details.iter().take(fitting);
    let mut lines: Vec<Line> = shown
        .flat_map(|detail| wrap(detail, TEXT_SIZE, TEXT_MAX, 2))
        .map(|text| line("", text))
        .collect();
    let more = node.details.len() - fitting;
    if more > 0 {
        lines.push(line("keeps", format!("and {more} more")));
    }
    lines
}

fn keeps(node: &GraphNode) -> Vec<Line> {
    let told = node.keeps.iter().flat_map(|keeps| {
        let text = format!("keeps {}: {}", keeps.kind, keeps.bound);
        wrap(&text, TEXT_SIZE, TEXT_MAX, 4)
    });
    told.map(|text| line("keeps", text)).collect()
}

/// How it goes, in up to four lines.
fn live(live: &Live) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(state) = &live.state {
        let (class, word) = match (state.as_str(), live.percent) {
            _ if live.problem.is_some() => ("live bad", "stands still".to_owned()),
            ("live", _) => ("live good", "live".to_owned()),
            (state, Some(percent)) => ("live wait", format!("{state} {percent} %")),
            (state, None) => ("live wait", state.to_owned()),
        };
        let behind = live.behind_ms.filter(|_| live.problem.is_none());
        let behind = behind.map(|behind| format!(", {} behind", span(behind)));
        lines.push(line(
            class,
            format!("● {word}{}", behind.unwrap_or_default()),
        ));
    }
    let rate = live
        .rows_per_second
        .map(|rate| format!("{} rows/s", short(rate)));
    let rows = live.rows.map(|rows| format!("{} rows", short(rows as f64)));
    push(&mut lines, "live", [rate, rows]);
    let bytes = live.bytes.filter(|bytes| *bytes > 0);
    let bytes = bytes.map(|bytes| ByteSize(bytes).to_string());
    let groups = live.groups.filter(|groups| *groups > 0);
    let groups = groups.map(|groups| format!("{} groups", short(groups as f64)));
    push(&mut lines, "", [bytes, groups]);
    let late = (live.late > 0).then(|| format!("{} late", short(live.late as f64)));
    let letters = live.dead_letters;
    let letters = (letters > 0).then(|| format!("{} dead letters", short(letters as f64)));
    push(&mut lines, "wait", [late, letters]);
    let problem = live.problem.iter();
    let problem = problem.flat_map(|problem| wrap(problem, TEXT_SIZE, TEXT_MAX, 3));
    lines.extend(problem.map(|text| line("bad", text)));
    lines
}

fn push(lines: &mut Vec<Line>, class: &'static str, parts: [Option<String>; 2]) {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        lines.push(line(class, parts.join(" · ")));
    }
}

/// `12 ms`, `3.4 s`, `5 min`.
fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", millis as f64 / 1e3),
        60_000..3_600_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}

/// Everything that the node says, in one text.
fn whole(node: &GraphNode) -> String {
    let keeps = node.keeps.iter();
    let keeps = keeps.map(|one| format!("keeps {}, {}: {}", one.operator, one.kind, one.bound));
    let mut parts = vec![format!("{}: {}", node.kind, node.title)];
    parts.extend(node.details.iter().cloned());
    parts.extend(keeps);
    parts.join("; ")
}
