//! `svg`: a graph as a picture that stands by itself: no script, no font, nothing from elsewhere, in
//! the colours of day or night as the reader's system says. The same graph gives the same bytes.
//!
//! It never asks anybody: what it shows is in the graph. Names are written as text, whatever is in
//! them.

mod card;
mod layout;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::graph::{EdgeKind, Graph, GraphEdge};
use card::Card;
use layout::{Layout, Point};
use text::{cut, escaped, short, width};

const STYLE: &str = include_str!("picture/style.css");
/// Around everything.
const MARGIN: f64 = 28.0;
/// Above the cards: name and application.
const HEAD: f64 = 66.0;
const WIDTH_MIN: f64 = 460.0;
const LABEL_SIZE: f64 = 11.0;

/// The picture of a graph: an SVG document in UTF-8.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    let cards: Vec<Card> = graph.nodes.iter().map(Card::of).collect();
    let places: BTreeMap<&str, usize> = graph
        .nodes
        .iter()
        .enumerate()
        .map(|(place, node)| (node.id.as_str(), place))
        .collect();
    let joined = graph.edges.iter().filter_map(|edge| {
        let from = places.get(edge.from.as_str())?;
        let to = places.get(edge.to.as_str())?;
        Some((edge, (*from, *to)))
    });
    let (edges, ends): (Vec<&GraphEdge>, Vec<(usize, usize)>) = joined.unzip();
    let sizes: Vec<_> = cards.iter().map(|card| card.size).collect();
    let layout = layout::layout(&sizes, &ends);
    let mut picture = Picture {
        out: String::new(),
        layout,
    };
    picture.begin(graph);
    for (place, edge) in edges.iter().enumerate() {
        picture.line(place, edge);
    }
    for (place, edge) in edges.iter().enumerate() {
        picture.rate(place, edge);
    }
    for (place, card) in cards.iter().enumerate() {
        let at = picture.layout.cards.get(place).copied();
        at.into_iter()
            .for_each(|at| card.draw(moved(at), &mut picture.out));
    }
    picture.out.push_str("</svg>\n");
    picture.out
}

/// From the layout's point to the picture's.
fn moved(point: Point) -> Point {
    Point {
        x: point.x + MARGIN,
        y: point.y + MARGIN + HEAD,
    }
}

struct Picture {
    out: String,
    layout: Layout,
}

impl Picture {
    /// Everything behind the cards and lines.
    fn begin(&mut self, graph: &Graph) {
        let wide = (self.layout.width + 2.0 * MARGIN).max(WIDTH_MIN);
        let high = self.layout.height + 2.0 * MARGIN + HEAD;
        let (kind, name) = match &graph.view {
            Some(view) => ("view", view.as_str()),
            None => ("application", graph.app.as_str()),
        };
        let mut below = match &graph.view {
            Some(_) => format!("application {}", graph.app),
            None => format!("{} objects", graph.nodes.len()),
        };
        if let Some(position) = &graph.position {
            below.push_str(&format!(" · at {position}"));
        }
        let room = wide - 2.0 * MARGIN;
        let title = cut(&format!("{kind} {name}"), 20.0, room);
        let below = cut(&below, 12.0, room);
        put(
            &mut self.out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"mainstem\" \
                 viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\" \
                 role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
                 <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
                 markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path class=\"tip\" d=\"M0 0.5 L7.5 4 L0 7.5 Z\"/></marker></defs>\n\
                 <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
                 <text class=\"head\" x=\"{MARGIN}\" y=\"48\">{title}</text>\n\
                 <text class=\"under\" x=\"{MARGIN}\" y=\"70\">{below}</text>\n",
                label = escaped(&format!("{kind} {name}")),
                title = escaped(&title),
                below = escaped(&below),
            ),
        );
    }

    /// A line from one card to another.
    fn line(&mut self, place: usize, edge: &GraphEdge) {
        let Some(points) = self.layout.lines.get(place).filter(|line| line.len() > 1) else {
            return;
        };
        let mut path = String::new();
        for (index, pair) in points.chunks_exact(2).enumerate() {
            let [a, b] = [moved(pair[0]), moved(pair[1])];
            let bend = (a.x + b.x) / 2.0;
            match index {
                0 => put(&mut path, format_args!("M{:.1} {:.1}", a.x, a.y)),
                // Straight past what stands in the column.
                _ => put(&mut path, format_args!(" L{:.1} {:.1}", a.x, a.y)),
            }
            put(
                &mut path,
                format_args!(
                    " C{bend:.1} {:.1} {bend:.1} {:.1} {:.1} {:.1}",
                    a.y, b.y, b.x, b.y
                ),
            );
        }
        let class = match edge.kind {
            EdgeKind::Rows => "rows",
            EdgeKind::Lookup => "lookup",
        };
        // The more flows, the thicker: a point more for each factor of a hundred.
        let rate = edge.rows_per_second.unwrap_or(0.0).max(0.0);
        let thick = 1.5 + (1.0 + rate).log10() / 2.0;
        put(
            &mut self.out,
            format_args!(
                "<path class=\"line {class}\" d=\"{path}\" stroke-width=\"{thick:.1}\" \
                 marker-end=\"url(#tip)\"/>\n"
            ),
        );
    }

    /// How much flows, on the line, near where it begins.
    fn rate(&mut self, place: usize, edge: &GraphEdge) {
        let (Some(rate), Some([from, to, ..])) = (
            edge.rows_per_second,
            self.layout.lines.get(place).map(Vec::as_slice),
        ) else {
            return;
        };
        let (from, to) = (moved(*from), moved(*to));
        let at = Point {
            x: (from.x + to.x) / 2.0,
            y: (from.y + to.y) / 2.0,
        };
        let text = format!("{}/s", short(rate));
        let wide = width(&text, LABEL_SIZE) + 12.0;
        let class = match rate > 0.0 {
            true => "rate",
            false => "rate still",
        };
        put(
            &mut self.out,
            format_args!(
                "<g class=\"{class}\"><title>{rate:.1} rows a second</title>\
                 <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"18\" rx=\"9\"/><text x=\"{:.1}\" y=\"{:.1}\">{text}</text></g>\n",
                at.x - wide / 2.0,
                at.y - 9.0,
                at.x,
                at.y + 4.0,
            ),
        );
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&std::fmt::format(text));
}
